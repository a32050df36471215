"""Generation, and a judge's scores, on servers that have only `/v1/chat/completions`.

A prompt is sent as the user's message, without a chat template, which the server puts around it; the model's tokenizer
need not be known, see `penname.engines.messages`. A chat server cannot continue a reply that was begun, nor score texts
other than a judge's numbers, and settings that the servers lack are refused by `check_server`. What a server refuses of
a request is left out and said, see `penname.engines.chat_server`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from penname.engines.base import GeneratedTokens, OnWritten, Sampling, TokenIds
from penname.engines.chat_scores import NumberScores, Place, places_of
from penname.engines.chat_server import ChatServer, Reply, Say
from penname.engines.connection import Connection, RefusedRequest
from penname.engines.messages import END, MessageTokenizer
from penname.engines.openai import check_server

Message = dict[str, str]

SCORE_TOKENS = 4
"""Tokens of a judge's reply: white space, a number, and what follows it."""

CONTINUED = {"add_generation_prompt": False, "continue_final_message": True}
"""Fields with which vLLM, SGLang and others continue a reply that was begun; the rest refuse or ignore them."""

INSTEAD = "take a server with text completions (endpoint: completions), or an engine on this machine"


DIVIDED = (
    "does not show what could follow the score 1 where another is preferred, so the probability of 1 and 10 together "
    "is divided equally between them: the most probable score is exact, reward.judge_expectation is not"
)
ENDED = (
    "does not show what could follow the score 1 where that is the whole reply, so 10 counts as impossible there: its "
    "scores are approximate"
)


