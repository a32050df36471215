"""Completions of models that reason: put together for training, taken apart for the reward.

Figure 8 of the REST-PG paper fixes two phrases in the output. The second one ends the reasoning; only what
follows it is the response, and only the response is ever rewarded (section 3.2).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from penname.prompts.templates import fill, template

OPENING_PHRASE, ANSWER_PHRASE = (part.strip() for part in re.split(r"\{\w+\}", template("figure8_output"))[:2])


def _tolerant(phrase: str) -> re.Pattern[str]:
    """Match `phrase` whatever its case and white space."""
    return re.compile(r"\s+".join(map(re.escape, phrase.split())), re.IGNORECASE)


_LABEL = re.compile(r"^(review (text|title)|rating):", re.IGNORECASE)
_OPENING, _ANSWER = _tolerant(OPENING_PHRASE), _tolerant(ANSWER_PHRASE)


@dataclass(frozen=True)
class Completion:
    """A completion's two parts. `response` is None where the completion is malformed."""

    reasoning: str | None
    response: str | None


def without_phrases(text: str) -> str:
    """`text` without Figure 8's fixed phrases: in a reasoning, a second answer phrase would end it early."""
    return _ANSWER.sub("", _OPENING.sub("", text))


def without_label(text: str) -> str:
    """`text` without PGraphRAG's label before it, and without quotation marks around it."""
    text = _LABEL.sub("", text.strip()).strip()
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1].strip() if quoted else text


def compose(reasoning: str, response: str) -> str:
    """The training target of Figure 8's output box."""
    return fill("figure8_output", reasoning=reasoning.strip(), response=response.strip())


def parse(text: str, *, with_reasoning: bool, label: bool = False) -> Completion:
    """Take a completion apart at the first occurrence of the second fixed phrase.

    Without reasoning the whole text is the response. A completion that should reason and lacks the phrase, or
    has nothing after it, is malformed; so is an empty one. label: the response of a model without reasoning stands
    behind a label, as PGraphRAG's prompts ask for it (`Review text:`), or in quotation marks.
    """
    if not with_reasoning:
        return Completion(None, (without_label(text) if label else text.strip()) or None)
    answer = _ANSWER.search(text)
    if answer is None:
        return Completion(text.strip() or None, None)
    reasoning = _OPENING.sub("", text[: answer.start()], count=1).strip()
    return Completion(reasoning, text[answer.end() :].strip() or None)


def tidy(text: str, finish_reason: str) -> str:
    """Without the fixed phrases of Figure 8, and ended where a sentence or a point ends if it ran out of tokens.

    A line that ends in a colon announces what never came.
    """
    text = without_phrases(text)
    if finish_reason == "length":
        ends = [m.end() for m in re.finditer(r"[.!?](?=\s)|[^\n:](?=\n)", text)]
        text = text[: ends[-1]] if ends else ""
    return text.strip()
