"""A real studio for tests: the server and its pages in a thread of this process, with tiny models."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.serve.serving import METHODS, Answer, in_thread

from penname.serve.access import LOCAL_TENANT
from penname.serve.app import make_app
from penname.serve.connections import Connection
from penname.serve.methods import Methods
from penname.serve.store.store import Store
from penname.studio.app import with_studio
from penname.studio.session import Session


@dataclass
class Studio:
    """A studio that runs.

    store: has its users, who are the tenant `LOCAL_TENANT`'s.
    runs: its folder of runs.
    app: the server's application.
    pages: the state of the pages' application.
    """

    port: int
    store: Store
    runs: Path
    session: Session
    app: Any = field(repr=False)
    pages: Any = field(repr=False)

    @property
    def url(self) -> str:
        """Where its pages are."""
        return f"http://127.0.0.1:{self.port}/studio"

    def enter(self, browser: Any, path: str = "") -> None:
        """Open a page in a browser that is let in."""
        browser.get(f"{self.url}{path}?token={self.session.token}")

    def ask(
        self,
        method: str,
        path: str,
        form: dict[str, Any] | None = None,
        *,
        content: bytes | None = None,
        **headers: str | None,
    ) -> Answer:
        """Send a request as one of the pages does. headers: in addition, with _ for -; None for those to leave out."""
        sent: dict[str, str | None] = {
            "Cookie": f"penname-studio-{self.port}={self.session.cookie}",
            "X-Penname-Studio": self.session.csrf,
            "HX-Request": "true",
        }
        if form is not None:
            content, sent["Content-Type"] = urlencode(form, doseq=True).encode(), "application/x-www-form-urlencoded"
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, f"/studio{path}", content, {k: v for k, v in sent.items() if v is not None})
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()


@contextmanager
def running_studio(store: Store, model: Path, runs: Path, port: int = 0) -> Iterator[Studio]:
    """A studio of a run's methods. port: where it listens; 0 for a free one."""
    store.put_tenant(LOCAL_TENANT)
    app = make_app(store, lambda: Methods(model, METHODS, rows=4), key_required=False, longest_wait=60)
    session = Session(runs)
    both = with_studio(app, runs, session)
    with in_thread(both, http=Connection, ws="none", port=port) as port:
        yield Studio(port, store, runs, session, app, both.state)
