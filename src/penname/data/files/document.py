"""A file as a document of its author: plain text, or any kind that can be read."""

from __future__ import annotations

from penname.data.dates import parse_date
from penname.data.encodings import is_binary
from penname.data.files.kinds import SUFFIXES, kind_of, read_kind
from penname.data.load_report import LoadReport
from penname.data.records import MAX_CHARACTERS, Document, Place, tidy
from penname.data.rows import open_bytes, read_lines
from penname.errors import DataError

TEXT_SUFFIXES = (".txt", ".md")
DOCUMENT_SUFFIXES = (*TEXT_SUFFIXES, *SUFFIXES)

MAX_BYTES = 2**28
"""Maximum size of a file that is not plain text, which is read as a whole."""

HEAD_BYTES = 2**16


def is_document(suffix: str, head: bytes) -> bool:
    """Whether a file is a document by its name, or by its first bytes.

    suffix: the end of its name in lower case.
    """
    return suffix in TEXT_SUFFIXES or kind_of(head, suffix, is_text=False) is not None


def document_of_file(
    file: Place, user_id: str, report: LoadReport, title: str | None = None, encoding: str | None = None
) -> Document:
    """A file as a document of the user; invalid bytes of plain text are noted in the report.

    title: the document's; a file's name is none, as most are numbers.
    encoding: that of plain text; None for UTF-8.

    Raises DataError for a file that is broken, no text, or too long.
    """
    suffix = _suffix(file)
    with open_bytes(file, report) as opened:
        head = opened.peek(HEAD_BYTES)[:HEAD_BYTES]
        kind = kind_of(head, suffix, is_text=suffix in TEXT_SUFFIXES)
        raw = opened.read(MAX_BYTES + 1) if kind is not None else b""
    date = None
    if kind is None:
        if is_binary(head) and not (encoding or "").lower().startswith(("utf-16", "utf-32")):
            raise DataError(file, found="no text, in any encoding", expected="a text", reason="no text")
        text = "".join(line for _, line in read_lines(file, report, encoding))
    else:
        if len(raw) > MAX_BYTES:
            raise DataError(file, found=f"over {MAX_BYTES:,} bytes", expected="a smaller file", reason="too large")
        found = read_kind(kind, raw, file)
        text, date = found.text.encode("utf-8", "replace").decode(), _iso(found.date)
        if not text.strip():
            expected = "text; pictures of text are not read"
            raise DataError(file, found=f"{kind.name} without text", expected=expected, reason="empty text")
    text = tidy(text).strip()
    if len(text) > MAX_CHARACTERS:
        found_length = f"a text of {len(text):,} characters"
        raise DataError(file, found=found_length, expected=f"at most {MAX_CHARACTERS:,}", reason="text too long")
    return Document(user_id=user_id, text=text, id=file.name, title=title, date=date)


def _iso(date: str | None) -> str | None:
    return None if date is None else parse_date(date, "ymd")


def _suffix(file: Place) -> str:
    return "." + file.name.lower().rpartition(".")[2] if "." in file.name else ""
