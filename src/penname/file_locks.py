"""Locks on open files, on every system: a process that ends, however it does, holds none any more."""

from __future__ import annotations

from typing import IO, Any

# portalocker is imported where a file is locked: it takes a tenth of a second.

File = int | IO[Any]
"""An open file, or its number."""


def lock(file: File) -> None:
    """Lock a file, once nobody else has. On Windows nobody else reads it meanwhile."""
    import portalocker

    portalocker.lock(file, portalocker.LockFlags.EXCLUSIVE)


def try_lock(file: File) -> bool:
    """Lock a file unless somebody else has; whether it is locked now."""
    import portalocker

    try:
        portalocker.lock(file, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)
    except portalocker.AlreadyLocked:
        return False
    return True


def unlock(file: File) -> None:
    """Let go of a file."""
    import portalocker

    portalocker.unlock(file)
