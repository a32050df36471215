"""Chat completions of servers that differ in the fields they take: what one refuses is left out or renamed, and said.

Each rule is for refusals that name the field, as servers word them; any other error is an error. `n` and `logit_bias`
are never sent, and no stop strings are: a chat server ends its reply where the model's turn ends.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from penname.engines.base import FinishReason
from penname.engines.connection import Connection, RefusedRequest
from penname.thoughts import without_thoughts

Say = Callable[[str], object]
"""Called with a line on something that happens by itself."""

LIMIT, NEW_LIMIT = "max_tokens", "max_completion_tokens"

DROPPABLE = {
    "seed": "seeds are not sent: another run gets other texts",
    "top_p": "top_p is not sent: the server uses its own",
    "temperature": "the temperature is not sent: the server uses its own",
}
"""Fields that are left out where a server refuses them, in the order in which one is taken, with what to say."""

FEWER_TOP_LOG_PROBS = {20: 8, 8: 5}
"""Numbers of log probabilities a token that are tried where a server refuses as many."""

WITHHELD = ("content_filter", "invalid_prompt", "content_policy_violation")
"""Codes of errors about the content of a single prompt."""

_NOT_SUPPORTED = re.compile(
    r"unsupported|not support|unrecogni[sz]ed|unknown|unexpected|not (?:currently )?(?:permitted|allowed|available)"
    r"|extra (?:inputs|fields)|deprecated|cannot|can't|only the default|incompatible|not compatible",
    re.IGNORECASE,
)
_FINISHED: Mapping[str, FinishReason] = {
    **dict.fromkeys(("stop", "eos", "eos_token", "end_turn", "stop_sequence"), "stop"),
    **dict.fromkeys(("length", "max_tokens"), "length"),
}

_OUTPUT_LIMIT = "output limit was reached"
"""OpenAI's words where a model has reasoned up to the limit."""


@dataclass(frozen=True)
class Reply:
    """A server's reply.

    text: its content, without the model's own reasoning; empty where there is none.
    finish_reason: why it ended.
    log_probs: those of its tokens, as the client has them; None where the server gives none.
    prompt_tokens: the length of the prompt as the server counts; None where it does not say.
    problem: why there is no content, such as a content filter; None where there is.
    """

    text: str
    finish_reason: FinishReason
    log_probs: list[Any] | None = None
    prompt_tokens: int | None = None
    problem: str | None = None


class ChatServer:
    """The chat completions of a model on a server.

    connection: to the server.
    say: told what is left out of requests.
    """

    def __init__(self, connection: Connection, say: Say) -> None:
        self._connection = connection
        self._say = say
        self._new_limit = False
        self._dropped: set[str] = set()
        self._top_log_probs = max(FEWER_TOP_LOG_PROBS)

    def ask(self, fields: Mapping[str, Any]) -> Reply:
        """The reply to a request, some of whose fields are left out where the server refuses them.

        fields: the request, without the model.

        Raises RefusedRequest, and UserError for a reply that is incomplete.
        """
        while True:
            sent = self._adapted(fields)
            try:
                return self._read(self._connection.request("chat", sent), sent)
            except RefusedRequest as refused:
                if refused.code in WITHHELD:
                    return Reply("", "stop", problem=f"refused the prompt ({refused.code})")
                if _OUTPUT_LIMIT in refused.reason:
                    return Reply("", "length", problem=_spent(sent, "on reasoning of its own"))
                if not self._adapt(sent, refused):
                    raise

    def _adapted(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        sent = {name: value for name, value in fields.items() if name not in self._dropped}
        if self._new_limit:
            sent[NEW_LIMIT] = sent.pop(LIMIT)
        if "top_logprobs" in sent:
            sent["top_logprobs"] = self._top_log_probs
        return sent

    def _adapt(self, sent: Mapping[str, Any], refused: RefusedRequest) -> bool:
        """Change what is sent from now on; returns whether that may help. Several threads may come here at once."""
        if refused.status not in (400, 422):
            return False
        if LIMIT in sent and NEW_LIMIT in refused.reason:
            self._new_limit = True
            return True
        if refused.parameter == "top_logprobs" or "top_logprobs" in refused.reason:
            fewer = FEWER_TOP_LOG_PROBS.get(sent.get("top_logprobs", 0))
            self._top_log_probs = min(self._top_log_probs, fewer or self._top_log_probs)
            return fewer is not None
        if not _NOT_SUPPORTED.search(refused.reason):
            return False
        named = [refused.parameter, *(name for name in DROPPABLE if re.search(rf"\b{name}\b", refused.reason))]
        field = next((name for name in named if name in DROPPABLE and name in sent), None)
        if field is None:
            return False
        if field not in self._dropped:
            self._dropped.add(field)
            self._say(f"note: {self._connection.failure(f'does not take {field}; {DROPPABLE[field]}')}")
        return True

    def _read(self, answer: Any, sent: Mapping[str, Any]) -> Reply:
        choice, limit = answer.choices[0], sent.get(LIMIT, sent.get(NEW_LIMIT))
        message, usage = choice.message, answer.usage
        content = _content(message.content)
        if choice.finish_reason == "content_filter":
            return Reply("", "stop", problem="withheld a reply (content_filter)")
        if refusal := getattr(message, "refusal", None):
            return Reply("", "stop", problem=f"refused to reply ({str(refusal)[:80]})")
        finish_reason = _FINISHED.get(choice.finish_reason)
        if finish_reason is None:
            raise self._connection.failure(f"ended a reply with {choice.finish_reason!r}, not 'stop' or 'length'")
        text = without_thoughts(content)
        beside = getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None)
        thought = bool(beside) or text != content
        generated = usage.completion_tokens if usage else None
        if finish_reason == "length" and not text:
            # Hidden reasoning counts as part of the completion.
            thinking = "on reasoning of its own" if thought or _hidden_reasoning(usage) else "without a word"
            return Reply("", "length", problem=_spent(sent, thinking))
        if finish_reason == "length" and generated and limit and generated < limit:
            raise self._connection.failure(
                f"truncated a reply at {generated} of {limit} tokens, where its context or its own limit is reached"
            )
        log_probs = choice.logprobs.content if choice.logprobs else None
        problem = None if text else "replied with nothing"
        return Reply(text, finish_reason, log_probs, usage.prompt_tokens if usage else None, problem)


def _content(content: Any) -> str:
    """The content of a message as text; some reasoning models' is a list of parts."""
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, Mapping) and part.get("type") == "text"]
        return "".join(str(part.get("text", "")) for part in parts)
    return content if isinstance(content, str) else ""


def _spent(sent: Mapping[str, Any], how: str) -> str:
    limit = sent.get(LIMIT, sent.get(NEW_LIMIT))
    return f"spent all tokens of a reply {how} ({limit}); raise the limit, or take a model that does not reason"


def _hidden_reasoning(usage: Any) -> int:
    details = getattr(usage, "completion_tokens_details", None)
    return getattr(details, "reasoning_tokens", None) or 0
