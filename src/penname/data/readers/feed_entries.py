"""The entries of a feed: which of them are posts, and who wrote them, as each says, or the feed, or the others."""

from __future__ import annotations

import re
from functools import cached_property

from penname.data.load_report import LoadReport
from penname.data.readers.base import ReadingSettings, SourceFile, owner
from penname.data.readers.xml_items import Fields, xml_items

ENTRIES = ("item", "entry")
MARKED_UP = ("content", "summary")

_WITH_ADDRESS = re.compile(r"(\S+@\S+) \((.+)\)")
_BY_FEED = ("author/name", "channel/managingEditor", "channel/itunes:author", "channel/dc:creator")
_TITLES = ("channel/title", "feed/title")

Author = tuple[str, tuple[str, ...]]
"""A name, and other names of the same author."""


def first(fields: Fields, *names: str) -> str | None:
    """The text of the first of these elements that has one."""
    return next((field.text for name in names for field in fields.get(name, ()) if field.text), None)


def no_post(entry: Fields) -> str | None:
    """What an entry is that is no post, or not a published one."""
    kinds = [field.attributes.get("term", "") for field in entry.get("category", ())]
    kind = next(
        (term.partition("/kind#")[2] for term in kinds if "/kind#" in term), first(entry, "blogger:type") or "post"
    )
    if kind.lower() not in ("post", "page"):
        return f"a {kind.lower()}"
    draft = first(entry, "app:control/app:draft") == "yes" or (first(entry, "blogger:status") or "LIVE") != "LIVE"
    return "a draft" if draft else None


class FeedAuthors:
    """The authors of a feed's entries.

    file: the feed.
    settings: whom the user names as the author of what names none.
    """

    def __init__(self, file: SourceFile, settings: ReadingSettings) -> None:
        self._file = file
        self._settings = settings

    def of(self, entry: Fields, around: Fields) -> Author:
        """The author of an entry, which may name none: then of the feed's, of the only one that its entries name.

        Where its entries name several, or none and the user names nobody, it is whom the feed is called by.
        """
        if named := _named(entry) or _author(first(around, *_BY_FEED)):
            return named
        if len(self._of_entries) == 1:
            return next(iter(self._of_entries.values()))
        by_user = owner(self._file, self._settings) if self._settings.author and not self._of_entries else None
        return by_user or first(around, *_TITLES) or owner(self._file, self._settings), ()

    @cached_property
    def _of_entries(self) -> dict[str, Author]:
        entries = xml_items(self._file, ENTRIES, LoadReport(), marked_up=MARKED_UP)
        return {author[0]: author for _, entry, _ in entries if not no_post(entry) and (author := _named(entry))}


def _named(entry: Fields) -> Author | None:
    """The author whom an entry names."""
    author = _author(first(entry, "dc:creator", "author/name", "author"))
    others = tuple(filter(None, (first(entry, name) for name in ("author/email", "author/uri"))))
    return (author[0], (*author[1], *others)) if author else None


def _author(named: str | None) -> Author | None:
    both = _WITH_ADDRESS.fullmatch(named or "")
    return (both[2], (both[1],)) if both else (named, ()) if named else None
