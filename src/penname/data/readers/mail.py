"""Reads email: mailboxes (mbox) of any program, and messages in files of their own (`.eml`, Maildir, Apple's `.emlx`).

Archives are zip files with messages, such as Avocado's (LDC2015T03). The user is the sender's address, the title the
subject.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator
from email.errors import MessageError
from itertools import chain, pairwise

from penname.data.load_report import LoadReport
from penname.data.readers.base import ARCHIVE_ERRORS, Reader, ReadingSettings, SourceFile, SourceText
from penname.data.readers.mail_message import read_message
from penname.data.records import Location
from penname.data.rows import table_suffix
from penname.errors import DataError

MAILBOX_SUFFIXES = (".mbox", ".mbx")
MESSAGE_SUFFIXES = (".eml", ".emlx")
AVOCADO_MAIL = re.compile(r"-EM\.txt$")
"""Names of messages in the Avocado archives; other files are attachments, contacts and appointments."""

_MAIL_BEGINS = b"From "
_MESSAGE_BEGINS = re.compile(rb"From .*\d\d?:\d\d.*\b(19|20)\d\d\b|From \S+@\S+\s*$")
_HEADER = re.compile(rb"[A-Za-z][A-Za-z0-9-]*:")
_HEADERS = re.compile(rb"(?:[A-Za-z][A-Za-z0-9-]*:.*\r?\n(?:[ \t].*\r?\n)*){2,}\r?\n")
_SENT = re.compile(rb"^(?:Date|Message-ID|Received|MIME-Version):", re.IGNORECASE | re.MULTILINE)
_SENDER = re.compile(rb"^From:", re.IGNORECASE | re.MULTILINE)
_EMLX = re.compile(rb"(\d+) *\r?\n")
_ESCAPED = re.compile(rb">+From ")


def recognizes(file: SourceFile) -> bool:
    """Whether it is a mailbox or a message, by its name or by its first lines."""
    if file.suffix in (*MAILBOX_SUFFIXES, *MESSAGE_SUFFIXES, ".zip") or AVOCADO_MAIL.search(file.name):
        return True
    if table_suffix(file.path):
        return False
    head = file.head.lstrip()
    if _MESSAGE_BEGINS.match(head.partition(b"\n")[0] + b"\n"):
        return True
    headers = _HEADERS.match(head)
    return headers is not None and bool(_SENDER.search(headers[0]) and _SENT.search(headers[0]))


def read(file: SourceFile, settings: ReadingSettings, report: LoadReport) -> Iterator[SourceText]:
    """The messages; those without text by their sender are counted as skipped."""
    is_mailbox = file.suffix in MAILBOX_SUFFIXES or file.head.lstrip().startswith(_MAIL_BEGINS)
    number = 0
    try:
        for number, raw in enumerate(_of_mailbox(file, report) if is_mailbox else _of_file(file, report), 1):
            report.rows += 1
            location = Location(file.path, number)
            try:
                found = read_message(raw, location, report)
            except (MessageError, ValueError, LookupError, AttributeError, RecursionError) as error:
                found_instead = f"a malformed email ({str(error)[:80]})"
                report.reject(location.error(None, found_instead, "an email", "malformed email"))
                continue
            except DataError as error:
                report.skip(error)
                continue
            report.kept += 1
            yield found
    except (OSError, *ARCHIVE_ERRORS) as error:
        report.rows += 1
        cause = getattr(error, "strerror", None) or f"a broken archive ({str(error)[:80]})"
        reason = "unreadable file" if isinstance(error, OSError) else "broken archive"
        report.reject(DataError(file.path, line=number + 1, found=cause, expected="email", reason=reason))


def _of_file(file: SourceFile, report: LoadReport) -> Iterator[bytes]:
    """The message of a file that has one."""
    if file.suffix == ".zip":
        raise zipfile.BadZipFile("it cannot be opened")
    with file.open(report) as opened:
        raw = opened.read()
    counted = _EMLX.match(raw) if file.suffix == ".emlx" else None  # Apple's files begin with the message's length
    yield raw[counted.end() :][: int(counted[1])] if counted else raw


def _of_mailbox(file: SourceFile, report: LoadReport) -> Iterator[bytes]:
    first = next((line for line in file.head.splitlines() if line.strip()), _MAIL_BEGINS)
    if not first.startswith(_MAIL_BEGINS):
        report.rows += 1
        found = f"text before the first email ({first[:40].decode(errors='replace').strip()!r})"
        expected = "a line that begins with From"
        report.reject(
            DataError(file.path, line=1, found=found, expected=expected, reason="text before the first email")
        )
    with file.open(report) as lines:
        yield from _messages(lines)


def _messages(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The messages of a mailbox, each as it was before it was put there.

    A message begins with a line of sender and time, behind an empty line or before a header; in its text a ">" is put
    before "From ".
    """
    message: list[bytes] | None = None
    empty_before = True
    for line, following in pairwise(chain(lines, [b""])):
        if _MESSAGE_BEGINS.match(line) and (empty_before or _HEADER.match(following)):
            if message is not None:
                yield _unescaped(message)
            message = []
        elif message is not None:
            message.append(line)
        empty_before = not line.strip()
    if message is not None:
        yield _unescaped(message)


def _unescaped(lines: list[bytes]) -> bytes:
    """The message of these lines, without the ">" before a "From " that does not stand among quoted lines."""
    framed = [b"", *lines, b""]
    return b"".join(
        line[1:] if _ESCAPED.match(line) and not (before.startswith(b">") or after.startswith(b">")) else line
        for before, line, after in zip(framed[:-2], lines, framed[2:], strict=True)
    )


READER = Reader("email", "a mailbox (mbox) or messages (.eml)", recognizes, read)
