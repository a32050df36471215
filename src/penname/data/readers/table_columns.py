"""Which columns of a table are read, and as what: those that the user names, or that are known by their names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from penname.data.readers.table_layouts import Layout, layout_of
from penname.data.records import Location

COLUMNS = {
    "user": (
        *("user_id", "user", "author", "name", "reviewerid", "username", "user_name", "from"),
        *("customer_id", "reviewer_id", "reviewer"),
    ),
    "text": ("text", "body", "content", "reviewtext", "review_text", "review", "output", "abstract", "review_body"),
    "title": ("title", "subject", "summary", "headline", "review_title", "review_headline", "review_summary"),
    "date": (
        *("date", "timestamp", "time", "year", "created_at", "reviewtime", "unixreviewtime", "created_utc"),
        *("date_added", "created", "review_date"),
    ),
    "item": (
        *("item_id", "item", "product_id", "parent_asin", "asin", "pid", "business_id", "book_id"),
        *("movie_id", "app_id"),
    ),
    "rating": ("rating", "overall", "stars", "star_rating", "review_rating"),
}
"""Names, in lower case, by which a table's columns are recognized where the user does not name them."""

_WORDS = {
    "title": re.compile(r"(?i)title|headline|subject|titel|titre|t[ií]tulo|titolo|betreff|заголов|标题|標題|件名"),
    "date": re.compile(
        r"(?i)date(?!d?\B)|\btime|timestamp|datum|fecha|\bdata\b|created|posted|published|дата|日期|时间|日時"
    ),
    "rating": re.compile(
        r"(?i)rating|\bstars?\b|bewertung|\bnote\b|puntuaci|calificaci|valutazione|avalia|оценка|评分|評価"
    ),
}
"""Words in the names of columns that may be of a kind, but are not read as such by themselves."""


@dataclass(frozen=True)
class Columns:
    """The columns that are read of a table, or of those rows of JSON that have the same fields.

    of_kinds: the column of each key of `COLUMNS` that there is one for.
    layout: the well-known table that it is, if any.
    passed_over: by kind, a column that is not read and is called as if it were of that kind.
    """

    of_kinds: Mapping[str, str]
    layout: Layout | None
    passed_over: Mapping[str, str] = field(default_factory=dict)

    def get(self, kind: str) -> str | None:
        """The column of a key of `COLUMNS`; None where there is none."""
        return self.of_kinds.get(kind)

    @property
    def said(self) -> str:
        """Which columns are read, and as what, in words."""
        taken = ", ".join(f"{kind} from {name!r}" for kind, name in self.of_kinds.items())
        options = (f"--{kind} {name!r} would read that too" for kind, name in self.passed_over.items())
        return "; ".join([f"{self.layout.name}: {taken}" if self.layout else taken, *options])


def columns_of(
    names: Sequence[str], chosen: Mapping[str, str], location: Location, *, author_known: bool = False
) -> Columns:
    """The columns that are read of those of a table.

    names: the table's columns.
    chosen: column names that the user gave, by key of `COLUMNS`; an empty one for a kind that is not to be read.
    author_known: whether the texts have an author without a column for the user.

    Raises DataError where there is no column for the user or the text, or a chosen one does not exist.
    """
    of_kinds = {}
    lowered = {str(name).lower(): name for name in reversed(names)}
    layout = layout_of(names)
    for kind, known in (COLUMNS if layout is None else layout.columns_or(COLUMNS)).items():
        name = chosen[kind] if kind in chosen else next((lowered[k] for k in known if k in lowered), "")
        if name and name not in names:
            raise location.error(None, f"the columns {', '.join(names)}"[:300], f"a column {name!r}", "missing column")
        if name:
            of_kinds[kind] = name
    for kind in ("text",) if author_known else ("user", "text"):
        if kind not in of_kinds and (layout is None or kind in layout.columns):
            expected = f"one for the {kind}: --{kind} NAME, or a column named {', '.join(COLUMNS[kind])}"
            raise location.error(None, f"the columns {', '.join(names)}"[:300], expected, "missing column")
    passed_over = {} if layout else _passed_over(names, of_kinds)
    return Columns(of_kinds, layout, passed_over)


def _passed_over(names: Sequence[str], of_kinds: Mapping[str, str]) -> dict[str, str]:
    """A column of each kind that none is read of, by a word in its name."""
    left = [name for name in map(str, names) if name not in of_kinds.values()]
    found = {
        kind: next((name for name in left if word.search(name)), None)
        for kind, word in _WORDS.items()
        if kind not in of_kinds
    }
    return {kind: name for kind, name in found.items() if name is not None}
