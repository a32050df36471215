"""Texts of posts of X as they are shown, with whole links."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from penname.data.readers.json_items import list_in, part_of, text_in

_ANSWERED = re.compile(r"^(?:@\w+\s+)+")


def text_of_post(post: Any) -> str:
    """A post's text as it is shown: without the names in front of an answer, and with whole links."""
    text = text_in(post, "full_text") or text_in(post, "text") or text_in(post, "core", "text") or ""
    first = str(next(iter(list_in(post, "display_text_range")), ""))
    shown_from = int(first) if re.fullmatch("[0-9]{1,4}", first) else 0
    text = text[shown_from:]
    if not shown_from and part_of(post, "in_reply_to_user_id_str"):
        text = _ANSWERED.sub("", text)
    for link in [*list_in(post, "entities", "urls"), *list_in(post, "core", "urls")]:
        short, whole = (
            text_in(link, a) or text_in(link, b) for a, b in (("url", "shortUrl"), ("expanded_url", "expandedUrl"))
        )
        text = text.replace(short, whole) if short and whole else text
    for link in [*list_in(post, "entities", "media"), *list_in(post, "extended_entities", "media")]:
        text = text.replace(text_in(link, "url") or "\0", "")
    return unescape(text).strip()
