"""Texts of Slack's messages as they are shown, without its markup."""

from __future__ import annotations

import html
import re
from typing import Any

from penname.data.readers.json_items import text_in

_MARKUP = re.compile(r"<([^<>|]+)(?:\|([^<>]*))?>")
_QUOTED = re.compile(r"^&gt;.*\n?", re.MULTILINE)


def plain_text(text: str, users: dict[str, dict[str, Any]], channels: dict[str, dict[str, Any]]) -> str:
    """A message without quoted lines, and with mentions and links as they are shown.

    users, channels: those that may be mentioned, by their ids.
    """

    def shown(match: re.Match[str]) -> str:
        target, label = match[1], match[2]
        if target[0] in "@#":
            known = (users if target[0] == "@" else channels).get(target[1:])
            return target[0] + (text_in(known, "shown") or label or target[1:])
        if target[0] == "!":
            return label or "@" + target[1:].partition("^")[0]
        return label or target.removeprefix("mailto:")

    return html.unescape(_MARKUP.sub(shown, _QUOTED.sub("", text)))
