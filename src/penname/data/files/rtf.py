"""The text of RTF files, by striprtf: without comments, deletions, headers and footnotes."""

from __future__ import annotations

import re

_CODE_PAGE = re.compile(rb"\\ansicpg(\d{3,5})")
_LINK = re.compile(r"(\\fldinst[^}]{0,200}?)HYPERLINK", re.IGNORECASE)
_DELETED_OR_HIDDEN = re.compile(r"\\(?:deleted|v)(?![a-zA-Z0-9-])")
_CELL = re.compile(r"\\(?:nest)?cell(?![a-zA-Z0-9-]) ?")
_PARAGRAPH = re.compile(r"\\par(?![a-zA-Z0-9-]) ?")
_MARK = re.compile(r"^[ \t]*([•·▪◦-]|\(?\d{1,3}[.)])\t+", re.MULTILINE)
_ITEMS = re.compile(r"^((?:[•·▪◦-]|\(?\d{1,3}[.)]) .*)\n+(?=(?:[•·▪◦-]|\(?\d{1,3}[.)]) )", re.MULTILINE)


def text_of_rtf(raw: bytes) -> str:
    """The text of an RTF file, with an empty line between paragraphs.

    Whatever striprtf raises at a broken file is raised.
    """
    from striprtf.striprtf import rtf_to_text

    page = _CODE_PAGE.search(raw[:4096])
    encoding = f"cp{page[1].decode()}" if page else "cp1252"
    try:
        source = raw.decode(encoding, "replace")
    except LookupError:
        source = raw.decode("cp1252", "replace")
    source = _LINK.sub(r"\1", source)  # whose address striprtf would put behind its text
    source = _DELETED_OR_HIDDEN.sub(r"\\*", source)  # a group that is left out
    source = _CELL.sub(r"\\tab ", source)
    source = _PARAGRAPH.sub(r"\\par\\par ", source)
    text = rtf_to_text(source, encoding=encoding, errors="replace")
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\u00ad", "")
    text = "\n".join(line.rstrip() for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", _ITEMS.sub(r"\1\n", _MARK.sub(r"\1 ", text))).strip()
