"""Tables of well-known corpora and exports, in which names of columns mean something else than elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penname.data.readers.html_text import own_text_of_html
from penname.data.readers.json_items import text_in
from penname.data.readers.reddit import own_words
from penname.data.readers.table_markup import plain_text


@dataclass(frozen=True)
class Layout:
    """A table that is known by its columns.

    name: what it is, with its article.
    columns: the column of each kind, in lower case. One without a user is the export of one, and one without a date may
        have it in any column of a usual name.
    also: further columns by which it is known, beside those of the user and the text.
    zero_is_none: whether a rating of 0 stands for none.
    own_words: what of a text its author wrote, in plain letters.
    thing: Reddit's mark of what the rows are, by which others name what they answer.
    """

    name: str
    columns: Mapping[str, str]
    also: tuple[str, ...]
    zero_is_none: bool = False
    own_words: Callable[[str], str] = str.strip
    thing: str | None = None

    @property
    def known_by(self) -> set[str]:
        """The columns that it must have."""
        return {column for kind, column in self.columns.items() if kind in ("user", "text")} | set(self.also)

    def columns_or(self, usual: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        """The names by which each kind of column is looked for, in the form of `usual`, those of other tables."""
        named = {kind: (self.columns[kind],) if kind in self.columns else () for kind in usual}
        return named | {"date": named["date"] or usual["date"]}

    def ids(self, record: Mapping[str, Any]) -> tuple[str | None, str | None]:
        """What other rows name this one by, and what it names the one that it answers by."""
        number = text_in(record, "id")
        return (f"{self.thing}_{number}" if self.thing and number else None), text_in(record, "parent_id")


LAYOUTS = (
    Layout(
        "the Blog Authorship Corpus (Schler et al., 2006)",
        {"user": "id", "text": "text", "date": "date"},
        ("gender", "age", "topic", "sign"),
    ),
    Layout(
        "reviews of Goodreads",
        {"user": "user_id", "text": "review_text", "item": "book_id", "rating": "rating", "date": "date_added"},
        ("book_id",),
        zero_is_none=True,
    ),
    Layout(
        "a Goodreads library",
        {"text": "my review", "title": "title", "item": "book id", "rating": "my rating", "date": "date added"},
        ("book id", "my rating"),
        zero_is_none=True,
        own_words=own_text_of_html,
    ),
    Layout(
        "reviews of Letterboxd",
        {"text": "review", "title": "name", "item": "name", "rating": "rating", "date": "date"},
        ("letterboxd uri",),
        own_words=own_text_of_html,
    ),
    Layout("comments of Reddit", {"user": "author", "text": "body"}, ("subreddit",), own_words=own_words, thing="t1"),
    Layout(
        "posts of Reddit",
        {"user": "author", "text": "selftext", "title": "title"},
        ("subreddit",),
        own_words=own_words,
        thing="t3",
    ),
    Layout(
        "reviews of Amazon",
        {
            **{"user": "user_id", "text": "text", "title": "title", "item": "parent_asin", "rating": "rating"},
            "date": "timestamp",
        },
        ("asin", "parent_asin"),
        own_words=plain_text,
    ),
    Layout(
        "posts of Stack Exchange",
        {"user": "owneruserid", "text": "body", "title": "title", "date": "creationdate"},
        ("creationdate",),
        own_words=plain_text,
    ),
    Layout(
        "Hacker News", {"user": "by", "text": "text", "title": "title", "date": "time"}, ("time",), own_words=plain_text
    ),
    Layout(
        "reviews of Google Play",
        {"user": "username", "text": "content", "rating": "score", "date": "at"},
        ("score", "thumbsupcount"),
    ),
    Layout(
        "reviews of Steam",
        {"user": "author.steamid", "text": "review", "item": "app_id", "date": "timestamp_created"},
        ("language",),
    ),
    Layout(
        "reviews of Steam",
        {"user": "author_steamid", "text": "review", "item": "appid", "date": "timestamp_created"},
        ("language",),
    ),
    Layout(
        "reviews of IMDb",
        {"user": "reviewer", "text": "review_detail", "title": "review_summary", "item": "movie", "rating": "rating"},
        ("movie",),
    ),
)
"""The layouts, in the order in which they are tried."""


def layout_of(names: Sequence[str]) -> Layout | None:
    """The layout of a table with these columns; None where it is none of these."""
    lowered = {name.lower() for name in names}
    return next((layout for layout in LAYOUTS if layout.known_by <= lowered), None)
