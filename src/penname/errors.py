"""Errors that a user can fix: the command line shows them as one line with exit code 2, never as a traceback."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path


class UserError(Exception):
    """An error that the user can fix; the message says what was found and what was expected.

    message: is told in one line, whatever it quotes.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.splitlines()))


class ArgumentError(UserError):
    """A fault in an argument of a function; the command line shows it under the name of its option.

    argument: the argument's name.
    problem: what was found and what was expected.
    """

    def __init__(self, argument: str, problem: str) -> None:
        super().__init__(f"{argument}: {problem}")
        self.argument = argument
        self.problem = problem


class DataError(UserError):
    """A fault in a user's file.

    Its message is ``FILE:LINE: field NAME: found FOUND, expected EXPECTED``, without the parts that do not apply.

    line, field: where the fault is in the file.
    found, expected: what is there, and what was to be there; `problem` has both.
    reason: the kind of fault, by which equal ones are counted; by default it is named after the field.
    """

    def __init__(
        self,
        path: Path | zipfile.Path | str,
        *,
        line: int | None = None,
        field: str | None = None,
        found: str,
        expected: str,
        reason: str | None = None,
    ) -> None:
        location = f"{path}:{line}" if line is not None else str(path)
        about = f"field {field!r}: " if field else ""
        self.field, self.problem = field, f"found {found}, expected {expected}"
        super().__init__(f"{location}: {about}{self.problem}")
        self.reason = reason or (f"bad {re.sub(r'[0-9]+', '', field)}" if field else found)
