"""Reads archives of X, formerly Twitter: `data/tweets.js` and its parts, `note-tweet.js` with the long posts, and the
`tweet.js` and `data/js/tweets/2013_01.js` of older archives.

Posts in communities (`community-tweet.js`) are read, too, and direct messages are not. Reposts are others' words. Links
that were shortened are written out, and those to pictures are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from penname.data.dates import optional_date
from penname.data.load_report import LoadReport
from penname.data.readers.base import Reader, ReadingSettings, SourceFile, SourceText, if_valid, message, owner
from penname.data.readers.json_items import json_items, part_of, text_in
from penname.data.readers.twitter_text import text_of_post
from penname.errors import DataError

_ASSIGNMENT = re.compile(rb"\s*(?:window\.YTD\.(\w+)\.part\d+|Grailbird\.data\.tweets_\w+)\s*=\s*")
_POSTS = ("noteTweet", "tweet", "communityTweet")
_REPOST = re.compile(r"RT @\w+: ")
_BEGINNING = 100
"""Characters by which the beginning of a long post is known: the archive has it among the other posts, too."""


def recognizes(file: SourceFile) -> bool:
    """Whether it is JavaScript that sets one of an archive's variables."""
    return _ASSIGNMENT.match(file.head) is not None


def read(file: SourceFile, settings: ReadingSettings, report: LoadReport) -> Iterator[SourceText]:
    """The posts; nothing of the archive's other files, such as likes and messages."""
    begins = _ASSIGNMENT.match(file.head)
    kind = (begins[1] or b"tweets").decode() if begins else ""
    if kind in ("direct_message", "direct_messages", "direct_messages_group"):
        expected = "posts (tweets.js), as only these are read"
        report.note(DataError(file.path, found="direct messages", expected=expected, reason="files of another kind"))
    if kind not in ("tweet", "tweets", "note_tweet", "community_tweet"):
        return
    account, names = _account(file)
    author = account or (owner(file, settings, "data") if begins and begins[1] else None)
    long_posts = {text_of_post(note)[:_BEGINNING] for note in _notes(file)} if kind != "note_tweet" else set()
    for location, record, _ in _items(file, "item", report):
        post = next((post for name in _POSTS if (post := part_of(record, name))), record)
        text = text_of_post(post)
        if part_of(post, "retweeted_status") or _REPOST.match(text):
            report.skip(location.error(None, "a repost", "a post by the archive's owner", "repost"))
            continue
        if len(text) > _BEGINNING and text[:_BEGINNING] in long_posts:
            report.skip(
                location.error(None, "the beginning of a long post", "a whole post", "beginning of a long post")
            )
            continue
        fields = post if isinstance(post, dict) else {}
        date = if_valid(
            "date", optional_date, fields, "createdAt" if "core" in fields else "created_at", location, report
        )
        document = message(location, report, author or text_in(post, "user", "screen_name"), text, date)
        if document is not None:
            reply_to = text_in(post, "in_reply_to_status_id_str") or text_in(post, "in_reply_to_status_id")
            yield SourceText(document, None, names, text_in(post, "id_str") or text_in(post, "id"), reply_to)


def _items(file: SourceFile, place: str, report: LoadReport) -> Iterator[Any]:
    begins = _ASSIGNMENT.match(file.head)
    return json_items(file, (place,), report, prefix=begins[0] if begins else b"")


def _notes(file: SourceFile) -> Iterator[Any]:
    """The long posts beside a file of posts."""
    notes = file.beside("note-tweet.js") or file.beside("note_tweet.js")
    return (note for _, note, _ in _items(notes, "item.noteTweet", LoadReport())) if notes else iter(())


def _account(file: SourceFile) -> tuple[str | None, tuple[str, ...]]:
    """The name of the archive's owner, and their other ones; None where the archive does not say."""
    account = file.beside("account.js")
    for _, record, _ in _items(account, "item.account", LoadReport()) if account else ():
        if username := text_in(record, "username"):
            others = (text_in(record, name) for name in ("accountDisplayName", "accountId", "email"))
            return username, (f"@{username}", *filter(None, others))
    return None, ()


READER = Reader("an archive of X (Twitter)", "tweets.js, which begins with window.YTD", recognizes, read)
