"""Generation and scoring on any OpenAI-compatible server, through its `/v1/completions`.

Engines work on token ids, but most servers on text; how closely a server can follow depends on its kind:

============== ==================================== ================================ ==================
`server`       prompt and completion                sampling and stopping            `score`
============== ==================================== ================================ ==================
"vllm"         token ids both ways, exact           exact                            yes
"transformers" text (`transformers serve`)          exact, one sampled request       no: the server has
                                                    at a time                        no log probabilities
"openai"       text                                 the fields every server knows;   if the server echoes
                                                    it also stops at its own         log probabilities
                                                    end-of-text token
============== ==================================== ================================ ==================

top_k and min_p are sent to "vllm" and "transformers" only. repetition_penalty and no_repeat_ngram are sent to none:
servers either lack them or apply them to the prompt's tokens too, which would penalize users' own phrases
(`check_server`).

As text, a prompt is what its ids decode to, special tokens and chat template included, and the server tokenizes it
again, so a control token whose letters a user wrote gets a zero-width space behind the first of them. A completion is
tokenized here, without the special tokens that servers leave out of text. `/v1/chat/completions` would apply a chat
template to prompts that already are rendered: `penname.engines.openai_chat` is for servers that have nothing else.

Measured with vLLM 0.32 on a CPU (float32, SmolLM2-135M): greedy ids equal `model.generate`'s, scores are within 3e-5 of
a plain forward pass. Measured with `transformers serve` 5.23: greedy ids equal; without `server="transformers"` it
accepts a temperature but decodes greedily.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal

from penname.control_tokens import ControlTokens
from penname.engines.base import NEUTRAL, GeneratedTokens, OnWritten, Sampling, TokenIds
from penname.engines.connection import Connection
from penname.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Server = Literal["openai", "vllm", "transformers"]

_SUPPORTED_SETTINGS: dict[Server, tuple[str, ...]] = {
    "openai": (),
    "vllm": ("top_k", "min_p"),
    "transformers": ("top_k", "min_p"),
}
BREAK = "\u200b"
"""The zero-width space, behind which a control token's letters are no control token."""

_NO_LOG_PROBS = (
    "answered without log probabilities, so it cannot score; "
    "use a vLLM server with server='vllm', or an engine on this machine"
)


def check_server(server: Server, sampling: Sampling) -> None:
    """Raise UserError naming the first setting that is in use but not supported by the server.

    server: kind of the server, see the module's table.
    sampling: its settings in `NEUTRAL` are checked.
    """
    for name, neutral in NEUTRAL.items():
        value = getattr(sampling, name)
        if value != neutral and name not in _SUPPORTED_SETTINGS[server]:
            raise UserError(
                f"decoding.{name}: found {value}, expected {neutral}: server {server!r} does not support it; "
                "the engines local and vllm can"
            )


