"""What a request may be like before anything looks at it: its headers, and how large and how slow its body."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from penname.serve.access import Caller
from penname.serve.errors import ApiError

MOST_BYTES = 32 * 2**20
"""Largest body of a request."""

MOST_IN_HEADERS = 64 * 2**10
"""Largest size of a request's headers."""

MOST_HELD = 8 * MOST_BYTES
"""Largest size together of the bodies of requests that are not answered yet; half of it for those of one sender."""

SECONDS_FOR_BODY = 60.0

ONCE = (b"authorization", b"content-length", b"content-type", b"host", b"x-openwebui-user-id", b"x-penname-user")
"""Headers of which another server on the way could take another one."""


class Limits:
    """Receives a request's body as a whole, and refuses what is too large or too slow, or could be read in two ways.

    most_bytes: largest body of a request.
    most_held: see `MOST_HELD`.
    seconds: how long a body may take.
    on_refused: told the code of the error where a sender is to come later.
    """

    def __init__(
        self,
        app: ASGIApp,
        most_bytes: int = MOST_BYTES,
        most_held: int = MOST_HELD,
        seconds: float = SECONDS_FOR_BODY,
        on_refused: Callable[[str], None] = lambda code: None,
    ) -> None:
        self._app = app
        self._most_bytes = most_bytes
        self._most_held = most_held
        self._seconds = seconds
        self._on_refused = on_refused
        self._held: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        held: Counter[str] = Counter()
        try:
            await self._answer(scope, receive, send, held)
        finally:
            self._held -= held

    async def _answer(self, scope: Scope, receive: Receive, send: Send, held: Counter[str]) -> None:
        """Receive the body and have the request answered. held: is told how much of whose was received."""
        try:
            self._check_headers(scope)
            body = await self._body(receive, _sender(scope), held)
            _check_encoding(scope, body or b"")
        except ApiError as error:
            if error.status == 429:
                self._on_refused(error.code)
            await error.answer(close=True)(scope, receive, send)
            return
        if body is None:
            return
        received: Message | None = {"type": "http.request", "body": body, "more_body": False}

        async def whole() -> Message:
            nonlocal received
            message, received = received, None
            return message or await receive()

        await self._app(scope, whole, send)

    def _check_headers(self, scope: Scope) -> None:
        """Raise ApiError for headers that contradict each other, and for a body that is too large."""
        if sum(len(name) + len(value) for name, value in scope["headers"]) > MOST_IN_HEADERS:
            raise ApiError(431, f"expected headers of at most {MOST_IN_HEADERS} bytes", "too_large")
        found = Counter(name for name, _ in scope["headers"])
        for name in ONCE:
            if found[name] > 1:
                raise ApiError(
                    400, f"found the header {name.decode()} {found[name]} times, expected it once", "invalid_header"
                )
        if found[b"transfer-encoding"] and found[b"content-length"]:
            raise ApiError(400, "found content-length and transfer-encoding, expected one of them", "invalid_header")
        headers = dict(scope["headers"])
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            problem = "found the header content-encoding, expected a body that is not compressed"
            raise ApiError(415, problem, "unsupported_media_type", "content-encoding")
        if int(headers.get(b"content-length", b"0")) > self._most_bytes:
            raise self._too_large()

    async def _body(self, receive: Receive, sender: str, held: Counter[str]) -> bytes | None:
        """The body; None where the client hangs up. Raises ApiError."""
        parts: list[bytes] = []
        try:
            with anyio.fail_after(self._seconds):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    part, more = message.get("body", b""), message.get("more_body", False)
                    parts.append(part)
                    held[sender] += len(part)
                    self._held[sender] += len(part)
                    if held[sender] > self._most_bytes:
                        raise self._too_large()
                    self._check_room(sender)
        except TimeoutError:
            problem = f"expected the whole body within {self._seconds:g} s"
            raise ApiError(408, problem, "request_timeout") from None
        return b"".join(parts)

    def _check_room(self, sender: str) -> None:
        """Raise ApiError where too much is held: 429 where it comes from one sender, 503 from all."""
        if self._held[sender] > self._most_held / 2:
            problem = "too many large requests at once, expected some of them later"
            raise ApiError(429, problem, "server_busy", retry_after=5)
        if self._held.total() > self._most_held:
            raise ApiError(503, "too many large requests at once", "server_busy", retry_after=5)

    def _too_large(self) -> ApiError:
        return ApiError(413, f"expected a body of at most {self._most_bytes} bytes", "too_large")


def _sender(scope: Scope) -> str:
    """Who sends a request: its key's tenant, or without a key its address."""
    caller: Caller | None = scope.get("state", {}).get("caller")
    if caller is not None and caller.key is not None:
        return f"tenant {caller.tenant}"
    return f"address {(scope.get('client') or ('',))[0]}"


def _check_encoding(scope: Scope, body: bytes) -> None:
    """Raise ApiError for a body of JSON in another encoding, which others on the way could read otherwise."""
    if b"json" not in dict(scope["headers"]).get(b"content-type", b"").lower():
        return
    found: str = json.detect_encoding(body)
    try:
        if found.startswith("utf-8"):
            body.decode()
            return
    except UnicodeDecodeError:
        found = "another encoding"
    raise ApiError(400, f"body: found {found}, expected UTF-8", "invalid_value", "body")
