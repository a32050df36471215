"""The process that reads the files of a request: whatever is in them, the server itself goes on.

`read_form` is called in the server; the rest of the module is what the process does.
"""

from __future__ import annotations

import io
import json
import logging
import math
import os
import pickle
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from subprocess import DEVNULL
from threading import Thread
from typing import Any, NamedTuple

from anyio import BrokenResourceError, run_process
from anyio.to_thread import run_sync

from penname.data.records import Document
from penname.serve.errors import ApiError, server_failed
from penname.serve.private_folder import PrivateFolder
from penname.serve.taken import Taken
from penname.serve.uploads.documents import TooLarge, documents_of_files
from penname.serve.uploads.form import form_of

logger = logging.getLogger(__name__)

MOST_MEMORY = 3 * 2**30
"""Bytes that reading the files of a request may take."""

_MEMORY = 3
"""How a process exits that has too little memory."""


class Allowance(NamedTuple):
    """How much may be read: in seconds of a processor's time, and in bytes, unpacked."""

    seconds: int
    most_bytes: int


class _Asked(NamedTuple):
    """What a process is asked: to read a form, as one whose folder and parent are these."""

    content_type: str
    body: bytes
    user: str
    me: Sequence[str]
    allowance: Allowance
    folder: Path
    parent: int


class TooMuch(ApiError):
    """Reading takes too much, or ends the program."""

    def __init__(self) -> None:
        problem = "found files that take too much memory or time to read, or end the program that reads them"
        super().__init__(400, f"{problem}, expected smaller or whole ones", "invalid_value", "file")


async def read_form(content_type: str, body: bytes, user: str, me: Sequence[str], allowance: Allowance) -> Taken:
    """The documents of a user in the files of a form.

    They are read in a process that is gone afterwards, or at once where this is cancelled.

    content_type, body: the request's.
    user: the user's id.
    me: names of the user, beside those in the form.

    Raises TooLarge, TooMuch, and ApiError as `documents_of_files` does, and where the process fails.
    """
    folder = PrivateFolder()
    try:
        asked = _Asked(content_type, body, user, me, allowance, folder.path, os.getpid())
        code, output = await _ran(pickle.dumps(asked))
    finally:
        folder.close()
    if code == 0:
        return await run_sync(_told, output)
    if code > 0 and code != _MEMORY:
        raise _failed(f"exit code {code}")
    logger.warning("reading files: ended with %d", code)
    raise TooMuch


async def _ran(asked: bytes) -> tuple[int, bytes]:
    """How a process ends, and what it says."""
    command = [sys.executable, "-m", __name__]
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}  # no modules of the folder that the server runs in
    code, output = -int(signal.SIGTERM), b""
    try:
        # In a session of its own, Ctrl-C is the server's alone.
        process = await run_process(
            command, input=asked, stderr=DEVNULL, check=False, env=environment, start_new_session=True
        )
        code, output = process.returncode, process.stdout
    except* (BrokenResourceError, ConnectionError):  # it did not even read
        pass
    return code, output


def _told(output: bytes) -> Taken:
    """What a process has said, see `_say`."""
    lines = io.BytesIO(output)  # one by one: other threads have their turn in between
    first: dict[str, Any] = json.loads(next(lines))
    if "refused" in first:
        raise ApiError(**first["refused"])
    if "too_large" in first:
        raise TooLarge
    if "failed" in first:
        raise _failed(first["failed"])
    return Taken([Document(**json.loads(line)) for line in lines], **first["taken"])


def _failed(how: str) -> ApiError:
    logger.error("reading files: %s", how)
    return server_failed()


def _main() -> None:
    for signum in (signal.SIGINT, signal.SIGTERM):  # a server that is told to stop waits for the files
        signal.signal(signum, signal.SIG_IGN)
    asked: _Asked = pickle.load(sys.stdin.buffer)
    Thread(target=_end_after, args=(asked.parent,), daemon=True).start()
    _limit(asked.allowance.seconds)
    try:
        _say_taken(asked)
    except MemoryError:
        sys.exit(_MEMORY)


def _end_after(parent: int) -> None:
    """End once the server is no more."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _limit(seconds: int) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = math.ceil(usage.ru_utime + usage.ru_stime)
    for kind, limit in (
        (resource.RLIMIT_DATA, MOST_MEMORY),
        (resource.RLIMIT_CPU, used + seconds),
        (resource.RLIMIT_CORE, 1),  # no texts on the disk, nor in a program that takes dumps, which 0 does not stop
    ):
        _, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def _say_taken(asked: _Asked) -> None:
    try:
        with redirect_stdout(sys.stderr):  # what a library prints is no answer
            form = form_of(asked.content_type, asked.body)
            me = [*form.me, *asked.me]
            taken = documents_of_files(form.files, asked.folder, asked.user, me, asked.allowance.most_bytes)
    except TooLarge:
        _say({"too_large": True})
    except ApiError as error:
        fields = ("status", "message", "code", "param", "retry_after")
        _say({"refused": {name: getattr(error, name) for name in fields}})
    except MemoryError:
        raise
    except Exception as error:
        _say({"failed": type(error).__name__})  # its message may have a user's text
    else:
        _say({"taken": {"rows": taken.rows, "skipped": taken.skipped, "lines": taken.lines}})
        for document in taken.documents:
            _say(asdict(document))


def _say(record: dict[str, Any]) -> None:
    line = json.dumps(record, ensure_ascii=False) + "\n"
    sys.stdout.buffer.write(line.encode("utf-8", "surrogatepass"))


if __name__ == "__main__":
    _main()
