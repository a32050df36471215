"""Reads the archives of Mastodon and of other servers that speak ActivityPub (`outbox.json`, with `actor.json`).

Boosts are others' words. The title of a post is its content warning, or the name that longer forms have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from penname.data.dates import optional_date
from penname.data.load_report import LoadReport
from penname.data.readers.base import Reader, ReadingSettings, SourceFile, SourceText, if_valid, message, owner
from penname.data.readers.html_text import own_text_of_html
from penname.data.readers.json_items import json_items, text_in

_WRITTEN = ("Note", "Article", "Question", "Page")
_NAME_IN_ADDRESS = re.compile(r"https?://([^/]+)/(?:.*/)?@?([^/]+)/?$")
_ANSWERED = re.compile(r"^(?:@[\w.-]+(?:@[\w.-]+)?\s+)+")


def recognizes(file: SourceFile) -> bool:
    """Whether it is JSON of ActivityPub, by its context; an archive has its likes and bookmarks in the same form."""
    head = file.head.lstrip(b"\xef\xbb\xbf \r\n\t")
    return head.startswith(b"{") and b'"@context"' in head and b"www.w3.org/ns/activitystreams" in head


def read(file: SourceFile, settings: ReadingSettings, report: LoadReport) -> Iterator[SourceText]:
    """The posts of an outbox; nothing of the archive's other files."""
    if b'"OrderedCollection' not in file.head or re.match(r"(?:likes|bookmarks)\b", file.name):
        return
    named, others = _account(file)
    for location, activity, _ in json_items(file, ("orderedItems.item",), report):
        kind, post_kind = text_in(activity, "type"), text_in(activity, "object", "type")
        if kind != "Create" or post_kind not in _WRITTEN:
            found = "a boost" if kind == "Announce" else f"an activity of the kind {kind} {post_kind or ''}".rstrip()
            report.skip(location.error(None, found, "a post by the archive's owner", "boost, or no post"))
            continue
        post = activity["object"]
        names = others or _names(text_in(post, "attributedTo") or text_in(activity, "actor") or "")
        text = own_text_of_html(text_in(post, "content") or "")
        if text_in(post, "inReplyTo"):
            text = _ANSWERED.sub("", text)
        title = text_in(post, "name") or text_in(post, "summary")
        date = if_valid("date", optional_date, post, "published", location, report)
        author = named or next(iter(names), None) or owner(file, settings)
        document = message(location, report, author, text, date, title=title)
        if document is not None:
            yield SourceText(document, None, names, text_in(post, "id"), text_in(post, "inReplyTo"))


def _account(file: SourceFile) -> tuple[str | None, tuple[str, ...]]:
    """The name of the archive's owner, and their other ones; None without the file that says it."""
    actor = file.beside("actor.json")
    for _, record, _ in json_items(actor, ("",), LoadReport()) if actor else ():
        named = text_in(record, "preferredUsername")
        address = text_in(record, "id") or text_in(record, "url") or ""
        return named, tuple(filter(None, (text_in(record, "name"), *_names(address))))
    return None, ()


def _names(address: str) -> tuple[str, ...]:
    """The names of an account by its address."""
    match = _NAME_IN_ADDRESS.match(address)
    return (match[2], f"{match[2]}@{match[1]}", f"@{match[2]}@{match[1]}", address) if match else ()


READER = Reader("a Mastodon archive", "outbox.json with activities of ActivityPub", recognizes, read)
