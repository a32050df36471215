"""The text of EPUB books: their chapters in the order in which they are read."""

from __future__ import annotations

import io
import posixpath
import zipfile
from collections.abc import Iterator
from urllib.parse import unquote
from xml.etree import ElementTree

from penname.data.encodings import decoded
from penname.data.files.html import text_and_date_of_page

CONTAINER = "META-INF/container.xml"
_PAGES = ("application/xhtml+xml", "text/html")


def text_of_epub(raw: bytes) -> str:
    """The text of a book, without its table of contents.

    Raises ValueError for a book that is encrypted, and whatever zipfile and ElementTree raise at a broken one.
    """
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        if "META-INF/encryption.xml" in archive.namelist() and b"EncryptedData" in archive.read(
            "META-INF/encryption.xml"
        ):
            raise ValueError("a book that is encrypted")
        chapters = [text_and_date_of_page(decoded(archive.read(name), "utf-8"))[0] for name in _chapters(archive)]
    return "\n\n".join(chapter for chapter in chapters if chapter)


def _chapters(archive: zipfile.ZipFile) -> Iterator[str]:
    """The names of the files of the chapters."""
    package = _attribute(ElementTree.fromstring(archive.read(CONTAINER)), "rootfile", "full-path")
    root = ElementTree.fromstring(archive.read(package))
    items = {item.get("id"): item for item in root.iter() if _name(item) == "item"}
    for reference in root.iter():
        item = items.get(reference.get("idref")) if _name(reference) == "itemref" else None
        if item is None or item.get("media-type") not in _PAGES or "nav" in (item.get("properties") or "").split():
            continue
        name = posixpath.normpath(posixpath.join(posixpath.dirname(package), unquote(item.get("href") or "")))
        if name in archive.namelist():
            yield name


def _attribute(root: ElementTree.Element, name: str, attribute: str) -> str:
    return next(found for element in root.iter() if _name(element) == name and (found := element.get(attribute)))


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]
