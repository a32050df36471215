"""Reads WordPress's exports (WXR, XML): posts and pages of every author of a blog."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

from penname.data.load_report import LoadReport
from penname.data.readers.base import Reader, ReadingSettings, SourceFile, SourceText, message, owner
from penname.data.readers.feed_entries import first
from penname.data.readers.feeds import date_of
from penname.data.readers.html_text import own_text_of_html
from penname.data.readers.xml_items import Fields, xml_items

_KINDS = ("post", "page")
_WRITTEN = ("publish", "private", "future")
_BLOCK = r"</?(?:p|div|ul|ol|li|h[1-6]|table|tr|td|th|blockquote|pre|figure|hr|section)\b[^>]*>|<br ?/?>"
_BEFORE_BLOCK = re.compile(rf"\n\s*(?={_BLOCK})", re.IGNORECASE)
_BEHIND_BLOCK = re.compile(rf"({_BLOCK})\s+", re.IGNORECASE)
_SHORT_CODE = re.compile(
    r"\[embed\b[^\]]*\].*?\[/embed\]|\[/?(?:caption|gallery|audio|video|playlist|wp_caption|embed)\b[^\]]*\]"
)
_NO_DATE = "0000-00-00 00:00:00"


def recognizes(file: SourceFile) -> bool:
    """Whether it is RSS with the elements of WordPress's exports."""
    return b"<rss" in file.head and b"wordpress.org/export/" in file.head


def read(file: SourceFile, settings: ReadingSettings, report: LoadReport) -> Iterator[SourceText]:
    """The posts and pages; drafts, attachments, menus and the like are counted as skipped; comments are not read."""
    for location, item, around in xml_items(file, ("item",), report):
        kind, status = first(item, "wp:post_type") or "post", first(item, "wp:status") or "publish"
        if kind not in _KINDS or status not in _WRITTEN:
            found = f"a {kind} with the status {status!r}"
            report.skip(location.error(None, found, "a published post or page", "draft, or no post"))
            continue
        author, others = _author(first(item, "dc:creator"), around)
        dates = {name: first(item, name) for name in ("wp:post_date_gmt", "pubDate", "wp:post_date")}
        date = date_of({name: text for name, text in dates.items() if text != _NO_DATE}, location, report)
        text = _text(first(item, "content:encoded") or "")
        title = unescape(first(item, "title") or "")
        document = message(location, report, author or owner(file, settings), text, date, title=title)
        if document is not None:
            yield SourceText(document, None, others)


def _author(login: str | None, around: Fields) -> tuple[str | None, tuple[str, ...]]:
    """The author of a post; of one that names none the only one there is, or whom the site is called by."""
    names = _names(around)
    if login:
        return names.get(login, (login, ()))
    return next(iter(names.values())) if len(names) == 1 else (first(around, "channel/title") if names else None, ())


def _names(around: Fields) -> dict[str, tuple[str, tuple[str, ...]]]:
    """The name that each author shows, and their other ones, by the name in posts."""
    logins, shown, addresses = (
        [field.text for field in around.get(f"wp:author/wp:author_{name}", ())]
        for name in ("login", "display_name", "email")
    )
    shown, addresses = (found if len(found) == len(logins) else [""] * len(logins) for found in (shown, addresses))
    rows = zip(logins, shown, addresses, strict=True)  # of what only some authors have it is not known whose it is
    return {login: (name or login, tuple(filter(None, (login, address)))) for login, name, address in rows}


def _text(html: str) -> str:
    """A post's text; before the block editor line ends are those of the text, as WordPress shows it."""
    html = _SHORT_CODE.sub("", html)
    if "<!-- wp:" not in html:
        html = _BEHIND_BLOCK.sub(r"\1", _BEFORE_BLOCK.sub("", html)).replace("\n", "<br>")
    return own_text_of_html(html)


READER = Reader("a WordPress export", "RSS with the elements of wordpress.org/export", recognizes, read)
