"""The text of Word documents (.docx), by mammoth: without comments, deletions, headers and tables of contents."""

from __future__ import annotations

import io
import re

from penname.data.files.html import text_of_html

_LEFT_OUT = "\n".join(f"p[style-name^='{name}'] => !" for name in ("toc ", "TOC ", "table of figures"))
_BACK_TO_TEXT = re.compile(r' ?<a href="#(?:foot|end)note-ref-[^"]*">↑</a>')


def text_of_word(raw: bytes) -> str:
    """The text of a Word document, with its footnotes at the end.

    Whatever mammoth raises at a broken file is raised.
    """
    import mammoth

    no_picture = mammoth.images.img_element(lambda image: {"src": ""})
    html = mammoth.convert_to_html(io.BytesIO(raw), style_map=_LEFT_OUT, convert_image=no_picture).value
    return text_of_html(_BACK_TO_TEXT.sub("", html))
