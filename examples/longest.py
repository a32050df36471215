"""A retriever: a user's longest documents, whatever the query.

penname train quickstart --run runs/longest --set retrieval.retriever=examples.longest:longest
"""

from collections.abc import Sequence

from penname import Document


def longest(query: str, documents: Sequence[Document]) -> list[int]:
    """The documents' indices, the longest first. A retriever may leave documents out."""
    return sorted(range(len(documents)), key=lambda index: -len(documents[index].text))
