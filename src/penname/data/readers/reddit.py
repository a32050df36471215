"""Reads what Reddit sends its users: `comments.csv` and `posts.csv`, with `statistics.csv`, which names the user.

Collections of many users' comments and posts are tables (`tables.py`).
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from penname.data.dates import optional_date
from penname.data.load_report import LoadReport
from penname.data.readers.base import Reader, ReadingSettings, SourceFile, SourceText, if_valid, message, owner
from penname.data.readers.json_items import text_in
from penname.data.records import Location
from penname.data.rows import read_rows

_COLUMNS = (b"id", b"permalink", b"date", b"subreddit", b"body")
_NO_TEXT = ("[deleted]", "[removed]", "[deleted by user]")
_QUOTED = re.compile(r"^ {0,3}(?:>(?!!)|&gt;(?!!)).*(?:\n|$)", re.MULTILINE)
_EXPORT = re.compile(r"export_(.+?)_\d{8}")


def own_words(text: str) -> str:
    """A comment without the lines that it quotes, and with plain letters where an `&` is written `&amp;`."""
    return html.unescape(_QUOTED.sub("", text)).strip()


def recognizes(file: SourceFile) -> bool:
    """Whether it is a table of comments or posts without a column for their author."""
    if file.suffix != ".csv":
        return False
    names = [name.strip(b' "\r\xef\xbb\xbf') for name in file.head.partition(b"\n")[0].split(b",")]
    return all(name in names for name in _COLUMNS) and b"author" not in names


def read(file: SourceFile, settings: ReadingSettings, report: LoadReport) -> Iterator[SourceText]:
    """The comments or posts."""
    author = _account(file) or owner(file, settings)
    for line, row in read_rows(file.place, report, may_be_empty=True):
        location = Location(file.path, line)
        text = own_words(text_in(row, "body") or "")
        if text in _NO_TEXT:
            report.skip(location.error("body", repr(text), "a text", "deleted"))
            continue
        date = if_valid("date", optional_date, row, "date", location, report)
        document = message(location, report, author, text, date, title=text_in(row, "title"))
        if document is not None:
            kind = "t3" if "title" in row else "t1"
            yield SourceText(document, None, (f"u/{author}",), f"{kind}_{text_in(row, 'id')}", _answered(row))


def _answered(row: dict[str, str]) -> str | None:
    """The comment that a comment answers, or the post, which only its address names."""
    if parent := text_in(row, "parent"):
        return f"t1_{parent}"
    post = re.search(r"/comments/(\w+)", text_in(row, "link") or "")
    return f"t3_{post[1]}" if post else None


def _account(file: SourceFile) -> str | None:
    """The user, whom a table beside the texts names, or else the name of the folder or archive."""
    statistics = file.beside("statistics.csv")
    for _, row in read_rows(statistics.place, LoadReport(), may_be_empty=True) if statistics else ():
        if text_in(row, "statistic") == "account name":
            return text_in(row, "value")
    named = _EXPORT.search(str(file.path))
    return named[1] if named else None


READER = Reader("a Reddit export", "comments.csv and posts.csv, of one user", recognizes, read, decides=recognizes)
