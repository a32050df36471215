"""What the server counts and measures, as Prometheus reads it: at most 200 series, and none by tenant or user."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPMethod

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from penname.serve.hanging_up import GONE

MOST_REQUESTS = 120
"""Combinations of route, method and status that are counted apart; those that come after them are counted as others."""

OTHER = "other"
_METHODS = frozenset(HTTPMethod)
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SHORT_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3)


class Metrics:
    """Counts and measures; each of its parts is thread-safe."""

    def __init__(self) -> None:
        disable_created_metrics()  # they would be as many series again
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "penname_requests", "Requests that were answered.", ["route", "method", "status"], registry=self._registry
        )
        self._known: set[tuple[str, str, str]] = set()
        self._refused = Counter(
            "penname_refused", "Requests that were refused (429).", ["reason"], registry=self._registry
        )
        self._tokens = Counter(
            "penname_tokens", "Tokens of prompts and of texts.", ["direction"], registry=self._registry
        )
        self.first_token = self._histogram("first_token", "From a request to its first token.", _SECONDS)
        self.step = self._histogram("step", "A step of an engine, which adds a token to each text.", _SHORT_SECONDS)
        self.database = self._histogram("database", "A transaction of the database.", _SHORT_SECONDS)
        ProcessCollector(registry=self._registry)

    def _histogram(self, name: str, help: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"penname_{name}_seconds", help, buckets=buckets, registry=self._registry)

    def watch_texts(self, written: Callable[[], int], waiting: Callable[[], int]) -> None:
        """Have the texts counted that are being written, and those that wait for room."""
        for name, help, count in (
            ("penname_texts_in_progress", "Texts that are being written.", written),
            ("penname_texts_waiting", "Texts that wait for room.", waiting),
        ):
            Gauge(name, help, registry=self._registry).set_function(count)

    def count_request(self, route: str | None, method: str, status: int) -> None:
        """Count a request. route: the path with the names of ids in their places; None where there is no such path."""
        labels = (OTHER, OTHER, str(status)) if route is None else (route, method, str(status))
        if method not in _METHODS:  # clients may send any word
            labels = (labels[0], OTHER, labels[2])
        if len(self._known) >= MOST_REQUESTS and labels not in self._known:
            labels = (OTHER, OTHER, OTHER)
        self._known.add(labels)
        self._requests.labels(*labels).inc()

    def count_refusal(self, reason: str) -> None:
        """Count a request that was refused. reason: the code of the error."""
        self._refused.labels(reason).inc()

    def count_tokens(self, prompt: int, completion: int) -> None:
        """Count the tokens of a request."""
        self._tokens.labels("in").inc(prompt)
        self._tokens.labels("out").inc(completion)

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self._registry)


class CountsRequests:
    """Counts each request by its route, method and status, whatever its path says."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = GONE

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception:
            status = 500
            raise
        finally:
            route = scope.get("route")
            self._metrics.count_request(getattr(route, "path", None), scope["method"], status)
