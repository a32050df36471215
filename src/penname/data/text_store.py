"""Texts on the disk while they are converted, so that there may be more of them than fit in memory."""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self

from penname.data.readers.base import SourceText
from penname.data.records import Document

IN_MEMORY = Path(":memory:")
"""The path of a store that is on no disk."""

_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -65536;
CREATE TABLE texts (
    number INTEGER PRIMARY KEY, user TEXT, date TEXT, document TEXT, answers TEXT, reply_to TEXT, is_email INTEGER
);
CREATE TABLE named (message_id TEXT PRIMARY KEY, author TEXT, text TEXT) WITHOUT ROWID;
BEGIN;
"""
_BY_USER = "CREATE INDEX IF NOT EXISTS by_user ON texts (user, date, number)"
_TEXTS = """
SELECT number, document, COALESCE(named.text, answers), is_email
FROM texts LEFT JOIN named ON message_id = reply_to AND named.author != texts.user
"""


class TextStore:
    """A temporary file of texts, which is deleted in the end.

    path: the file, which must not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.executescript(_TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._database.close()
        with suppress(OSError):
            self._path.unlink()

    def add(self, found: SourceText) -> None:
        """Take a text; the order of equal dates is that in which they come."""
        document = found.document
        row = (document.user_id, document.date or "", _fields(document), found.answers, found.reply_to, found.is_email)
        self._database.execute("INSERT INTO texts VALUES (NULL, ?, ?, ?, ?, ?, ?)", row)

    def add_named(self, message_id: str, author: str, text: str) -> None:
        """Take a text that other authors may answer; of several with one name the first is kept."""
        self._database.execute("INSERT OR IGNORE INTO named VALUES (?, ?, ?)", (message_id, author, text))

    def users(self) -> dict[str, int]:
        """The number of texts of each user, in the order of their names."""
        self._database.execute(_BY_USER)
        return dict(self._database.execute("SELECT user, COUNT(*) FROM texts GROUP BY user ORDER BY user"))

    def numbers_of(self, user: str) -> array[int]:
        """The numbers of a user's texts, in the order of `texts_of`, as an array, which is smaller than a list."""
        self._database.execute(_BY_USER)
        query = "SELECT number FROM texts WHERE user = ? ORDER BY date, number"
        return array("q", (number for (number,) in self._database.execute(query, (user,))))

    def texts_of(self, user: str) -> Iterator[tuple[int, SourceText]]:
        """A user's texts in order of date, undated ones first, each with its number and with what it answers."""
        self._database.execute(_BY_USER)
        for row in self._database.execute(f"{_TEXTS} WHERE user = ? ORDER BY date, number", (user,)):
            yield row[0], _found(row)

    def text(self, number: int) -> SourceText:
        """The text with this number."""
        return _found(self._database.execute(f"{_TEXTS} WHERE number = ?", (number,)).fetchone())

    def replace(self, number: int, found: SourceText) -> None:
        """Put another text in the place of the one with this number, of the same user and date."""
        values = (_fields(found.document), found.answers, number)
        self._database.execute("UPDATE texts SET document = ?, answers = ?, reply_to = NULL WHERE number = ?", values)

    def drop(self, numbers: Iterable[int]) -> None:
        """Leave out the texts with these numbers."""
        self._database.executemany("DELETE FROM texts WHERE number = ?", ((number,) for number in numbers))

    def drop_user(self, user: str) -> None:
        """Leave out a user's texts."""
        self._database.execute("DELETE FROM texts WHERE user = ?", (user,))

    def dated_of(self, user: str) -> int:
        """How many of a user's texts have a date."""
        query = "SELECT COUNT(*) FROM texts WHERE user = ? AND date != ''"
        return int(self._database.execute(query, (user,)).fetchone()[0])

    def drop_undated(self, user: str) -> int:
        """Leave out a user's texts without a date; how many these were."""
        return self._database.execute("DELETE FROM texts WHERE user = ? AND date = ''", (user,)).rowcount


def document_id(number: int) -> str:
    """The id of the document with this number."""
    return f"d{number:06d}"


def _fields(document: Document) -> str:
    known = {name: value for name, value in vars(document).items() if value is not None}
    return json.dumps(known, ensure_ascii=False)


def _found(row: tuple[int, str, str | None, int]) -> SourceText:
    _, fields, answers, is_email = row
    return SourceText(Document(**json.loads(fields)), answers, is_email=bool(is_email))
