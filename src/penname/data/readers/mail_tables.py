"""Reads tables of mail: Outlook's exports (CSV, in any language), and whole messages in a column, as Enron's.

Outlook exports no dates.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from typing import Any

from penname.data.delimited import DELIMITERS
from penname.data.encodings import decoded
from penname.data.load_report import LoadReport
from penname.data.readers.base import Reader, ReadingSettings, SourceFile, SourceText, message
from penname.data.readers.json_items import text_in
from penname.data.readers.mail_html import own_text_of_mail
from penname.data.readers.mail_message import message_or_none, without_reply_marks
from penname.data.readers.mail_text import divided_text
from penname.data.records import Location
from penname.data.rows import read_rows, table_suffix

_OF_MESSAGES = ["file", "message"]
_COLUMN = re.compile(r"([^()]+?)\s?[:：]\s?\([^()]+\)")


def recognizes(file: SourceFile) -> bool:
    """Whether its header is one of these."""
    if table_suffix(file.path) not in (".csv", ".tsv"):
        return False
    columns = _header(file)
    return columns == _OF_MESSAGES or _is_outlooks(columns)


def _header(file: SourceFile) -> list[str]:
    line = decoded(file.head, None).partition("\n")[0].strip()
    try:
        rows = csv.reader([line], delimiter=max(DELIMITERS, key=line.count))
        return [name.strip() for name in next(rows, [])]
    except csv.Error:
        return []


def _is_outlooks(columns: list[str]) -> bool:
    """Whether the columns are a subject, a body, and a sender's name and address, as in `From: (Name)`."""
    sender = [_COLUMN.fullmatch(column) for column in columns[:4]]
    if len(columns) < 4 or sender[0] or sender[1] or not (sender[2] and sender[3]):
        return False
    return sender[2][1] == sender[3][1]


def read(file: SourceFile, settings: ReadingSettings, report: LoadReport) -> Iterator[SourceText]:
    """The messages; those without text by their sender are counted as skipped."""
    is_outlooks = _is_outlooks(_header(file))
    for line, row in read_rows(file.place, report, encoding=settings.encoding_of(file.place), may_be_empty=True):
        location = Location(file.path, line)
        if is_outlooks:
            found = _of_outlook(row, location, report)
        else:
            found = message_or_none((text_in(row, "message") or "").encode(), location, report)
        if found is not None:
            yield found


def _of_outlook(row: dict[str, Any], location: Location, report: LoadReport) -> SourceText | None:
    subject, body, name, address = (value or "" for value in list(row.values())[:4])
    html = body.lstrip()[:6].lower() == "<html>"
    text, answers = divided_text(own_text_of_mail(body) if html else body)
    named = address.lower() if "@" in address else name  # within a company the address is that of a directory
    document = message(location, report, named, text, title=without_reply_marks(subject))
    if document is None:
        return None
    others = tuple(other for other in (name, address) if other and other != named)
    return SourceText(document, answers or None, others, is_email=True)


READER = Reader("a table of mail", "Outlook's CSV, or the columns file and message", recognizes, read)
