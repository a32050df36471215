"""Requests to OpenAI-compatible servers: sent to one of them, tried again, and failures told in a line."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from textwrap import shorten
from typing import Any, Literal

from penname.engines.server_pool import ServerPool
from penname.errors import UserError

Endpoint = Literal["completions", "chat"]

PATHS: dict[Endpoint, str] = {"completions": "/completions", "chat": "/chat/completions"}
"""What is appended to a server's address."""

_ADVICE = {
    400: "check that prompt and completion fit its context, and the server argument",
    401: "set OPENAI_API_KEY to a key that this server takes",
    403: "set OPENAI_API_KEY to a key that this server takes",
    404: "check the model's name, that the address ends in /v1, and the endpoint setting",
    422: "check the server argument",
    429: "lower the concurrency or raise max_retries",
}
_KEY = re.compile(r"\bsk-[\w*.-]+")


class RefusedRequest(UserError):
    """A server's answer was an error, or not what the endpoint is to answer.

    status: its HTTP status.
    reason: what the server said.
    code, parameter: what it named the error, and the field of the request that it is about; empty where it did not.
    """

    def __init__(self, message: str, status: int, reason: str = "", code: str = "", parameter: str = "") -> None:
        super().__init__(message)
        self.status, self.reason, self.code, self.parameter = status, reason, code, parameter


class Connection:
    """A model on a server, or on several.

    base_url, model, api_key, timeout, max_retries: see `penname.engines.openai.OpenAIEngine`.

    Raises UserError where the `openai` package is missing.
    """

    def __init__(
        self, base_url: str | Sequence[str], model: str, *, api_key: str | None, timeout: float, max_retries: int
    ) -> None:
        try:
            import openai
        except ImportError as error:
            raise UserError(f"this engine needs openai: pip install 'penname[openai]' ({error})") from error
        self._openai = openai
        self.addresses = [base_url] if isinstance(base_url, str) else [*base_url]
        self._key = api_key or os.environ.get("OPENAI_API_KEY") or "none"
        self._servers = ServerPool(
            self.addresses,
            max_retries,
            api_key=self._key,
            timeout=openai.Timeout(timeout, connect=min(timeout, 10.0)),
        )
        self._model = model
        self._timeout = timeout

    def request(self, endpoint: Endpoint, fields: Mapping[str, Any]) -> Any:
        """The answer of a server, which has a choice with a text (completions) or a message (chat).

        endpoint: which of the server's endpoints.
        fields: the request, without the model.

        Raises RefusedRequest for an error of the server, and UserError where none can be reached.
        """
        answer: Any
        try:
            answer = self._servers.create(endpoint, model=self._model, **fields)
        except self._openai.APIStatusError as error:
            raise self._refused(error) from error
        except self._openai.APITimeoutError as error:
            raise self.failure(f"did not answer for {self._timeout:g} s; raise timeout", error) from error
        except self._openai.APIConnectionError as error:
            raise self.failure("cannot be reached; check that it runs at this address", error) from error
        except json.JSONDecodeError:
            answer = None
        choices = getattr(answer, "choices", None)
        content = getattr(choices[0], "text" if endpoint == "completions" else "message", None) if choices else None
        if not (isinstance(content, str) if endpoint == "completions" else content):
            told = getattr(answer, "error", None)
            said = str(told.get("message") or told) if isinstance(told, Mapping) else str(told or "")
            reason = f" ({shorten(self._without_key(said), 300)})" if said else ""
            what = f"without a completion{reason}; check that it serves /v1{PATHS[endpoint]}"
            raise RefusedRequest(str(self.failure(f"answered {what}")), 200)
        return answer

    def failure(self, what: str, error: Any = None) -> UserError:
        """The error of a server.

        what: what it did.
        error: the client's error, by which the server is known; None names all servers.
        """
        addresses = [re.sub("(/chat)?/completions$", "", str(error.request.url))] if error else self.addresses
        return UserError(f"server {' or '.join(addresses)}, model {self._model!r}: {what}")

    def _refused(self, error: Any) -> RefusedRequest:
        status = error.status_code
        reason = self._without_key(error.response.text)
        advice = _ADVICE.get(status, "see the server's log")
        message = self.failure(f"answered {status}: {shorten(reason, 300)}; {advice}", error)
        body = error.body if isinstance(error.body, Mapping) else {}
        return RefusedRequest(
            str(message), status, _said(body) or reason, str(body.get("code") or ""), str(body.get("param") or "")
        )

    def _without_key(self, said: str) -> str:
        """What a server said without the key: servers repeat one that they refuse, some of them whole."""
        said = _KEY.sub("[key]", said)
        return said if self._key == "none" else said.replace(self._key, "[key]")


def _said(body: Mapping[str, Any]) -> str:
    """What an error says of the request, without the parts of it that FastAPI's errors repeat; empty if unknown."""
    details = body.get("detail")
    if isinstance(details, list):
        fields = [detail for detail in details if isinstance(detail, Mapping)]
        return "; ".join(f"{[*detail.get('loc', ())][-1:]} {detail.get('msg', '')}" for detail in fields)
    return str(body.get("message") or details or "")
