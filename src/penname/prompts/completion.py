"""Completions of models that reason: they are composed for training and parsed for the reward.

Figure 8 of the REST-PG paper fixes two phrases of the output. The second one ends the reasoning; only what follows it
is the response, and only the response is ever rewarded (section 3.2).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from penname.prompts.templates import fill, template

OPENING_PHRASE, ANSWER_PHRASE = (part.strip() for part in re.split(r"\{\w+\}", template("figure8_output"))[:2])


def _tolerant(phrase: str) -> re.Pattern[str]:
    """A pattern that matches `phrase` in any case and with any white space between its words."""
    return re.compile(r"\s+".join(map(re.escape, phrase.split())), re.IGNORECASE)


_LABEL = re.compile(r"^(review (text|title)|rating):", re.IGNORECASE)
_OPENING, _ANSWER = _tolerant(OPENING_PHRASE), _tolerant(ANSWER_PHRASE)


@dataclass(frozen=True)
class Completion:
    """The two parts of a completion.

    reasoning: None where there is none.
    response: None where the completion is malformed.
    """

    reasoning: str | None
    response: str | None


def without_phrases(text: str) -> str:
    """`text` without Figure 8's fixed phrases: in a reasoning, a second answer phrase would end it early."""
    return _ANSWER.sub("", _OPENING.sub("", text))


def without_label(text: str) -> str:
    """`text` without PGraphRAG's label at its beginning, and without quotation marks around it."""
    text = _LABEL.sub("", text.strip()).strip()
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1].strip() if quoted else text


def compose(reasoning: str, response: str) -> str:
    """The training target with a reasoning: the output of REST-PG's Figure 8."""
    return fill("figure8_output", reasoning=reasoning.strip(), response=response.strip())


def parse(text: str, *, with_reasoning: bool, label: bool = False) -> Completion:
    """Split a completion at the first occurrence of the answer phrase, the second fixed phrase of Figure 8.

    Without reasoning the whole text is the response. A completion is malformed if it is empty, or if it should contain
    a reasoning but lacks the phrase or has nothing after it.

    with_reasoning: whether the model reasons.
    label: whether the response of a model without reasoning may follow a label, as PGraphRAG's prompts request
        (`Review text:`), or be in quotation marks; both are removed.
    """
    if not with_reasoning:
        return Completion(None, (without_label(text) if label else text.strip()) or None)
    answer = _ANSWER.search(text)
    if answer is None:
        return Completion(text.strip() or None, None)
    reasoning = _OPENING.sub("", text[: answer.start()], count=1).strip()
    return Completion(reasoning, text[answer.end() :].strip() or None)


def tidy(text: str, finish_reason: str) -> str:
    """`text` without Figure 8's fixed phrases, and without an unfinished last sentence or list item.

    finish_reason: the engine's; only a text that reached its token limit ("length") is unfinished. A line that ends in
        a colon counts as unfinished, since what it announces is missing.
    """
    text = without_phrases(text)
    if finish_reason == "length":
        ends = [m.end() for m in re.finditer(r"[.!?](?=\s)|[^\n:](?=\n)", text)]
        text = text[: ends[-1]] if ends else ""
    return text.strip()
