"""Texts of tables in HTML, as shops and forums store them: which columns have it is told by their rows."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from itertools import islice

from penname.data.readers.html_text import own_text_of_post

LOOKED_AT = 500
"""How many texts of a column tell whether it is HTML."""

MARKED = 0.2
"""Share of them from which on it is: a few may be about HTML, or have it by chance."""

_MARKUP = re.compile(
    r"</?(?:p|br|div|span|a|b|i|u|em|strong|ul|ol|li|blockquote|pre|code|h[1-6]|img|table|hr|font|su[bp]|small)"
    r"(?:\s[^<>]*)?/?>"
    r"|&(?:amp|lt|gt|quot|apos|nbsp|[mn]dash|hellip|[lr][sd]quo|euro|pound|copy|reg|deg|[aeiouyAEIOUY](?:acute|grave|circ"
    r"|uml|tilde|ring)|[nN]tilde|[cC]cedil|szlig|oslash|aelig|#\d{2,6}|#[xX][0-9a-fA-F]{2,5});"
)


def markup_in(texts: Iterable[str]) -> str | None:
    """What says that a column's texts are HTML; None where they are not.

    texts: the column's; no more are taken than it needs.
    """
    found = [_MARKUP.search(text) for text in islice((text for text in texts if text.strip()), LOOKED_AT)]
    marks = [match[0] for match in found if match]
    if len(marks) < max(2, MARKED * len(found)):
        return None
    return f"{len(marks):,} of the first {len(found):,} texts have marks such as {marks[0]!r}"


def plain_text(text: str) -> str:
    """What a text in HTML says, without block quotes; one without tags and entities stays as it is."""
    return own_text_of_post(text) if _MARKUP.search(text) else text.strip()


def plain_title(title: str) -> str:
    """A title with letters in place of entities."""
    return html.unescape(title)
