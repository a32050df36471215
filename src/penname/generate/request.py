"""What is asked of a writer, and what it gives back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penname.data.records import Document


@dataclass(frozen=True)
class Request:
    """What to write, and for whom; arguments as `penname.generate.writer.Writer.write` takes them."""

    prompt: str
    documents: Sequence[Document]
    query: str | None = None
    item: str | None = None
    seed: int = 0
    candidates: int | None = None
    reasoning: str | None = None


def notes_on_limits(shortened: int, finish_reason: str, input_limit: int, output_limit: int) -> list[str]:
    """What to say of a text whose prompt or whose completion met its token limit.

    shortened: number of documents that were shortened to fit. finish_reason: why the completion ended.
    """
    notes = [f"{shortened} documents were shortened to fit {input_limit} tokens"] if shortened else []
    return notes + ([f"the text ran into the limit of {output_limit} tokens"] if finish_reason == "length" else [])


@dataclass(frozen=True)
class Written:
    """A text for a user.

    response: the text.
    reasoning: what the model wrote before it, None for one that does not reason.
    notes: what a reader of the text should know, such as that it ran into the token limit.
    well_formed: whether the completion came to a response; if not, `response` is the completion as it is.
    """

    response: str
    reasoning: str | None
    notes: tuple[str, ...] = ()
    well_formed: bool = True