class ChatEngine:
    """An `Engine` whose model runs on a server with chat completions.

    tokenizer: of the prompts.
    say: told what is left out of requests, and which replies are empty.
    chat_template_kwargs: arguments of the server's chat template, for servers that take them.
    base_url, model, api_key, concurrency, timeout, max_retries, on_written: see `OpenAIEngine`.

    Raises `UserError` when the `openai` package is missing, and from both calls when a request has finally failed, its
    answer is incomplete, or no answer of a call can be used.
    """

    def __init__(
        self,
        base_url: str | Sequence[str],
        model: str,
        tokenizer: MessageTokenizer,
        *,
        api_key: str | None = None,
        concurrency: int = 16,
        timeout: float = 600.0,
        max_retries: int = 5,
        on_written: OnWritten | None = None,
        say: Say | None = None,
        chat_template_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        self._connection = Connection(base_url, model, api_key=api_key, timeout=timeout, max_retries=max_retries)
        self._say = say or (lambda line: None)
        self._server = ChatServer(self._connection, self._say)
        self._tokenizer = tokenizer
        self._concurrency = concurrency * len(self._connection.addresses)
        self._on_written = on_written or (lambda tokens, completions: None)
        self._problems: set[str] = set()
        self._continues = True
        self._template_fields = {"chat_template_kwargs": dict(chat_template_kwargs)} if chat_template_kwargs else {}

    def generate(
        self, prompts: Sequence[TokenIds], seeds: Sequence[Sequence[int]], sampling: Sampling
    ) -> list[list[GeneratedTokens]]:
        """See `Engine.generate`; a reply that the server withholds is an empty completion."""
        check_server("openai", sampling)
        if sampling.stop_ids != (END,):
            raise self._connection.failure("ends its replies by itself, expected no other tokens that end a completion")
        settings: dict[str, Any] = {"max_tokens": sampling.max_new_tokens, "temperature": sampling.temperature}
        if sampling.temperature and sampling.top_p < 1:  # some servers refuse it where it means nothing
            settings["top_p"] = sampling.top_p
        if self._template_fields:
            settings["extra_body"] = self._template_fields
        requests = [
            {"messages": self._messages(prompt), **settings, "seed": seed}
            for prompt, of_prompt in zip(prompts, seeds, strict=True)
            for seed in of_prompt
        ]
        with ThreadPoolExecutor(self._concurrency) as pool:
            replies = list(pool.map(self._write, requests))
        self._tell_problems([reply.problem for reply in replies])
        written = iter([GeneratedTokens(self._tokenizer.encode(reply.text), reply.finish_reason) for reply in replies])
        return [[next(written) for _ in of_prompt] for of_prompt in seeds]

    def score(self, prompts: Sequence[TokenIds], candidates: Sequence[Sequence[TokenIds]]) -> list[list[list[float]]]:
        """Log probabilities of numbers as replies, each as a whole: a number's first token has all of it.

        prompts: token ids.
        candidates: token ids of numbers of one digit or two, each with the end of a reply.

        `chat_scores` says what they are. A number that the server does not show has -inf, as all have where the reply
        is withheld or no number. Raises UserError for other candidates, and for a server without log probabilities.
        """
        numbers = [[self._number(candidate) for candidate in of_prompt] for of_prompt in candidates]
        with ThreadPoolExecutor(self._concurrency) as pool:
            found = list(pool.map(self._probabilities, map(self._messages, prompts), numbers))
        self._tell_problems([None if any(scores.values()) else problem for scores, problem in found])
        return [
            [
                [math.log(scores[number]) if scores[number] else -math.inf, *([0.0] * (len(candidate) - 1))]
                for number, candidate in zip(of_prompt, given, strict=True)
            ]
            for (scores, _), of_prompt, given in zip(found, numbers, candidates, strict=True)
        ]

    def _messages(self, prompt: TokenIds) -> list[Message]:
        text, begun = self._tokenizer.message(prompt)
        if begun:
            what = f"cannot continue a reply that was begun ({begun[:40]!r}) with chat completions; {INSTEAD}"
            raise self._connection.failure(what)
        return [{"role": "user", "content": text}]

    def _write(self, request: dict[str, Any]) -> Reply:
        reply = self._server.ask(request)
        self._on_written(len(self._tokenizer.encode(reply.text)), 1)
        return reply

    def _number(self, candidate: TokenIds) -> str:
        number = self._tokenizer.decode(candidate[:-1], skip_special_tokens=True)
        if list(candidate[-1:]) != [END] or not (number.isdecimal() and len(number) < 3):
            what = (
                f"cannot score {number[:40]!r} with chat completions, which only show a reply's first tokens; {INSTEAD}"
            )
            raise self._connection.failure(what)
        return number

    def _probabilities(self, messages: list[Message], numbers: Sequence[str]) -> tuple[dict[str, float], str]:
        """The probabilities of numbers as a reply, and why all of them are 0 if they are."""
        reply = self._ask_to_score(messages, {"max_tokens": SCORE_TOKENS})
        places = places_of(reply.log_probs or ())
        if reply.problem is None and not any(place.probabilities for place in places):
            raise self._connection.failure(
                f"gives no log probabilities with chat completions, so it cannot judge; {INSTEAD}"
            )
        scores = NumberScores(places, numbers)
        if (digit := scores.open_digit) is not None:
            if (after := self._after(digit, messages, reply)) is not None:
                scores.add(digit, after)
            else:
                self._say_once(ENDED if scores.is_written(digit) else DIVIDED)
        shown = ", ".join(numbers)
        problem = reply.problem or f"shows none of {shown} as a judge's score ({reply.text[:40]!r} was replied)"
        return scores.probabilities(), problem

    def _after(self, digit: str, messages: list[Message], first: Reply) -> Place | None:
        """What follows a digit that the reply is made to begin with; None where the server cannot continue a reply."""
        if self._continues:
            begun = [*messages, {"role": "assistant", "content": digit}]
            try:
                reply = self._ask_to_score(begun, {"max_tokens": 1, "extra_body": CONTINUED})
            except RefusedRequest as refused:
                if refused.status not in (400, 422):
                    raise
            else:
                # A server that does not continue puts the end of a turn and the beginning of another after the digit.
                if (reply.prompt_tokens or 0) - (first.prompt_tokens or 0) == 1:
                    return next(iter(places_of(reply.log_probs or ())), None)
            self._continues = False
        return None

    def _ask_to_score(self, messages: list[Message], fields: dict[str, Any]) -> Reply:
        request = {"messages": messages, "temperature": 0.0, "logprobs": True, "top_logprobs": 20, **fields}
        if self._template_fields:
            request["extra_body"] = {**self._template_fields, **fields.get("extra_body", {})}
        try:
            return self._server.ask(request)
        except RefusedRequest as refused:
            if "logprobs" in (refused.parameter or refused.reason):
                raise self._connection.failure(f"refuses log probabilities, so it cannot judge; {INSTEAD}") from refused
            raise

    def _tell_problems(self, problems: Sequence[str | None]) -> None:
        """Say which replies are empty, once for each kind. Raises UserError where all are."""
        kinds = Counter(problem for problem in problems if problem is not None)
        if not kinds:
            return
        if kinds.total() == len(problems):
            most, count = kinds.most_common(1)[0]
            raise self._connection.failure(f"{most}, {count} of {len(problems)} times, and no other reply was usable")
        for problem in kinds:
            self._say_once(problem, key=problem.partition(" (")[0])

    def _say_once(self, what: str, key: str = "") -> None:
        if (key or what) not in self._problems:
            self._problems.add(key or what)
            self._say(f"note: {self._connection.failure(what)}")
