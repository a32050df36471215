"""Tells chats in forms that are not read: as texts they would be everybody's words under one author's name."""

from __future__ import annotations

import re
from collections import Counter

from penname.data.files.kinds import HTML
from penname.data.readers.base import SourceFile

_BY_PROGRAM = (
    (
        re.compile(rb'class="page_wrap\b(?s:.*)class="page_header\b'),
        ("what looks like a chat of Telegram in HTML", "its export as machine-readable JSON"),
    ),
    (
        re.compile(rb"\buiBoxWhite\b|\b_3-95\b|\b_a6-[ghp]\b"),
        (
            "what looks like a chat of Facebook or Instagram in HTML",
            "JSON, the format to choose in 'Download your information'",
        ),
    ),
    (
        re.compile(rb"\bchatlog__\w"),
        ("what looks like a chat of Discord in HTML", "JSON, which DiscordChatExporter writes with -f Json"),
    ),
)
"""What tells a program's pages, and what is said of them."""

_IN_HTML = re.compile(
    rb"class=[\"']?(?:[\w-]+ )*(?:sender|from[-_]name|hChatLog|(?:chat|message)[-_]?(?:author|header|sender))\b"
)
_CHANNEL_OF_DISCORD = re.compile(r"\ufeff?=+\r?\nGuild: .*\r?\nChannel: ")
_OF_LINE = re.compile(r"\ufeff?\[LINE\] ")
_TIME = r"\d{1,2}[:.h]\d\d(?:[:.]\d\d)?(?:[.,]\d+)?"
_DAY = (
    r"(?:\d{1,4}(?:[./-] ?|년 ?|年)\d{1,2}(?:[./-] ?|월 ?|月)\d{1,4}[.일日]?"
    r"|\d{1,2}[ .-]{1,2}[^\W\d]{3,12}\.?[ ,-]{1,2}\d{2,4}|[^\W\d]{3,12}\.? \d{1,2},? \d{4})"
)
_BESIDE = r"[^\d:<>\[\]()|\t\n]{0,12}?"
_MESSAGE = re.compile(
    rf"[\[(<]?(?:{_DAY}(?:T|{_BESIDE}){_TIME}|{_TIME}{_BESIDE}{_DAY}|{_TIME}|{_DAY})(?:Z|[+-]\d\d:?\d\d)?{_BESIDE}"
    r"[\])>|]?[ \t,;–—-]*(?:<[ @+%~&]?([^<>\n]{1,60})>\s|([^\s:\t<>][^:\t<>\n]{0,60}?)(?: ?: | ?:$|\t))"
    rf"|\[([^\[\]\n]{{1,60}})\] \[{_BESIDE}{_TIME}{_BESIDE}\] "
)
"""A line with a date or a time, and a name before a colon or a tab or in angle brackets; or a name and a time in
brackets, as KakaoTalk has them."""

_LINES = 500
_FEWEST_LINES = 3

_AS_JSON = "its export as JSON, or a table with the columns user, date and text"
_LOOKS_LIKE_CHAT = "what looks like a chat of several people"


def unread_chat(file: SourceFile) -> tuple[str, str] | None:
    """What a page or a text is, and what to bring in its place, where it is a chat; None for any other."""
    if file.suffix in HTML.suffixes or file.head.lstrip()[:200].lower().startswith((b"<!doctype html", b"<html")):
        said = next((said for told_by, said in _BY_PROGRAM if told_by.search(file.head)), None)
        is_chat = len(_IN_HTML.findall(file.head)) >= _FEWEST_LINES
        return said or ((f"{_LOOKS_LIKE_CHAT} in HTML", _AS_JSON) if is_chat else None)
    text = file.head_text
    if _CHANNEL_OF_DISCORD.match(text):
        return "what looks like a chat of Discord", "JSON, which DiscordChatExporter writes with -f Json"
    if _OF_LINE.match(text):
        return "what looks like a chat of LINE", "a table with the columns user, date and text"
    return (_LOOKS_LIKE_CHAT, _AS_JSON) if _has_messages(text) else None


def _has_messages(text: str) -> bool:
    """Whether most lines begin with a time and a name, and there are several names, one of them more than once."""
    lines = [line.lstrip("\ufeff\u200e\u200f") for line in text.splitlines()[:_LINES] if line.strip()]
    found = [match for match in map(_MESSAGE.match, lines) if match]
    names = Counter((match[1] or match[2] or match[3]).strip() for match in found)
    several = len(names) > 1 and len(names) < len(found)
    return several and len(found) >= _FEWEST_LINES and len(found) * 2 > len(lines)
