"""Errors that a user can mend: shown as one line, exit code 2, never as a traceback."""

from __future__ import annotations

import re
from pathlib import Path


class UserError(Exception):
    """Something the user can fix; the message says what was found and what was expected."""


class ArgumentError(UserError):
    """A fault in an argument of a function; the command line shows it under its own option's name."""

    def __init__(self, argument: str, problem: str) -> None:
        super().__init__(f"{argument}: {problem}")
        self.argument = argument
        self.problem = problem


class DataError(UserError):
    """A fault in a user's file, with the place it stands.

    Renders as ``FILE:LINE: field NAME: found FOUND, expected EXPECTED``; parts that do not apply are left out.
    reason: the fault without its place and values, to count equal ones by; made from the field where not given.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        line: int | None = None,
        field: str | None = None,
        found: str,
        expected: str,
        reason: str | None = None,
    ) -> None:
        place = f"{path}:{line}" if line is not None else str(path)
        about = f"field {field!r}: " if field else ""
        super().__init__(" ".join(f"{place}: {about}found {found}, expected {expected}".splitlines()))
        self.reason = reason or (f"bad {re.sub(r'[0-9]+', '', field)}" if field else found)
