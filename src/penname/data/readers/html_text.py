"""The text of mails and posts in HTML, without what others wrote that is quoted in it."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_PARAGRAPHS = frozenset("p br h1 h2 h3 h4 h5 h6 ul ol dl table pre hr".split())
_LINES = frozenset("div li tr dt dd section article header footer figure".split())
_SKIPPED = frozenset("script style head title".split())
_EMPTY = frozenset("br hr img input meta link col area base embed source track wbr".split())
MAIL_QUOTES = (
    "gmail_quote",
    "gmail_attr",
    "moz-cite-prefix",
    "yahoo_quoted",
    "protonmail_quote",
    "OutlookMessageHeader",
)
"""What mail programs mark a quoted message by, in its class or its id."""


class _TextOfHtml(HTMLParser):
    """Collects the text, without block quotes and elements with one of the marks."""

    def __init__(self, quote_marks: tuple[str, ...]) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._quote_marks = quote_marks
        self._preformatted = 0
        self._at_line_start = True
        self._skipping: list[str] = []
        """The elements that are open in the outermost one that is skipped, that one first."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a line at a block; begin to skip at what is quoted or no text."""
        named = " ".join(value or "" for name, value in attrs if name in ("class", "id"))
        marked = any(mark in named for mark in self._quote_marks)
        if self._skipping or tag in _SKIPPED or tag == "blockquote" or marked:
            if tag not in _EMPTY:
                self._skipping.append(tag)
        else:
            self._break(tag)
            self._preformatted += tag == "pre"

    def handle_endtag(self, tag: str) -> None:
        """End what is skipped, or the line of a block."""
        if self._skipping:
            if tag in self._skipping:
                last = len(self._skipping) - 1 - self._skipping[::-1].index(tag)
                del self._skipping[last:]
        elif tag not in _EMPTY:
            self._break(tag)
            self._preformatted = max(0, self._preformatted - (tag == "pre"))

    def handle_data(self, data: str) -> None:
        """Take the text, in which line ends are spaces unless it is set as it stands."""
        if not self._skipping:
            self.parts.append(data if self._preformatted else re.sub(r"\s+", " ", data))
            self._at_line_start = self._at_line_start and not data.strip()

    def _break(self, tag: str) -> None:
        """End the line at a block: there is an empty one between paragraphs, and none between other blocks."""
        if tag in _PARAGRAPHS or (tag in _LINES and not self._at_line_start):
            self.parts.append("\n")
            self._at_line_start = True


def text_of_html(html: str, quote_marks: tuple[str, ...] = ()) -> str:
    """The text of a page, a line for each block, without block quotes, which are others' words.

    quote_marks: classes and ids of other elements that are left out, such as `MAIL_QUOTES`.
    """
    parser = _TextOfHtml(quote_marks)
    parser.feed(re.sub(r"<!\[+", "<!", html))  # a broken "marked section" would be an AssertionError
    parser.close()
    lines = (line.strip() for line in "".join(parser.parts).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
