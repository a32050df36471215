"""The text of posts in HTML, without what others wrote that is quoted in it."""

from __future__ import annotations

from penname.data.files.html import text_of_html


def own_text_of_html(html: str) -> str:
    """The text of a post, a line for each block, without block quotes, which are others' words."""
    return text_of_html(html, lambda tag, attributes: tag == "blockquote")
