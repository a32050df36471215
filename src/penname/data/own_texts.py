"""Reads one author's texts of what programs export, to write as this author."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from penname.data.duplicates import without_copies
from penname.data.listing import some_of
from penname.data.load_report import LoadReport
from penname.data.own_author import OwnAuthor
from penname.data.readers import texts
from penname.data.readers.base import ReadingSettings, SourceText
from penname.data.readers.choice import find_reader, read_texts
from penname.data.records import Document
from penname.errors import ArgumentError, DataError
from penname.words import split_words

MIN_WORDS = 5
"""Texts with fewer words are left out, as conversions leave them out by default."""


def own_texts(
    path: Path, user_id: str, me: Sequence[str], report: LoadReport, say: Callable[[str], None]
) -> list[Document]:
    """The texts of one author, as documents of a user; their ids are hashes of what they say.

    path: what a program has exported, a table, a document, or a folder or zip archive of these.
    user_id: the user.
    me: names and addresses of the author, see `ConversionSettings.me`; none where there is one author.
    report: counts what is read and what is left out: texts by others, short ones and near-duplicates.
    say: called with a line on how the files are read.

    Raises DataError where nothing can be read or is left, and ArgumentError where it is not clear whose texts are
    wanted.
    """
    author = OwnAuthor(me)
    reading = ReadingSettings(author=author.names[0] if author.names else user_id, say=say)
    found = list(read_texts(path, reading, report))
    if author.names:
        own = _by(author, found, report)
        author.check(say)
    elif find_reader(path)[0] is texts.READER:
        own = found  # their folders may be years or subjects
    else:
        own = _by_one_author(found)
    documents = _without_short_ones([text.document for text in own], report)
    unique = [documents[i] for i in without_copies(document.text for document in documents)]
    report.leave_out("near-duplicate of another document", len(documents) - len(unique))
    if not unique:
        raise DataError(path.name, found=f"no text to keep ({report.summary() or 'no row'})", expected="a text")
    return [replace(document, user_id=user_id, id=id_of_text(document)) for document in unique]


def _by(author: OwnAuthor, found: Sequence[SourceText], report: LoadReport) -> list[SourceText]:
    own = [text for text in found if author.wrote(text)]
    if found and not own:
        raise ArgumentError(
            "me", f"found no text by {' or '.join(map(repr, author.names))}, expected an author: {_most(found)}"
        )
    report.leave_out("by others", len(found) - len(own))
    return own


def _by_one_author(found: list[SourceText]) -> list[SourceText]:
    if len({text.document.user_id for text in found}) > 1:
        raise ArgumentError("me", f"found texts by several people, expected whose they are to be: {_most(found)}")
    return found


def _most(found: Sequence[SourceText]) -> str:
    """The authors with most texts."""
    counts = Counter(text.document.user_id for text in found)
    return some_of(f"{author} ({count:,})" for author, count in counts.most_common())


def _without_short_ones(documents: Sequence[Document], report: LoadReport) -> list[Document]:
    kept = [document for document in documents if len(split_words(document.text)) >= MIN_WORDS]
    report.leave_out(f"shorter than {MIN_WORDS} words", len(documents) - len(kept))
    return kept


def id_of_text(document: Document) -> str:
    """The same for the same text, so that a file that is read again adds nothing."""
    told = "\n".join(value or "" for value in (document.date, document.title, document.text))
    return hashlib.sha256(told.encode()).hexdigest()[:16]
