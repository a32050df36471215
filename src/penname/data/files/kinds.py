"""The kinds of documents beside plain text: how a file's kind is told, and which library reads it."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from penname.data.encodings import decoded, is_binary, marked_encoding
from penname.data.files.epub import text_of_epub
from penname.data.files.html import text_and_date_of_page
from penname.data.files.pdf import text_of_pdf
from penname.data.files.rtf import text_of_rtf
from penname.data.files.word import text_of_word
from penname.data.records import Place
from penname.errors import DataError

MAX_UNPACKED_BYTES = 2**28
"""Maximum size of the texts in a file that is an archive."""

_TEXTS_IN_ARCHIVES = (".xml", ".rels", ".html", ".htm", ".xhtml", ".opf")

EXTRA = "pip install 'penname[documents]'"

_ZIP = b"PK\x03\x04"
_HTML = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL)
_CHARSET = re.compile(
    rb"<meta[^>]{1,200}?charset\s*=\s*[\"']?\s*([\w.:-]+)|<\?xml[^>]{1,100}?encoding=[\"']([\w.:-]+)", re.IGNORECASE
)


@dataclass(frozen=True)
class FileText:
    """The text of a file.

    date: when it was published, where the file says so.
    """

    text: str
    date: str | None = None


@dataclass(frozen=True)
class Kind:
    """A kind of document.

    name: what a file of this kind is, with its article.
    suffixes: the ends of its names.
    begins: whether a file's first bytes are of this kind.
    read: the text of a whole file; raises whatever its library raises at a broken one.
    library: the package of the extra `documents` that it needs.
    """

    name: str
    suffixes: tuple[str, ...]
    begins: Callable[[bytes], bool]
    read: Callable[[bytes], FileText]
    library: str | None = None

    @property
    def is_readable(self) -> bool:
        """Whether its library is installed."""
        return self.library is None or find_spec(self.library) is not None


def _is_html(head: bytes) -> bool:
    if (encoding := marked_encoding(head)) is not None:
        head = head.decode(encoding, "replace").encode()
    return _HTML.match(head) is not None


def _page(raw: bytes) -> FileText:
    charset = _CHARSET.search(raw[:4096])
    named = (charset[1] or charset[2]).decode().lower() if charset else None
    text = decoded(raw, "cp1252" if named == "iso-8859-1" else named)  # what browsers take it for
    return FileText(*text_and_date_of_page(text))


WORD = Kind(
    "a Word document",
    (".docx", ".docm", ".dotx"),
    lambda head: head.startswith(_ZIP) and b"word/" in head,
    lambda raw: FileText(text_of_word(raw)),
    "mammoth",
)
PDF = Kind(
    "a PDF file",
    (".pdf",),
    lambda head: b"%PDF-" in head[:1024],
    lambda raw: FileText(text_of_pdf(raw)),
    "pypdfium2",
)
RTF = Kind(
    "an RTF file",
    (".rtf",),
    lambda head: head.startswith(b"{\\rtf"),
    lambda raw: FileText(text_of_rtf(raw)),
    "striprtf",
)
EPUB = Kind(
    "an EPUB book",
    (".epub",),
    lambda head: head.startswith(_ZIP) and b"application/epub+zip" in head[:200],
    lambda raw: FileText(text_of_epub(raw)),
)
HTML = Kind("an HTML page", (".html", ".htm", ".xhtml"), _is_html, _page)
KINDS = (WORD, PDF, RTF, EPUB, HTML)
SUFFIXES = tuple(suffix for kind in KINDS for suffix in kind.suffixes)


def kind_of(head: bytes, suffix: str, is_text: bool) -> Kind | None:
    """The kind of a file by its first bytes, or else by its name; None for plain text, and for what is unknown.

    suffix: the end of its name in lower case.
    is_text: whether that is a plain text's, which may be the source of a page.
    """
    told = next((kind for kind in KINDS if kind.begins(head) and not (is_text and kind is HTML)), None)
    return told or next((kind for kind in KINDS if suffix in kind.suffixes), None)


def read_kind(kind: Kind, raw: bytes, place: Place) -> FileText:
    """The text of a file of this kind.

    Raises DataError for a file that is broken or of another kind, and where the kind's library is missing.
    """
    if not kind.is_readable:
        raise DataError(place, found=kind.name, expected=EXTRA, reason=f"{kind.name} without the extra documents")
    if kind is not HTML and not kind.begins(raw[: 2**16]) and not (raw.startswith(_ZIP) and kind in (WORD, EPUB)):
        found = f"a file that begins with {raw[:20]!r}" if raw else "an empty file"
        raise DataError(place, found=found, expected=kind.name, reason=f"not {kind.name}")
    if kind is HTML and is_binary(raw):
        raise DataError(place, found="no text", expected=kind.name, reason=f"not {kind.name}")
    try:
        if raw.startswith(_ZIP):
            _check_size(raw)
        return kind.read(raw)
    except Exception as error:  # libraries raise whatever they meet in a broken file
        cause = " ".join(str(error).split())[:80] or type(error).__name__
        found = f"a broken one, or one with a password ({cause})"
        raise DataError(place, found=found, expected=kind.name, reason=f"broken: {kind.name}") from None


def _check_size(raw: bytes) -> None:
    """Raise ValueError for an archive whose texts would not fit into memory."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        size = sum(file.file_size for file in archive.infolist() if file.filename.endswith(_TEXTS_IN_ARCHIVES))
    if size > MAX_UNPACKED_BYTES:
        raise ValueError(f"{size:,} bytes of text")
