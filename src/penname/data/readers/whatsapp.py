"""Reads WhatsApp's exported chats (`_chat.txt`, or a zip with it)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from penname.data.load_report import LoadReport
from penname.data.readers.base import Chat, Reader, ReadingSettings, SourceFile, SourceText, message
from penname.data.readers.whatsapp_dates import moment_of
from penname.data.readers.whatsapp_lines import MARK, Line, begin
from penname.data.readers.whatsapp_style import Style, style_of
from penname.data.readers.whatsapp_words import is_event, is_notice, written
from penname.data.records import Location
from penname.data.rows import read_lines

_MARKS = re.compile(MARK)
_SENDER = re.compile(r"([^\n]{1,150}?) ?:(?: |(?=\n)|$)(.*)", re.DOTALL)
_NO_CONTACT = re.compile(r"~[ \u00a0\u202f]")
_QUOTES = (('"', '"'), ("“", "”"), ("„", "“"), ("«", "»"))


def recognizes(file: SourceFile) -> bool:
    """Whether it is a text whose lines begin with dates and times as in a chat, and several name a sender."""
    if file.suffix not in (".txt", ""):
        return False
    lines = [line for line in file.head_text.split("\n")[:500] if line.strip()]
    found = [line is not None and _SENDER.match(line.rest) is not None for line in map(begin, lines)]
    return sum(found) >= min(2, len(lines)) > 0


def read(file: SourceFile, settings: ReadingSettings, report: LoadReport) -> Iterator[SourceText]:
    """The messages; what the program says itself, and pictures without a text, are counted as skipped."""
    style = style_of(line for line in (begin(raw) for _, raw in read_lines(file.place, LoadReport())) if line)
    if not style.is_sure:
        order = {"d": "day", "m": "month", "y": "year"}[style.order[0]]
        found = f"dates in which nothing shows what the month is, read with the {order} first"
        report.note(Location(file.path, 1).error(None, found, "a day over 12", "dates in either order"))
    chat = Chat()
    for location, line, text in _messages(file, style, report):
        report.rows += 1
        author, content = _split(text, style)
        is_marked = line.by_program and style.marked
        kept = None if author is None or is_event(author, content, style.senders) else written(content, is_marked)
        if author is None or kept is None:
            report.skip(location.error(None, "a line of the program", "a message", "no message of a user"))
            continue
        date = moment_of(line, style.order)
        if date is None:
            found = "-".join(line.numbers)
            report.note(location.error("date", found, "a day since 2009", "invalid date, ignored"))
        document = message(location, report, author, kept, date)
        if document is not None:
            yield SourceText(document, chat.add(document.user_id, document.text))


def _messages(file: SourceFile, style: Style, report: LoadReport) -> Iterator[tuple[Location, Line, str]]:
    """Each message with its location, its first line, and its text with the sender, which may have several lines."""
    found: tuple[Location, Line] | None = None
    parts: list[str] = []
    for number, raw in read_lines(file.place, report):
        line = begin(raw)
        if line is not None and line.bracketed == style.bracketed:
            if found is not None:
                yield *found, "".join(parts)
            found, parts = (Location(file.path, number), line), [line.rest]
        elif found is not None:
            parts.append(raw)
        elif raw.strip():
            report.rows += 1
            location = Location(file.path, number)
            report.reject(location.error(None, repr(raw[:40]), "a date and a time", "text before the first message"))
    if found is not None:
        yield *found, "".join(parts)


def _split(text: str, style: Style) -> tuple[str | None, str]:
    """A message's sender, None for what the program says, and its text."""
    match = _SENDER.match(text)
    if match is None or is_notice(match[1], text):
        return None, text
    author, content = match[1], match[2]
    whole = style.names.get(author)
    if whole is not None and text.startswith(f"{whole}: "):
        author, content = whole, text[len(whole) + 2 :]
    in_quotes = any((author.count(first) - (first != last) * author.count(last)) % 2 for first, last in _QUOTES)
    if in_quotes:
        return None, text  # a colon in what a group is called: Ann created group "Trip: 2024"
    return _NO_CONTACT.sub("", _MARKS.sub("", author).strip()), content


READER = Reader("a WhatsApp chat", "lines as in [31.12.24, 10:00:00] Ann: text", recognizes, read)
