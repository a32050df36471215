"""Files on their way to a server, and the processes in which it reads them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread

import psutil
from tests.serve.running import wait_until
from tests.serve.serving import Answer, Client

ADA = "/v1/users/ada"
READER = "penname.serve.uploads.process"
LONG = "The garden was full of bees today. " * 30
ROWS_OF_2_MB = "".join(f'{{"text": "Text {n}: {LONG}"}}\n' for n in range(2000)).encode()


class Upload:
    """A large file that is being sent; `answer` is what the server answers."""

    _answer: Answer

    def __init__(self, client: Client) -> None:
        self._client = client
        self._thread = Thread(target=self._send)
        self._thread.start()

    def _send(self) -> None:
        self._answer = self._client("POST", f"{ADA}/documents", files=[("x.jsonl", ROWS_OF_2_MB)])

    @property
    def answer(self) -> Answer:
        self._thread.join()
        return self._answer


def readers(process: int | None = None) -> list[psutil.Process]:
    """The processes in which a server reads files. process: that of the server; None for this one."""
    found = []
    for child in psutil.Process(process).children():
        with suppress(psutil.NoSuchProcess):
            if READER in child.cmdline() and child.status() != psutil.STATUS_ZOMBIE:
                found.append(child)
    return found


@contextmanager
def suspended(process: int | None = None) -> Iterator[None]:
    """Readers that stand still as long as they live, see `readers`."""
    wait_until(lambda: readers(process))
    paused = readers(process)
    for reader in paused:
        reader.suspend()
    yield
    for reader in paused:
        with suppress(psutil.NoSuchProcess):
            reader.resume()
