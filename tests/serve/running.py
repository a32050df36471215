"""Servers that tests start: in this process, where their state can be looked at, or as the command starts them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.engines.servers import free_port
from tests.serve.serving import Answer, Client, serving

from penname.serve.access import LOCAL_TENANT
from penname.serve.server import ServerSettings, serve
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
class Server(Client):
    """A running server. process: that of its command; None where it is in this process."""

    process: subprocess.Popen[str] | None = None

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

    def tokens_written(self) -> float:
        """The number of tokens that it has written so far."""
        lines = re.findall(r'penname_tokens_total\{direction="out"\} (\S+)', self.ask("GET", "/metrics").body.decode())
        return float(lines[0]) if lines else 0

    def ask(self, method: str, path: str, body: Any = None, key: str | None = None, **headers: str) -> Answer:
        """Send a request; a body is sent as JSON."""
        return Client(self.port, key)(method, path, body, headers=headers)

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
    started = serving(store, model, key_required=key_required, methods=(), rows=rows, longest_wait=longest_wait)
    with started as client:
        yield Server(client.port, app=client.app)


@contextlib.contextmanager
def running(run: Path, database: str, **changes: Any) -> Iterator[str]:
    """A server as the command starts it, in a thread that ends with the tests; yields its address."""
    port = free_port()
    defaults = {"methods": ("sft",), "user_keys": None, "host": "127.0.0.1", "rows": 8, "longest_wait": 60.0}
    settings = ServerSettings(model=str(run), database=database, port=port, **{**defaults, **changes})
    failures: list[BaseException] = []
    threading.Thread(target=_serve, args=(settings, failures), daemon=True).start()
    wait_until(lambda: failures or listens(port), 60)
    if failures:
        raise failures[0]
    yield f"http://127.0.0.1:{port}"


def _serve(settings: ServerSettings, failures: list[BaseException]) -> None:
    try:
        serve(settings)
    except BaseException as error:
        failures.append(error)


@contextlib.contextmanager
def as_command(model: Path, database: str, *options: str, log: Path | None = None) -> Iterator[Server]:
    """A server in a process of its own, started by `penname serve`. log: the file of what it prints."""
    port = free_port()
    command = [sys.executable, "-c", "from penname.cli.app import main; main()", "serve", str(model)]
    # A machine that is busy with other tests is no reason to refuse a request.
    command += ["--db", database, "--port", str(port), "--longest-wait", "600", *options]
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
