"""Reads Medium's exports: a page in HTML for each post, marked up as an h-entry."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

from penname.data.dates import optional_date
from penname.data.load_report import LoadReport
from penname.data.readers.base import (
    ARCHIVE_ERRORS,
    Reader,
    ReadingSettings,
    SourceFile,
    SourceText,
    if_valid,
    message,
    owner,
)
from penname.data.readers.html_text import own_text_of_html
from penname.data.records import Location
from penname.data.rows import read_lines

_TITLE = re.compile(r'<h1 class="p-name">(.*?)</h1>', re.DOTALL)
_BODY = re.compile(r'<section data-field="body" class="e-content">(.*?)</section>\s*(?:<footer|</article|$)', re.DOTALL)
_AUTHOR = re.compile(r'<a href="(?:[^"]*/)?(@?[^"/]*)" class="p-author h-card">(.*?)</a>', re.DOTALL)
_PUBLISHED = re.compile(r'<time class="dt-published" datetime="([^"]*)"')
_REPEATED_TITLE = "graf--title"


def recognizes(file: SourceFile) -> bool:
    """Whether it is a page with an h-entry whose body is Medium's."""
    return b'<article class="h-entry">' in file.head and b'data-field="body" class="e-content"' in file.head


def read(file: SourceFile, settings: ReadingSettings, report: LoadReport) -> Iterator[SourceText]:
    """The post, which has a date unless it is a draft."""
    report.rows += 1
    location = Location(file.path, 1)
    try:
        page = "".join(line for _, line in read_lines(file.place, report))
    except (OSError, *ARCHIVE_ERRORS) as error:
        report.reject(location.error(None, str(error)[:80], "a readable page", "unreadable file"))
        return
    body, title, author = _BODY.search(page), _TITLE.search(page), _AUTHOR.search(page)
    published = _PUBLISHED.search(page)
    if published is None:
        report.skip(location.error(None, "a draft", "a published post", "draft"))
        return
    date = if_valid("date", optional_date, {"published": published[1]}, "published", location, report)
    text = own_text_of_html(body[1], (_REPEATED_TITLE,)) if body else None
    named = unescape(author[2]) if author else owner(file, settings, "posts")
    document = message(location, report, named, text, date, title=unescape(title[1]) if title else None)
    if document is not None:
        yield SourceText(document, None, (author[1],) if author and author[1] else ())


READER = Reader("a Medium export", "pages with an article of the class h-entry", recognizes, read)
