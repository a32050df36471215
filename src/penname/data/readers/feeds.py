"""Reads feeds of blogs (RSS and Atom), among them what Blogger exports."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

from penname.data.dates import optional_date
from penname.data.load_report import LoadReport
from penname.data.readers.base import Reader, ReadingSettings, SourceFile, SourceText, if_valid, message
from penname.data.readers.feed_entries import ENTRIES, MARKED_UP, FeedAuthors, first, no_post
from penname.data.readers.html_text import own_text_of_post
from penname.data.readers.xml_items import Field, Fields, xml_items
from penname.data.records import Location

_ROOT = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:\s|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>\[]*(?:\[.*?\]\s*)?>)*+<(?:rss|feed|rdf:RDF)\b",
    re.DOTALL,
)
_OF_WORDPRESS = b"wordpress.org/export/"


def recognizes(file: SourceFile) -> bool:
    """Whether its first element is a feed's; one with WordPress's own elements is an export of it."""
    return _ROOT.match(file.head) is not None and _OF_WORDPRESS not in file.head


def read(file: SourceFile, settings: ReadingSettings, report: LoadReport) -> Iterator[SourceText]:
    """The posts, of which a feed may have the beginnings only; drafts and comments are counted as skipped."""
    authors = FeedAuthors(file, settings)
    for location, entry, around in xml_items(file, ENTRIES, report, marked_up=MARKED_UP):
        if found := no_post(entry):
            report.skip(location.error(None, found, "a post", "draft, comment or setting"))
            continue
        author, others = authors.of(entry, around)
        title = unescape(first(entry, "title", "media:title") or "")
        document = message(location, report, author, _text(entry), _date(entry, location, report), title=title)
        if document is not None:
            yield SourceText(document, None, others)


def date_of(dates: dict[str, str | None], location: Location, report: LoadReport) -> str | None:
    """The first of these dates that is there, by the names of their elements."""
    name = next((name for name, text in dates.items() if text), None)
    return if_valid("date", optional_date, dates, name, location, report)


def _date(entry: Fields, location: Location, report: LoadReport) -> str | None:
    names = ("published", "pubDate", "issued", "dc:date", "blogger:created", "updated", "atom:updated")
    return date_of({name: first(entry, name) for name in names}, location, report)


def _text(entry: Fields) -> str:
    fields = (
        field for name in ("content:encoded", "content", "description", "summary") for field in entry.get(name, ())
    )
    field = next((field for field in fields if field.text), Field("", {}))
    if field.attributes.get("type") in ("text", "text/plain"):
        return field.text
    return own_text_of_post(field.text)


READER = Reader("a blog's feed", "XML that begins with rss or feed", recognizes, read)
