"""What was read of files: texts by author, what was left out, and how tables were understood."""

from __future__ import annotations

import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from penname.data.duplicates import without_copies
from penname.data.encodings import encodings_of
from penname.data.load_report import LoadReport
from penname.data.own_texts import MIN_WORDS, id_of_text
from penname.data.readers import tables, texts
from penname.data.readers.base import ReadingSettings, SourceFile
from penname.data.readers.choice import find_reader, read_texts, size_of
from penname.data.readers.table_preview import TablePreview, preview_table
from penname.data.records import Document
from penname.errors import ArgumentError, DataError
from penname.serve.store.part import checked_id
from penname.studio.importing.languages import language_of
from penname.studio.importing.progress import Progress
from penname.words import split_words

MOST_LINES = 40
"""Lines that are kept of how files were read."""

MOST_LETTERS = 2**28
"""Letters of all texts together, which are in memory until they are saved."""

DEFAULT_NAME = "me"
"""What the author of texts is called that name none."""


@dataclass
class Author:
    """Someone who wrote texts.

    words: the number of words of each text.
    languages: how many texts seem to be in each language.
    """

    name: str
    documents: list[Document]
    words: array[int] = field(default_factory=lambda: array("q"))
    languages: Counter[str] = field(default_factory=Counter)


@dataclass
class Found:
    """What was read.

    kind: what the files are, with its article.
    files: how many of them were read.
    authors: those with texts, most texts first.
    rows: number of texts that there were.
    left_out: why texts were left out, and how many.
    lines: what was guessed, repaired or not read.
    by_conversation: whether the files are of a kind in which people write to each other.
    """

    kind: str
    files: int
    authors: list[Author]
    rows: int
    left_out: list[tuple[str, int]]
    lines: list[str]
    by_conversation: bool


class Unread(Exception):
    """Nothing was read.

    line: why.
    table: how the table is understood where other columns may help.
    """

    def __init__(self, line: str, table: TablePreview | None) -> None:
        super().__init__(line)
        self.line = line
        self.table = table


@dataclass(frozen=True)
class Read:
    """What was read, and how the table is understood, where it is one."""

    found: Found
    table: TablePreview | None


def read(place: Path, folder_name: str | None, columns: Sequence[tuple[str, str]], progress: Progress) -> Read:
    """Read the files at `place`.

    folder_name: of the folder that the files came in, which may be the author's.
    columns: see `ReadingSettings`.
    progress: is told how far it is.

    Raises Unread where there is no text, and Stopped.
    """
    lines: list[str] = []
    report = LoadReport(on_problem=lines.append, on_bytes=progress.advance)
    settings = ReadingSettings(tuple(columns), author=folder_name or DEFAULT_NAME, say=lines.append)
    table = None
    progress.begin("Reading", size_of(place), "bytes")
    try:
        reader, files, _ = find_reader(place)
        if reader is tables.READER:
            table = _preview(files[0], settings)
        authors = _by_author(place, settings, report, progress)
    except ArgumentError as error:
        raise Unread(str(error), table if columns else None) from None
    except DataError as error:
        if error.reason == "missing column" and table is not None and "text" not in table.of_kinds:
            line = f"found no column that is known to have the text, among {', '.join(table.names)}"[:300]
            raise Unread(line, table) from None
        if error.reason == "no known format":  # the page lists the formats, of which the error has all
            raise Unread(f"{str(error).partition(', expected')[0]}; see below what can be read", None) from None
        # Other columns help where some were chosen: a file that is damaged is so with any.
        raise Unread(str(error), table if columns or error.reason == "missing column" else None) from None
    _without_copies(authors, report, progress)
    if not authors:
        table = table if table is not None and table.names else None
        why = report.summary() or "there is none in it"
        raise Unread(f"found no text to keep, of {MIN_WORDS} words or more: {why}", table)
    if len(lines) > MOST_LINES:
        lines[MOST_LINES:] = [f"{len(lines) - MOST_LINES:,} more such lines"]
    known = sorted(authors.values(), key=lambda author: (-len(author.documents), author.name))
    people_write_to_each_other = reader not in (tables.READER, texts.READER)
    left_out = report.skipped.most_common()
    return Read(Found(reader.name, len(files), known, report.rows, left_out, lines, people_write_to_each_other), table)


def _preview(file: SourceFile, settings: ReadingSettings) -> TablePreview:
    encodings = {} if file.suffix == ".parquet" else encodings_of([file.place], lambda line: None)
    return preview_table(file, replace(settings, encodings=encodings))


def _by_author(place: Path, settings: ReadingSettings, report: LoadReport, progress: Progress) -> dict[str, Author]:
    """The texts that can be kept and are long enough. Raises ArgumentError for more than fit into memory."""
    authors: dict[str, Author] = {}
    letters = 0
    for text in read_texts(place, settings, report):
        progress.check()
        document = _cleaned(text.document)
        words = len(split_words(document.text))
        if words < MIN_WORDS:
            report.leave_out(f"shorter than {MIN_WORDS} words")
            continue
        try:
            name = checked_id("user", document.user_id)
        except ArgumentError:
            report.leave_out("its author has a name that cannot be kept")
            continue
        letters += len(document.text)
        if letters > MOST_LETTERS:
            raise ArgumentError("files", f"found over {MOST_LETTERS:,} letters, expected fewer: bring them in parts")
        author = authors.setdefault(name, Author(name, []))
        author.documents.append(replace(document, id=id_of_text(document)))
        author.words.append(words)
        author.languages[language_of(document.text)] += 1
    return authors


def _without_copies(authors: dict[str, Author], report: LoadReport, progress: Progress) -> None:
    progress.begin("Comparing", sum(len(author.documents) for author in authors.values()), "texts")
    for author in authors.values():
        kept = list(without_copies(_counted((document.text for document in author.documents), progress)))
        report.leave_out("near-duplicate of another text of its author", len(author.documents) - len(kept))
        if len(kept) < len(author.documents):
            author.documents = [author.documents[place] for place in kept]
            author.words = array("q", (author.words[place] for place in kept))
            author.languages = Counter(language_of(document.text) for document in author.documents)


def _counted(texts: Iterable[str], progress: Progress) -> Iterator[str]:
    for text in texts:
        progress.advance(1)
        yield text


def _cleaned(document: Document) -> Document:
    """A document whose texts a database can keep."""
    fields = {name: _text(value) for name, value in vars(document).items() if isinstance(value, str)}
    return replace(document, **fields)  # type: ignore[arg-type]


def _text(value: str) -> str:
    value = value if "\0" not in value else value.replace("\0", "")
    return unicodedata.normalize("NFC", value).encode("utf-8", "replace").decode()
