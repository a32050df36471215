"""What a vLLM server can do, asked before it is used: its models, and whether it discourages repetition."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from penname.engines.base import NEUTRAL, Sampling
from penname.errors import ArgumentError, UserError

PROCESSOR = "penname.engines.vllm_repetition:RepetitionProcessor"

LONGEST_SILENCE = 60.0
"""Seconds that a server may send nothing for before a request to it counts as failed."""


@dataclass(frozen=True)
class VLLMModel:
    """A model on a vLLM server.

    address: the server's, ending in /v1.
    name: what the server calls it.
    max_length: the longest prompt and completion together, in tokens; None where the server does not say.
    discourages_repetition: whether the server has penname's processor of repetition.
    """

    address: str
    name: str
    max_length: int | None
    discourages_repetition: bool

    def check(self, sampling: Sampling) -> None:
        """Raise ArgumentError naming the first setting that is in use but not supported by the server."""
        for name in () if self.discourages_repetition else ("repetition_penalty", "no_repeat_ngram"):
            found, neutral = getattr(sampling, name), NEUTRAL[name]
            if found != neutral:
                start = f"the engine's server started with `--logits-processors {PROCESSOR}`"
                raise ArgumentError(name, f"found {found}, expected {neutral}, or {start}")

    def __str__(self) -> str:
        limit = "" if self.max_length is None else f", at most {self.max_length} tokens"
        repetition = "" if self.discourages_repetition else ", without penname's processor of repetition"
        return f"{self.name} at {self.address}{limit}{repetition}"


def client_options(address: str) -> dict[str, Any]:
    """How `openai`'s clients reach a server. Raises UserError where the package is missing."""
    try:
        import openai
    except ImportError as error:
        raise UserError(f"an engine elsewhere needs openai: pip install 'penname[openai]' ({error})") from error
    key = os.environ.get("OPENAI_API_KEY") or "none"
    return {"base_url": address, "api_key": key, "timeout": openai.Timeout(LONGEST_SILENCE, connect=10.0)}


def find_models(address: str, methods: Mapping[str, str]) -> dict[str, VLLMModel]:
    """The models of methods on a vLLM server.

    address: the server's, ending in /v1.
    methods: the folder or name of each method's model.

    A model is known by its folder or name, by the name of its method, or as the only one there is for the only method.
    Raises UserError where the server cannot be reached, lacks a model, or does not work with token ids.
    """
    import openai

    with openai.OpenAI(**client_options(address)) as client, _one_line_errors(address):
        served = {str(card.id): card.model_dump() for card in client.models.list()}
        found = {method: _name(address, method, model, methods, served) for method, model in methods.items()}
        return {
            method: VLLMModel(address, name, served[name].get("max_model_len"), _discourages_repetition(client, name))
            for method, name in found.items()
        }


def _name(address: str, method: str, model: str, methods: Mapping[str, str], served: Mapping[str, Any]) -> str:
    """What the server calls a method's model."""
    for name, card in served.items():
        if model in (name, card.get("root")) or name == method:
            return name
    if len(methods) == len(served) == 1:
        return next(iter(served))
    models = ", ".join(served) or "none"
    raise ArgumentError(
        "engine", f"{address} has the models {models}; for {method}, expected one of the name {method} or {model}"
    )


def _discourages_repetition(client: Any, name: str) -> bool:
    """Whether a server heeds that no token may occur twice, where one is by far the most likely."""
    likely = 5
    answer = client.completions.create(
        model=name,
        prompt=[likely],
        max_tokens=2,
        temperature=0.0,
        logit_bias={str(likely): 100},
        extra_body={
            "ignore_eos": True,
            "return_token_ids": True,
            "cache_salt": "penname",
            "vllm_xargs": {"no_repeat_ngram": 1, "repetition_penalty": 1.0},
        },
    )
    tokens = getattr(answer.choices[0], "token_ids", None)
    if tokens is None:
        raise ArgumentError("engine", "the server answered without token ids, expected vLLM 0.19 or newer")
    return list(tokens) != [likely, likely]


@contextmanager
def _one_line_errors(address: str) -> Iterator[None]:
    """Errors of a server as a UserError of one line."""
    import openai

    try:
        yield
    except openai.APIStatusError as error:
        advice = {401: "set OPENAI_API_KEY to a key that it takes", 404: "check that the address ends in /v1"}
        what = advice.get(error.status_code, "see its log")
        raise ArgumentError("engine", f"{address} answered {error.status_code}; {what}") from error
    except openai.OpenAIError as error:
        problem = f"{address} cannot be reached ({type(error).__name__}); expected the address of a vLLM server"
        raise ArgumentError("engine", problem) from error
