"""What is taken of the documents that a request brings."""

from __future__ import annotations

from dataclasses import dataclass, field

from penname.data.records import Document

MOST_DOCUMENTS = 100_000
"""Documents that a request may bring."""


@dataclass(frozen=True)
class Taken:
    """What is taken.

    rows: number of texts that there were.
    skipped: why texts were left out, and how many, as `LoadReport.skipped_records` gives them.
    lines: what was guessed, and what was left out or repaired.
    """

    documents: list[Document]
    rows: int
    skipped: list[dict[str, object]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
