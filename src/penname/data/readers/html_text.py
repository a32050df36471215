"""The text of posts in HTML, without what others wrote that is quoted in it."""

from __future__ import annotations

import re

from penname.data.files.html import Attributes, text_of_html

_LINES = re.compile(r"<(?:p|br|div|ul|ol)\b", re.IGNORECASE)


def own_text_of_post(html: str) -> str:
    """The text of a post, without block quotes; its line ends count where no element makes lines."""
    return own_text_of_html(html if _LINES.search(html) else html.replace("\n", "<br>"))


def own_text_of_html(html: str, quote_marks: tuple[str, ...] = ()) -> str:
    """The text of a post, a line for each block, without block quotes, which are others' words.

    quote_marks: classes and ids of other elements that are left out.
    """

    def is_quoted(tag: str, attributes: Attributes) -> bool:
        named = f"{attributes.get('class', '')} {attributes.get('id', '')}"
        return tag == "blockquote" or any(mark in named for mark in quote_marks)

    return text_of_html(html, is_quoted)
