"""What a writer is asked for, and what it returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penname.data.records import Document


@dataclass(frozen=True)
class TextRequest:
    """What to write, and for whom; the fields are the arguments of `penname.generate.writer.Writer.write`."""

    prompt: str
    documents: Sequence[Document]
    query: str | None = None
    item: str | None = None
    seed: int = 0
    candidates: int | None = None
    reasoning: str | None = None


def notes_on_limits(shortened: int, finish_reason: str, input_limit: int, output_limit: int) -> list[str]:
    """Notes on a text whose prompt or completion reached its token limit; empty if neither did.

    shortened: number of documents that were truncated to fit.
    finish_reason: why the completion ended; `length` if it reached the limit.
    input_limit: the limit of the prompt, in tokens.
    output_limit: the limit of the completion, in tokens.
    """
    notes = [f"{shortened} documents were truncated to fit {input_limit} tokens"] if shortened else []
    return notes + (
        [f"the text was truncated at the limit of {output_limit} tokens"] if finish_reason == "length" else []
    )


@dataclass(frozen=True)
class Written:
    """A text for a user.

    response: the text.
    reasoning: what the model wrote before the text; None for a model that does not reason.
    notes: what a reader of the text should know, such as that it was truncated at the token limit.
    well_formed: whether the completion has a response; if not, `response` is the whole completion.
    """

    response: str
    reasoning: str | None
    notes: tuple[str, ...] = ()
    well_formed: bool = True
