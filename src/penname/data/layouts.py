"""How each benchmark turns a profile's documents into text for the retriever and for its own prompts.

LongLaMP (Kumar et al., 2024; the tables of its prompts and retrieval code) concatenates fields of a record differently
for each task; PGraphRAG (Au et al., 2025) does so the same way for all its tasks. Documents of other data are their
text alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from penname.data.records import Document, Example, LayoutName

ABSTRACT_WORDS = 750
"""Words of an abstract that a prompt shows at most."""


@dataclass(frozen=True)
class Layout:
    """How a document becomes text.

    searched: the text that a retriever reads.
    shown: the text in the prompt.
    """

    searched: Callable[[Document], str]
    shown: Callable[[Document], str]


def query_of(example: Example) -> str:
    """The query that documents are retrieved for."""
    return example.input if example.query is None else example.query


def searched_text(example: Example, document: Document) -> str:
    """The text of the example's `document` that a retriever reads."""
    return LAYOUTS[example.layout].searched(document)


def shown_text(example: Example, document: Document) -> str:
    """The text of the example's `document` in the benchmark's own prompt."""
    return LAYOUTS[example.layout].shown(document)


def _text(document: Document) -> str:
    return document.text


def _titled(document: Document) -> str:
    return f"{document.title or ''} {document.text}"


def _overall(document: Document) -> str:
    return "" if document.rating is None else str(document.rating)


def _whole_review(document: Document) -> str:
    return f"{_overall(document)} {document.title or ''} {document.description or ''} {document.text}"


def _shown_email(document: Document) -> str:
    return f'"{document.title or ""}" is the title for "{document.text}" '


def _shown_abstract(document: Document) -> str:
    words = document.text.split(" ")[:ABSTRACT_WORDS]
    return f'"{" ".join(words)}" is the abstract for the title "{document.title or ""}"'


def _shown_review(document: Document) -> str:
    return (
        f'"{_overall(document)}" is a rating for the product with description "{document.description or ""}". '
        f'"{document.title or ""}" is summary for "{document.text}" '
    )


def _shown_topic(document: Document) -> str:
    return f'"{document.title or ""}" is a summary for "{document.text}" '


def _shown_neighbourly(document: Document) -> str:
    return f'Review title: "{document.title or ""}", Review text: "{document.text}"'


def _shown_rated(document: Document) -> str:
    return f"{_shown_neighbourly(document)}, Review rating: {'' if document.rating is None else f'{document.rating:g}'}"


LAYOUTS: Mapping[LayoutName, Layout] = {
    "plain": Layout(_text, _text),
    "email": Layout(_text, _shown_email),
    "abstract": Layout(_titled, _shown_abstract),
    "review": Layout(_whole_review, _shown_review),
    "topic": Layout(_titled, _shown_topic),
    "pgraphrag_long": Layout(_titled, _shown_neighbourly),
    "pgraphrag_short": Layout(_titled, _shown_neighbourly),
    "pgraphrag_rating": Layout(_titled, _shown_rated),
}
