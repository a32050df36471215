"""Servers that tests start: in this process, where their state can be looked at, or as the command starts them."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from penname.serve.access import LOCAL_TENANT
from penname.serve.app import make_app
from penname.serve.methods import Methods
from penname.serve.store.store import Store

MODEL_FACTS = {
    "format": "chat",
    "templates": {},
    "prompt": {"max_input_tokens": 300, "max_output_tokens": 60, "max_reasoning_tokens": 40},
    "retrieval": {"retriever": "bm25", "k": 2},
    "evaluation": {"temperature": 0.1, "top_p": 0.95},
}


def with_facts(model: Path, folder: Path, *, with_reasoning: bool) -> Path:
    """A copy of a model with what penname writes beside those that it trained."""
    folder.mkdir()
    for file in model.iterdir():
        (folder / file.name).symlink_to(file)
    (folder / "penname.json").unlink(missing_ok=True)
    (folder / "penname.json").write_text(json.dumps({**MODEL_FACTS, "with_reasoning": with_reasoning}))
    return folder


@dataclass
class Answer:
    """An answer of a server."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Server:
    """A running server: its address, and its application where it is in this process."""

    port: int
    app: FastAPI | None = None
    process: subprocess.Popen[str] | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def state(self) -> Any:
        assert self.app is not None
        return self.app.state.penname

    @property
    def engine(self) -> Any:
        """The live engine of its default method."""
        return self.state.methods.get(None).backend.engine

    def ask(self, method: str, path: str, body: Any = None, key: str | None = None, **headers: str) -> Answer:
        """Send a request; a body is sent as JSON unless it is bytes."""
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **self.headers, **headers}
        if key is not None:
            sent["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(self.url + path, data, sent, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Answer(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, dict(error.headers), error.read())

    def write(self, user: str | None, prompt: str = "Write about rain.", key: str | None = None, **more: Any) -> Any:
        """The response to a prompt: as a whole, or the events of a stream."""
        model = "penname" if user is None else f"penname/{user}"
        body = {"model": model, "messages": [{"role": "user", "content": prompt}], **more}
        answer = self.ask("POST", "/v1/chat/completions", body, key)
        if answer.status != 200 or not more.get("stream"):
            return answer
        events = [line.removeprefix("data: ") for line in answer.body.decode().split("\n\n") if line]
        assert events.pop() == "[DONE]"
        return [json.loads(event) for event in events]


@contextlib.contextmanager
def in_this_process(
    store: Store, model: Path, *, key_required: bool = False, rows: int = 4, longest_wait: float = 60
) -> Iterator[Server]:
    """A server in a thread of this process."""
    store.put_tenant(LOCAL_TENANT)
    app = make_app(store, lambda: Methods(str(model), (), rows), key_required=key_required, longest_wait=longest_wait)
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", 0, log_level="warning", server_header=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield Server(port, app)
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


@contextlib.contextmanager
def as_command(model: Path, database: str, *options: str, log: Path | None = None) -> Iterator[Server]:
    """A server in a process of its own, started by `penname serve`. log: the file of what it prints."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", "from penname.cli.app import main; main()", "serve", str(model)]
    command += ["--db", database, "--port", str(port), *options]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    output = subprocess.PIPE if log is None else log.open("w")
    process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, text=True, env=environment)
    server = Server(port, process=process)
    try:
        wait_until(lambda: process.poll() is not None or listens(port), 60)
        assert process.poll() is None, process.stdout.read() if process.stdout else ""
        yield server
    finally:
        process.kill()
        process.wait()


def listens(port: int) -> bool:
    """Whether something listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(true: Any, seconds: float = 30) -> None:
    """Wait until `true()`; an AssertionError after so many seconds."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
