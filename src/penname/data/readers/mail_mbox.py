"""Divides mailboxes (mbox) into messages."""

from __future__ import annotations

import codecs
import re
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import dropwhile, groupby, islice, takewhile

from penname.data.load_report import LoadReport
from penname.data.readers.base import SourceFile
from penname.errors import DataError

MAILBOX_BEGINS = b"From "
"""What the line before each message of a mailbox begins with."""

_MESSAGE_BEGINS = re.compile(rb"From .*\d\d?:\d\d.*\b(19|20)\d\d\b|From \S+@\S+\s*$")
_TIME_OF_DAY = rb"\d\d?:\d\d"
_OTHER_BEGINNINGS = re.compile(
    rb"From (?:-? ?\r?\n"  # some versions of Thunderbird name neither a sender nor a time
    rb"|\S*@\S*\s+\S.*\d"
    rb"|.*\b\d{4}-\d\d-\d\d[T ]" + _TIME_OF_DAY + rb"|.*\b\d\d?[./]\d\d?[./]\d{2,4},? " + _TIME_OF_DAY + rb""
    rb"|.*\b\d\d?[ -][A-Z][a-z]{2}[ -]\d{2,4} " + _TIME_OF_DAY + rb""
    rb"|.*\b[A-Z][a-z]{2} +\d\d? " + _TIME_OF_DAY + rb"\S*(?: [A-Z]{3,4}| [+-]\d{4})?(?: \d\d)?\s*$)"
)
"""What programs put before a message other than a sender and a time as the C library writes it."""

_HEADER = re.compile(rb"[A-Za-z][A-Za-z0-9_.-]*:(?!//)|>From ")
_HEADER_OF_MAIL = re.compile(
    rb"(?:From|To|Cc|Date|Subject|Sender|Reply-To|Return-Path|Received|Delivered-To|Message-ID|MIME-Version|Content-[A-Z-]+"
    rb"|DKIM-Signature|Authentication-Results|Status|Envelope-To|X-[A-Z0-9-]+|ARC-[A-Z-]+|In-Reply-To|References):",
    re.IGNORECASE,
)
_ESCAPED = re.compile(rb">+From ")
_ENDS_OF_SENTENCES = (b":", b",", b".", b"!", b"?")
_LOOKED_AHEAD = 8
"""Lines that are looked at below one that may begin a message."""


def without_mark(head: bytes) -> bytes:
    """The first bytes of a file without a byte order mark and white space before them."""
    return head.removeprefix(codecs.BOM_UTF8).lstrip()


def messages_of_mailbox(file: SourceFile, report: LoadReport) -> Iterator[bytes]:
    """The messages of a mailbox, each as it was before it was put there; what is before the first one is rejected."""
    first = next((line for line in without_mark(file.head).splitlines() if line.strip()), MAILBOX_BEGINS)
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

    A message begins with a line of sender and time, before a header; in its text a ">" is put before "From ".
    """
    source = iter(lines)
    ahead = deque(islice(source, _LOOKED_AHEAD))
    if ahead:
        ahead[0] = ahead[0].removeprefix(codecs.BOM_UTF8)
    message: list[bytes] | None = None
    empty_before = True
    while ahead:
        line = ahead.popleft()
        ahead.extend(islice(source, 1))
        if begins_message(line, ahead, empty_before) or (message is None and line.startswith(MAILBOX_BEGINS)):
            if message is not None:
                yield _unescaped(message)
            message = []
        elif message is not None:
            message.append(line)
        empty_before = not line.strip()
    if message is not None:
        yield _unescaped(message)


def begins_message(line: bytes, following: Iterable[bytes], empty_before: bool) -> bool:
    """Whether a line is the one before a message, and not one of a text.

    following: the next lines.
    empty_before: whether the line stands behind an empty one, or is the first.
    """
    if not line.startswith(MAILBOX_BEGINS) or line.rstrip().endswith(_ENDS_OF_SENTENCES):
        return False
    usual, other = _MESSAGE_BEGINS.match(line), _OTHER_BEGINNINGS.match(line)
    if not (usual or (other and empty_before)):
        return False
    lines = list(islice(following, _LOOKED_AHEAD))
    is_below = bool(lines) and bool(lines[0].strip())
    known = sum(1 for each in takewhile(_is_of_headers, dropwhile(_is_empty, lines)) if _HEADER_OF_MAIL.match(each))
    return known > 0 if is_below else empty_before and known > 1


def _is_empty(line: bytes) -> bool:
    return not line.strip()


def _is_of_headers(line: bytes) -> bool:
    return bool(_HEADER.match(line)) or (line[:1] in (b" ", b"\t") and bool(line.strip()))


def _unescaped(lines: list[bytes]) -> bytes:
    """The message of these lines, without the ">" before each "From " that does not stand among quoted lines."""
    runs = [(escaped, list(run)) for escaped, run in groupby(lines, lambda line: bool(_ESCAPED.match(line)))]
    framed = [b"", *(line for _, run in runs for line in (run[0], run[-1])), b""]
    kept: list[bytes] = []
    for (escaped, run), before, after in zip(runs, framed[:-2:2], framed[3::2], strict=True):
        own = escaped and not (before.startswith(b">") or after.startswith(b">"))
        kept += [line[1:] for line in run] if own else run
    return b"".join(kept)