class OpenAIEngine:
    """An `Engine` whose model runs on a server.

    base_url: the address that `/completions` is appended to, such as ``http://localhost:8000/v1``; or several, of
        servers of the same model, among which requests are divided, see `ServerPool`.
    model: the name the server knows the model by.
    tokenizer: the served model's own tokenizer.
    server: which fields beyond OpenAI's the server understands; see the module's table.
    api_key: by default the environment's OPENAI_API_KEY; a server without keys needs none.
    concurrency: requests in flight at once at each address; each sample and each candidate is one request.
    timeout: seconds that the server may stay silent on one request before it counts as failed.
    max_retries: further tries after a broken connection, a time-out, a 429 or a 5xx, with waits that double
        from 0.5 to 8 seconds unless the server names one.
    on_written: progress callback, see `OnWritten`.

    Raises `UserError` when the `openai` package is missing, and from both calls when a request has finally failed or
    its answer is incomplete.
    """

    def __init__(
        self,
        base_url: str | Sequence[str],
        model: str,
        tokenizer: PreTrainedTokenizerBase,
        *,
        server: Server = "openai",
        api_key: str | None = None,
        concurrency: int = 16,
        timeout: float = 600.0,
        max_retries: int = 5,
        on_written: OnWritten | None = None,
    ) -> None:
        self._connection = Connection(base_url, model, api_key=api_key, timeout=timeout, max_retries=max_retries)
        self._tokenizer = tokenizer
        self._control_tokens = ControlTokens(tokenizer)
        self._server = server
        self._concurrency = concurrency * len(self._connection.addresses)
        self._on_written = on_written or (lambda tokens, completions: None)

    def generate(
        self, prompts: Sequence[TokenIds], seeds: Sequence[Sequence[int]], sampling: Sampling
    ) -> list[list[GeneratedTokens]]:
        """See `Engine.generate`."""
        check_server(self._server, sampling)
        requests = [
            self._generation_request(prompt, seed, sampling)
            for prompt, of_prompt in zip(prompts, seeds, strict=True)
            for seed in of_prompt
        ]
        # transformers serve has one random generator for all requests in flight.
        sequential = self._server == "transformers" and sampling.temperature > 0
        answers = iter(self._complete_all(requests, 1 if sequential else self._concurrency))
        return [[self._generated(next(answers), sampling) for _ in of_prompt] for of_prompt in seeds]

    def score(self, prompts: Sequence[TokenIds], candidates: Sequence[Sequence[TokenIds]]) -> list[list[list[float]]]:
        """See `Engine.score`; raises `UserError` when the server does not echo log probabilities."""
        pairs = [
            (prompt, candidate)
            for prompt, of_prompt in zip(prompts, candidates, strict=True)
            for candidate in of_prompt
        ]
        requests = [self._score_request([*prompt, *candidate]) for prompt, candidate in pairs]
        answers = self._complete_all(requests, self._concurrency)
        scores = (
            self._candidate_log_probs(answer.choices[0], prompt, candidate)
            for answer, (prompt, candidate) in zip(answers, pairs, strict=True)
        )
        return [[next(scores) for _ in of_prompt] for of_prompt in candidates]

    def _generation_request(self, prompt: TokenIds, seed: int, sampling: Sampling) -> dict[str, Any]:
        request: dict[str, Any] = {
            "prompt": list(prompt) if self._server == "vllm" else self._text(prompt),
            "max_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": seed,
        }
        stop_ids = list(sampling.stop_ids)
        # Both servers take what a request leaves unset from the model's generation_config.json.
        settings = {"top_k": sampling.top_k, "min_p": sampling.min_p, "repetition_penalty": 1.0}
        if self._server == "vllm":
            ids = {"stop_token_ids": stop_ids, "ignore_eos": True, "return_token_ids": True}
            request["extra_body"] = {**settings, **ids}
        elif self._server == "transformers":
            stopping = {"eos_token_id": stop_ids or [-1]}
            do_sample = {"do_sample": sampling.temperature > 0}
            request["extra_body"] = {"generation_config": json.dumps({**settings, **stopping, **do_sample})}
        elif stop_ids:
            request["stop"] = [self._tokenizer.decode([i], skip_special_tokens=False) for i in stop_ids]
        return request

    def _score_request(self, tokens: TokenIds) -> dict[str, Any]:
        # One new token, because servers treat none differently; it is dropped.
        request: dict[str, Any] = {"max_tokens": 1, "temperature": 1.0, "echo": True, "logprobs": 1}
        if self._server == "vllm":
            return {**request, "prompt": list(tokens), "extra_body": {"return_tokens_as_token_ids": True}}
        text = self._text(tokens)
        if self._tokenizer(text).input_ids != list(tokens):
            raise UserError(
                "a prompt and candidate, joined as text, are tokenized differently, so a server that takes text "
                "cannot score them; use a vLLM server with server='vllm'"
            )
        return {**request, "prompt": text}

    def _text(self, tokens: TokenIds) -> str:
        tokenizer = self._tokenizer
        # A tokenizer that prepends a beginning-of-text token does so on the server too.
        if list(tokens[:1]) == [tokenizer.bos_token_id] == tokenizer("").input_ids[:1]:
            tokens = tokens[1:]
        text = self._decode(tokens)
        obeyed = [token in self._control_tokens.strings for token in tokens]
        if len(self._control_tokens.places(text)) <= sum(obeyed):
            return text
        # A user's text has a control token's letters. As text the server would obey them, so they are broken up.
        runs = groupby(zip(tokens, obeyed, strict=True), key=itemgetter(1))
        parts = ((self._decode([token for token, _ in run]), control) for control, run in runs)
        return "".join(part if control else BREAK.join(self._control_tokens.pieces(part)) for part, control in parts)

    def _decode(self, tokens: TokenIds) -> str:
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=False, clean_up_tokenization_spaces=False))

    def _complete_all(self, requests: list[dict[str, Any]], workers: int) -> list[Any]:
        """The answers in the order of the requests; each has a choice with a text."""
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(self._complete, requests))

    def _complete(self, request: dict[str, Any]) -> Any:
        return self._connection.request("completions", request)

    def _generated(self, answer: Any, sampling: Sampling) -> GeneratedTokens:
        choice, limit = answer.choices[0], sampling.max_new_tokens
        generated = answer.usage.completion_tokens if answer.usage else limit
        # vLLM's server, for one, ends a completion at the end of its context and calls that "length" too.
        if choice.finish_reason == "length" and generated < limit:
            raise self._connection.failure(
                f"truncated a completion at {generated} of {limit} tokens, where its context is full"
            )
        if choice.finish_reason not in ("stop", "length"):
            raise self._connection.failure(f"ended a completion with {choice.finish_reason!r}, not 'stop' or 'length'")
        tokens = self._completion_tokens(choice)
        self._on_written(len(tokens), 1)
        end = next((i for i, token in enumerate(tokens) if token in sampling.stop_ids), None)
        return GeneratedTokens(tokens[:end], choice.finish_reason if end is None else "stop")

    def _completion_tokens(self, choice: Any) -> list[int]:
        if self._server != "vllm":
            return list(self._tokenizer(choice.text, add_special_tokens=False).input_ids)
        tokens = getattr(choice, "token_ids", None)
        if tokens is None:
            raise self._connection.failure("answered without token ids; use vLLM 0.19 or newer, or server='openai'")
        return list(tokens)

    def _candidate_log_probs(self, choice: Any, prompt: TokenIds, candidate: TokenIds) -> list[float]:
        """The candidate's log probabilities, out of those of prompt, candidate and one new token."""
        start, end = len(prompt), len(prompt) + len(candidate)
        log_probs: list[float] | None = choice.logprobs and choice.logprobs.token_logprobs
        if not log_probs:
            raise self._connection.failure(_NO_LOG_PROBS)
        if len(log_probs) not in (end, end + 1):
            raise self._connection.failure(f"echoed {len(log_probs)} log probabilities, expected {end} or {end + 1}")
        names = [f"token_id:{token}" for token in candidate]
        if self._server == "vllm" and choice.logprobs.tokens[start:end] != names:
            raise self._connection.failure("echoed other tokens than the candidate's")
        if None in log_probs[start:end]:
            raise self._connection.failure("answered without the log probability of one of the candidate's tokens")
        return log_probs[start:end]
