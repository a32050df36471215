"""Reads WhatsApp's exported chats (`_chat.txt`, or a zip with it); dates are written in the telephone's language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from penname.data.load_report import LoadReport
from penname.data.readers.base import Chat, Reader, ReadingSettings, SourceFile, SourceText, message
from penname.data.records import Location
from penname.data.rows import read_lines

_MARK = "[\u200e\u200f\u202a-\u202e\u2066-\u2069]"
_SPACE = "[ \u00a0\u202f]"
_MARKS = re.compile(_MARK)
_BEGIN = re.compile(
    r"~\[?~(?P<a>\d{1,4})~(?P<mark>\._?|/|-|년_?)~(?P<b>\d{1,2})~(?:\._?|/|-|월_?)~(?P<c>\d{1,4})~[.일]?[,،]?~(?:_|\s)+~"
    r"(?:(?P<before>오전|오후|上午|下午|午前|午後)_?|[^\W\d]{1,3}\.?_)?~(?P<hour>\d{1,2})[:.](?P<minute>\d\d)(?:[:.](?P<second>\d\d))?"
    r"(?P<half>_?~[^\W\d](?:\w|[.]|_){0,6}?)?~(?:\]|_[-–]|,)_?(?P<rest>.*)".replace("_", _SPACE).replace(
        "~", f"{_MARK}*"
    ),
    re.DOTALL,
)
_AFTERNOON = re.compile(r"p|م|午後|下午|오후|ب\.ظ|μ", re.IGNORECASE)
_ADDED = re.compile(r"\s*\u200e?<[^<>\n]*>\s*$|^\u200e?\S+\.\w{2,4} \([^()\n]*\)\n?")
_DELETED = re.compile(
    r"(this message was|you) deleted( this message)?|(diese nachricht wurde|du hast diese nachricht) gelöscht"
    r"|(eliminaste|se eliminó) este mensaje|(ce message a été|vous avez) supprimé( ce message)?"
    r"|(esta mensagem foi apagada|você apagou esta mensagem)|(questo messaggio è stato eliminato|hai eliminato .*)"
    r"|данное сообщение удалено|вы удалили данное сообщение",
    re.IGNORECASE,
)


class _Line(NamedTuple):
    """The first line of a message.

    numbers: those of its date, in the order in which they stand.
    """

    numbers: tuple[int, int, int]
    mark: str
    time: tuple[int, int, int]
    rest: str
    by_program: bool


def recognizes(file: SourceFile) -> bool:
    """Whether it is a text whose lines begin with dates and times as in a chat, and several name a sender."""
    if file.suffix not in (".txt", ""):
        return False
    lines = [_begin(line) for line in file.head.decode("utf-8", "replace").splitlines()[:50]]
    return sum(line is not None and ": " in line.rest for line in lines) >= min(2, len(lines)) > 0


def read(file: SourceFile, settings: ReadingSettings, report: LoadReport) -> Iterator[SourceText]:
    """The messages; what the program says itself, and pictures without a text, are counted as skipped."""
    order = _order(file, report)
    chat = Chat()
    for location, line, text in _messages(file, report):
        report.rows += 1
        author, colon, _ = line.rest.partition(": ")
        content = _ADDED.sub("", text.partition(": ")[2])
        added = len(content) < len(text.partition(": ")[2])
        of_program = content.startswith("\u200e") or (line.by_program and not added) or _DELETED.match(content.strip())
        if not colon or of_program:
            report.skip(location.error(None, "a line of the program", "a message", "no message of a user"))
            continue
        date = _date(line, order)
        document = message(location, report, _MARKS.sub("", author).lstrip("~ "), _MARKS.sub("", content), date)
        if document is not None:
            yield SourceText(document, chat.add(document.user_id, document.text))


def _messages(file: SourceFile, report: LoadReport) -> Iterator[tuple[Location, _Line, str]]:
    """Each message with its location, its first line, and its text with the sender, which may have several lines."""
    found: tuple[Location, _Line, str] | None = None
    for number, raw in read_lines(file.place, report):
        line = _begin(raw)
        if line is not None:
            if found is not None:
                yield found
            found = Location(file.path, number), line, line.rest
        elif found is not None:
            found = (*found[:2], found[2] + raw)
        elif raw.strip():
            report.rows += 1
            location = Location(file.path, number)
            report.reject(location.error(None, repr(raw[:40]), "a date and a time", "text before the first message"))
    if found is not None:
        yield found


def _begin(raw: str) -> _Line | None:
    """The line as the first one of a message; None where it goes on with one."""
    match = _BEGIN.match(raw)
    if match is None:
        return None
    hour = int(match["hour"])
    half = match["before"] or match["half"]
    if half and hour <= 12:
        hour = hour % 12 + 12 * bool(_AFTERNOON.search(half))
    return _Line(
        (int(match["a"]), int(match["b"]), int(match["c"])),
        match["mark"][0],
        (hour, int(match["minute"]), int(match["second"] or 0)),
        match["rest"],
        raw.startswith("\u200e"),
    )


def _order(file: SourceFile, report: LoadReport) -> str:
    """The order of year, month and day in the chat's dates, told by those that can be read in one way only."""
    first = second = 0
    mark, half = "", False
    with file.open(report) as raw:
        for text in raw:
            line = _begin(text.decode("utf-8", "replace"))
            if line is None:
                continue
            if line.numbers[0] > 31 or line.mark == "년":
                return "ymd"
            first, second = max(first, line.numbers[0]), max(second, line.numbers[1])
            mark = line.mark
            half = half or bool(re.search(r"\d\s?[AaPp]\.?[Mm]", text[:40].decode("utf-8", "replace")))
            if max(first, second) > 12:
                break
    if first <= 12 and second <= 12 and mark == "/":
        order = "month" if half else "day"
        found = f"dates in which nothing shows what the month is, read with the {order} first"
        report.note(Location(file.path, 1).error(None, found, "a day over 12", "dates in either order"))
        return "mdy" if half else "dmy"
    return "mdy" if second > 12 else "dmy"


def _date(line: _Line, order: str) -> str | None:
    """A message's local date and time; None for one that does not exist."""
    year, month, day = (line.numbers[order.index(part)] for part in "ymd")
    try:
        return datetime(year + 2000 if year < 100 else year, month, day, *line.time).isoformat()
    except ValueError:
        return None


READER = Reader("a WhatsApp chat", "lines as in [31.12.24, 10:00:00] Ann: text", recognizes, read)
