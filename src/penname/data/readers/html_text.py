"""The text of mails and posts in HTML, without what others wrote that is quoted in it."""

from __future__ import annotations

import re

from penname.data.files.html import Attributes, text_of_html

MAIL_QUOTES = (
    "gmail_quote",
    "gmail_attr",
    "moz-cite-prefix",
    "yahoo_quoted",
    "protonmail_quote",
    "OutlookMessageHeader",
)
"""What mail programs mark a quoted message by, in its class or its id."""

_OUTLOOK_QUOTES = re.compile(r"<div[^<>]*\bid=[\"']?(?:x_)?(?:divRplyFwdMsg|appendonsend)\b", re.IGNORECASE)
"""Where Outlook on the web begins a quoted message, which is not within this element but below it."""


def own_text_of_mail(html: str) -> str:
    """The text of a mail in HTML, without marked quotes; Outlook's are put below a line that tells them."""
    return own_text_of_html(_OUTLOOK_QUOTES.sub(r"<p>-----Original Message-----</p>\g<0>", html, count=1), MAIL_QUOTES)


def own_text_of_html(html: str, quote_marks: tuple[str, ...] = ()) -> str:
    """The text of a mail or a post, a line for each block, without block quotes, which are others' words.

    quote_marks: classes and ids of other elements that are left out, such as `MAIL_QUOTES`.
    """

    def is_quoted(tag: str, attributes: Attributes) -> bool:
        named = f"{attributes.get('class', '')} {attributes.get('id', '')}"
        return tag == "blockquote" or any(mark in named for mark in quote_marks)

    return text_of_html(html, is_quoted)
