"""Which endpoint of a server to use, found by asking it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penname.engines.chat_server import ChatServer, Say
from penname.engines.connection import Connection, Endpoint, RefusedRequest

NOT_THERE = (200, 400, 404, 405, 410, 422, 501)
"""Statuses with which servers answer that have no text completions, or none with this model."""

WORD, LONGEST_WORD = "Hi", 4
"""A prompt, and the number of tokens that it has at most, a beginning-of-text token included."""

TYPICAL = {"max_tokens": 16, "temperature": 0.7, "top_p": 0.95, "seed": 0}
"""Fields of later requests: what the server does not take of them is said at once."""


@dataclass(frozen=True)
class FoundEndpoint:
    """The endpoint to use, and why."""

    endpoint: Endpoint
    why: str


def find_endpoint(
    base_url: str | Sequence[str],
    model: str,
    say: Say,
    *,
    api_key: str | None = None,
    timeout: float = 600.0,
    max_retries: int = 5,
) -> FoundEndpoint:
    """Find out whether a server completes texts; otherwise it is used through its chat completions.

    say: told what the server does not take of chat requests.
    base_url, model, api_key, timeout, max_retries: see `OpenAIEngine`.

    Some servers, Ollama for one, put a chat template around a text to complete. The prompts that they are sent would
    have two, so they count as servers without text completions. Raises UserError where neither endpoint answers.
    """
    connection = Connection(base_url, model, api_key=api_key, timeout=timeout, max_retries=max_retries)
    try:
        answer = connection.request("completions", {"prompt": WORD, "max_tokens": 1})
    except RefusedRequest as refused:
        if refused.status not in NOT_THERE:
            raise
        answered = "without a completion" if refused.status == 200 else str(refused.status)
        why = f"its /completions answered {answered}"
    else:
        counted = answer.usage.prompt_tokens if answer.usage else None
        if not counted or counted <= LONGEST_WORD:
            return FoundEndpoint("completions", "it completes texts")
        why = f"its /completions puts a chat template around texts ({WORD!r} was {counted} tokens)"
    ChatServer(connection, say).ask({"messages": [{"role": "user", "content": WORD}], **TYPICAL})
    return FoundEndpoint("chat", why)
