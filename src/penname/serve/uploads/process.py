"""Reads files in a process of its own for each request: whatever is in them, the server itself goes on."""

from __future__ import annotations

import json
import logging
import math
import os
import pickle
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import asdict
from subprocess import DEVNULL
from typing import Any

from anyio import BrokenResourceError, run_process
from anyio.to_thread import run_sync

from penname.data.records import Document
from penname.serve.errors import ApiError
from penname.serve.private_folder import PrivateFolder
from penname.serve.uploads import Sent, Taken, documents_of_files

logger = logging.getLogger(__name__)

MOST_MEMORY = 3 * 2**30
"""Bytes that reading the files of a request may take."""

_TOO_MUCH = "memory"
"""What a process says that has too little memory."""


async def read_files(files: Sequence[Sent], user: str, me: Sequence[str], seconds: int) -> Taken:
    """What `documents_of_files` does, in a process that is gone afterwards, or at once where this is cancelled.

    seconds: how much of a processor's time the process may take.

    Raises ApiError, also where the process takes too much or ends otherwise.
    """
    folder = PrivateFolder()
    try:
        output = await _output(pickle.dumps((files, folder.path, user, me, seconds)))
    finally:
        folder.close()
    return await run_sync(_told, output)


async def _output(asked: bytes) -> bytes:
    """What a process says to what is asked; nothing where it ends before."""
    command = [sys.executable, "-m", __name__]
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}  # no modules of the folder that the server runs in
    output = b""
    try:
        process = await run_process(command, input=asked, stderr=DEVNULL, check=False, env=environment)
        if process.returncode == 0:
            output = process.stdout
    except* BrokenResourceError:  # it did not even read
        pass
    return output


def _told(output: bytes) -> Taken:
    """What a process has said, see `_say`."""
    # Line by line: other threads have their turn in between.
    lines = output.splitlines()
    first: dict[str, Any] = json.loads(lines[0]) if lines else {"failed": _TOO_MUCH}
    if "refused" in first:
        raise ApiError(**first["refused"])
    if first.get("failed") == _TOO_MUCH:
        problem = "found files that take too much memory or time to read, or end the program that reads them"
        raise ApiError(400, f"{problem}, expected smaller or whole ones", "invalid_value", "file")
    if "failed" in first:
        logger.error("reading files: %s", first["failed"])
        raise ApiError(500, "the server failed", "server_error")
    return Taken([Document(**json.loads(line)) for line in lines[1:]], **first["taken"])


def _main() -> None:
    files, folder, user, me, seconds = pickle.load(sys.stdin.buffer)
    _limit(seconds)
    try:
        with redirect_stdout(sys.stderr):  # what a library prints is no answer
            taken = documents_of_files(files, folder, user, me)
        _say_taken(taken)
    except ApiError as error:
        fields = ("status", "message", "code", "param", "retry_after")
        _say({"refused": {name: getattr(error, name) for name in fields}})
    except MemoryError:
        _say({"failed": _TOO_MUCH})
    except Exception as error:
        _say({"failed": type(error).__name__})  # its message may have a user's text


def _limit(seconds: int) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = math.ceil(usage.ru_utime + usage.ru_stime)
    for kind, limit in ((resource.RLIMIT_DATA, MOST_MEMORY), (resource.RLIMIT_CPU, used + seconds)):
        _, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def _say_taken(taken: Taken) -> None:
    _say({"taken": {"rows": taken.rows, "skipped": taken.skipped, "lines": taken.lines}})
    for document in taken.documents:
        _say(asdict(document))


def _say(record: dict[str, Any]) -> None:
    print(json.dumps(record))


if __name__ == "__main__":
    _main()
