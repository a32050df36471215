"""Divides mailboxes (mbox) into messages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain, groupby, pairwise

from penname.data.load_report import LoadReport
from penname.data.readers.base import SourceFile
from penname.errors import DataError

MAILBOX_BEGINS = b"From "
"""What the line before each message of a mailbox begins with."""

_MESSAGE_BEGINS = re.compile(rb"From .*\d\d?:\d\d.*\b(19|20)\d\d\b|From \S+@\S+\s*$")
_BARE_BEGINNING = re.compile(rb"From -? ?\r?\n")
"""What some versions of Thunderbird put before a message: neither a sender nor a time."""

_HEADER = re.compile(rb"[A-Za-z][A-Za-z0-9-]*:")
_ESCAPED = re.compile(rb">+From ")


def messages_of_mailbox(file: SourceFile, report: LoadReport) -> Iterator[bytes]:
    """The messages of a mailbox, each as it was before it was put there; what is before the first one is rejected."""
    first = next((line for line in file.head.splitlines() if line.strip()), MAILBOX_BEGINS)
    if not first.startswith(MAILBOX_BEGINS):
        report.rows += 1
        found = f"text before the first email ({first[:40].decode(errors='replace').strip()!r})"
        expected = "a line that begins with From"
        report.reject(
            DataError(file.path, line=1, found=found, expected=expected, reason="text before the first email")
        )
    with file.open(report) as lines:
        yield from _divided(lines)


def _divided(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The messages of the lines of a mailbox.

    A message begins with a line of sender and time, behind an empty line or before a header; in its text a ">" is put
    before "From ".
    """
    message: list[bytes] | None = None
    empty_before = True
    for line, following in pairwise(chain(lines, [b""])):
        if begins_message(line, following, empty_before):
            if message is not None:
                yield _unescaped(message)
            message = []
        elif message is not None:
            message.append(line)
        empty_before = not line.strip()
    if message is not None:
        yield _unescaped(message)


def begins_message(line: bytes, following: bytes, empty_before: bool) -> bool:
    """Whether a line is the one before a message, and not one of a text."""
    is_header = bool(_HEADER.match(following))
    if _MESSAGE_BEGINS.match(line):
        return empty_before or is_header
    return bool(_BARE_BEGINNING.match(line)) and empty_before and is_header


def _unescaped(lines: list[bytes]) -> bytes:
    """The message of these lines, without the ">" before each "From " that does not stand among quoted lines."""
    runs = [(escaped, list(run)) for escaped, run in groupby(lines, lambda line: bool(_ESCAPED.match(line)))]
    framed = [b"", *(line for _, run in runs for line in (run[0], run[-1])), b""]
    kept: list[bytes] = []
    for (escaped, run), before, after in zip(runs, framed[:-2:2], framed[3::2], strict=True):
        own = escaped and not (before.startswith(b">") or after.startswith(b">"))
        kept += [line[1:] for line in run] if own else run
    return b"".join(kept)
