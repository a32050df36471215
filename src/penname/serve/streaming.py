"""Takes a completion apart while it is written: its reasoning, then its response.

What has been given out is never taken back, so letters that could be the beginning of a mark wait for the next ones.
All the pieces together are what `penname.prompts.completion.parse` makes of the whole completion.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import NamedTuple

import regex

from penname.engines.batch import TokenLogProbs
from penname.prompts.completion import ANSWER_PHRASE, OPENING_PHRASE
from penname.prompts.growing_text import UNFINISHED
from penname.thoughts import MARKS


class Pieces(NamedTuple):
    """What has been added to the reasoning and to the response."""

    reasoning: str
    response: str


def _phrase(phrase: str) -> regex.Pattern[str]:
    return regex.compile(r"\s+".join(map(regex.escape, phrase.split())), regex.IGNORECASE)


_OPENING, _ANSWER = _phrase(OPENING_PHRASE), _phrase(ANSWER_PHRASE)
_MARK = regex.compile("|".join(regex.escape(mark) for marks in MARKS for mark in marks))


class StreamedCompletion:
    """A completion that grows token by token.

    read: the text of token ids, as `Renderer.growing_completion` gives it.
    with_reasoning: whether the model writes a reasoning before the response.
    stop: strings before which the response ends.

    stopped: whether a stop string has come.
    in_response: whether the reasoning has ended.
    """

    def __init__(self, read: Callable[[Sequence[int]], str], *, with_reasoning: bool, stop: Sequence[str] = ()) -> None:
        self._read = read
        self._with_reasoning = with_reasoning
        self._stop = regex.compile("|".join(map(regex.escape, stop)), cache_pattern=False) if stop else None
        self._tokens: list[int] = []
        self._log_probs: list[TokenLogProbs] = []
        self._begins: list[int] = []  # where in the completion the text of each token begins
        self._certain: int | None = None  # the letters that no stop string can take back; None for all
        self._told = 0
        self._given = Pieces("", "")
        self.stopped = False
        self.in_response = not with_reasoning

    @property
    def tokens(self) -> int:
        """The number of its tokens so far."""
        return len(self._tokens)

    @property
    def reasoning(self) -> str:
        """The reasoning as far as it was given out."""
        return self._given.reasoning

    def add(self, tokens: Sequence[int], log_probs: Sequence[TokenLogProbs] = ()) -> Pieces:
        """The pieces that further tokens add; once `stopped`, none.

        log_probs: those of the tokens, where they are wanted.
        """
        parts = None
        for token in tokens:
            if self._stop is not None:
                self._begins.append(len(self._read(self._tokens).rstrip(UNFINISHED)))
            self._tokens.append(token)
            parts = None
            if not self.in_response:
                parts = self._parts(self._read(self._tokens), ended=False)
                self._told = len(self._tokens)  # no token of the reasoning is told
        self._log_probs += log_probs
        return self._give(parts or self._parts(self._read(self._tokens), ended=False))

    def end(self) -> Pieces:
        """The pieces that were waiting for further tokens, of which there are none."""
        return self._give(self._parts(self._read(self._tokens), ended=True))

    def told(self) -> tuple[list[int], list[TokenLogProbs]]:
        """The response's tokens that became certain since the last call, with their log probabilities.

        There are none of a stop string.
        """
        end = len(self._tokens) if self._certain is None else bisect_left(self._begins, self._certain)
        begin, self._told = self._told, end
        return self._tokens[begin:end], self._log_probs[begin:end]

    def _give(self, parts: Pieces) -> Pieces:
        """What of these parts has not been given out yet."""
        new = Pieces(*(part[len(given) :] for part, given in zip(parts, self._given, strict=True)))
        self._given = Pieces(*(given + piece for given, piece in zip(self._given, new, strict=True)))
        return new

    def _parts(self, text: str, *, ended: bool) -> Pieces:
        """The reasoning and the response as far as they are certain."""
        if self.stopped:
            return self._given
        if not ended:
            text = _before_beginning_of(_MARK, text.rstrip(UNFINISHED))
        if not self._with_reasoning:
            return Pieces("", self._response(text, 0, ended=ended))
        answer = _ANSWER.search(text)
        if answer is not None:
            self.in_response = True
            return Pieces(_reasoning(text[: answer.start()]), self._response(text, answer.end(), ended=ended))
        if not ended:
            text = _before_beginning_of(_OPENING, _before_beginning_of(_ANSWER, text))
        # A completion without the answer phrase is all reasoning, as nothing says what else it could be.
        return Pieces(_reasoning(text), "")

    def _response(self, text: str, begin: int, *, ended: bool) -> str:
        """The response in a text, behind the reasoning and up to a stop string. begin: where the reasoning ends."""
        response = text[begin:]
        if self._stop is not None:
            found = self._stop.search(response)
            if found is not None:
                self.stopped = True
                response = response[: found.start()]
            elif not ended:
                response = _before_beginning_of(self._stop, response)
            self._certain = None if ended and not self.stopped else begin + len(response)
        return response.strip()


def _reasoning(text: str) -> str:
    """A reasoning without the phrase that opens it."""
    return _OPENING.sub("", text, count=1).strip()


def _before_beginning_of(pattern: regex.Pattern[str], text: str) -> str:
    """The text up to where it ends in the beginning of what a pattern matches."""
    for found in pattern.finditer(text, partial=True):
        if found.partial:
            return text[: found.start()]
    return text
