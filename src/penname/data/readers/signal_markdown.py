"""Reads Signal's chats in the Markdown of signal-export (`chat.md`, once `index.md`)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from penname.data.dates import optional_date
from penname.data.load_report import LoadReport
from penname.data.readers.base import Chat, Reader, ReadingSettings, SourceFile, SourceText, if_valid, message
from penname.data.readers.signal import CALL
from penname.data.records import Location
from penname.data.rows import read_lines

_BEGIN = re.compile(r"\[(\d{4}-\d\d-\d\d),? (\d\d:\d\d(?::\d\d)?)\] ([^\n]{1,150}?): ?(.*)", re.DOTALL)
_FILES = re.compile(r"!?\[[^\]\n]*\]\(\.?\.?/?(media|exported_stickers)/[^)\n]*\)(  )?")
_REACTIONS = re.compile(r"\n\(- .* -\)\s*\Z|\n\(\( .* \)\)\s*\Z")
_QUOTED = re.compile(r"\A\s*(>[^\n]*\n)+")


def recognizes(file: SourceFile) -> bool:
    """Whether it is Markdown whose lines begin with a date and a name; not beside the same chat as JSON."""
    if file.suffix != ".md" or file.beside("data.json") is not None:
        return False
    lines = file.head.decode("utf-8", "replace").split("\n")
    return _BEGIN.match(lines[0]) is not None and sum(_BEGIN.match(line) is not None for line in lines) >= min(
        2, len(lines)
    )


def read(file: SourceFile, settings: ReadingSettings, report: LoadReport) -> Iterator[SourceText]:
    """The messages without what they quote, attached files and reactions."""
    chat = Chat()
    for location, (day, time, sender, text) in _messages(file, report):
        report.rows += 1
        text = _FILES.sub("", _REACTIONS.sub("", _QUOTED.sub("", text))).strip()
        if CALL.fullmatch(text) or text == "(This message was deleted)":
            report.skip(location.error(None, "a line of the program", "a message", "no message of a user"))
            continue
        date = if_valid("date", optional_date, {"date": f"{day}T{time}"}, "date", location, report)
        document = message(location, report, None if sender == "No-Sender" else sender, text, date)
        if document is not None:
            yield SourceText(document, chat.add(document.user_id, document.text))


def _messages(file: SourceFile, report: LoadReport) -> Iterator[tuple[Location, tuple[str, str, str, str]]]:
    """Each message with its location, and its day, time, sender and text."""
    found: tuple[Location, re.Match[str]] | None = None
    parts: list[str] = []
    for number, raw in read_lines(file.place, report):
        match = _BEGIN.match(raw)
        if match is None and found is not None:
            parts.append(raw)
        elif match is not None:
            if found is not None:
                yield found[0], (found[1][1], found[1][2], found[1][3], "".join(parts))
            found, parts = (Location(file.path, number), match), [match[4]]
        elif raw.strip():
            report.rows += 1
            location = Location(file.path, number)
            report.reject(location.error(None, repr(raw[:40]), "a date and a time", "text before the first message"))
    if found is not None:
        yield found[0], (found[1][1], found[1][2], found[1][3], "".join(parts))


READER = Reader(
    "a Signal chat in Markdown",
    "lines as in [2024-05-31 10:00:00] Ann: text",
    recognizes,
    read,
    companions=("index.html", "style.css"),
)
