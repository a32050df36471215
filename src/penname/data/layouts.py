"""How each benchmark turns a profile's documents into text for the retriever and for its own prompts.

LongLaMP (Kumar et al., 2024; the tables of its prompts, and its retrieval code) concatenates the fields of a document
differently for each task; PGraphRAG (Au et al., 2025) does so in the same way for all its tasks. For documents of other
data, only their text is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from penname.data.records import Document, Example, LayoutName

ABSTRACT_WORDS = 750
"""Maximum number of an abstract's words that a prompt shows."""


@dataclass(frozen=True)
class Layout:
    """How a document becomes text.

    searched: returns the text that a retriever reads.
    shown: returns the text in the benchmark's own prompt.
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


def _rating(document: Document) -> str:
    return "" if document.rating is None else str(document.rating)


def _review(document: Document) -> str:
    return f"{_rating(document)} {document.title or ''} {document.description or ''} {document.text}"


def _shown_email(document: Document) -> str:
    return f'"{document.title or ""}" is the title for "{document.text}" '


def _shown_abstract(document: Document) -> str:
    words = document.text.split(" ")[:ABSTRACT_WORDS]
    return f'"{" ".join(words)}" is the abstract for the title "{document.title or ""}"'


def _shown_review(document: Document) -> str:
    return (
        f'"{_rating(document)}" is a rating for the product with description "{document.description or ""}". '
        f'"{document.title or ""}" is summary for "{document.text}" '
    )


def _shown_topic(document: Document) -> str:
    return f'"{document.title or ""}" is a summary for "{document.text}" '


def _shown_pgraphrag(document: Document) -> str:
    return f'Review title: "{document.title or ""}", Review text: "{document.text}"'


def _shown_pgraphrag_with_rating(document: Document) -> str:
    return f"{_shown_pgraphrag(document)}, Review rating: {'' if document.rating is None else f'{document.rating:g}'}"


LAYOUTS: Mapping[LayoutName, Layout] = {
    "plain": Layout(_text, _text),
    "email": Layout(_text, _shown_email),
    "abstract": Layout(_titled, _shown_abstract),
    "review": Layout(_review, _shown_review),
    "topic": Layout(_titled, _shown_topic),
    "pgraphrag_long": Layout(_titled, _shown_pgraphrag),
    "pgraphrag_short": Layout(_titled, _shown_pgraphrag),
    "pgraphrag_rating": Layout(_titled, _shown_pgraphrag_with_rating),
}
