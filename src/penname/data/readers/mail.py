"""Reads email: mailboxes (mbox) of any program, and messages in files of their own (`.eml`, Maildir, Apple's `.emlx`).

Archives are zip files with messages, such as Avocado's (LDC2015T03). The user is the sender's address, the title the
subject.
"""

from __future__ import annotations

import codecs
import re
import zipfile
from collections.abc import Iterator

from penname.data.load_report import LoadReport
from penname.data.readers.base import ARCHIVE_ERRORS, Reader, ReadingSettings, SourceFile, SourceText
from penname.data.readers.mail_folders import NOT_SENT, kind_of_folder
from penname.data.readers.mail_mbox import MAILBOX_BEGINS, begins_message, messages_of_mailbox, without_mark
from penname.data.readers.mail_message import message_or_none
from penname.data.records import Location
from penname.data.rows import table_suffix
from penname.errors import DataError

MAILBOX_SUFFIXES = (".mbox", ".mbx")
MESSAGE_SUFFIXES = (".eml", ".emlx")
AVOCADO_MAIL = re.compile(r"-EM\.txt$")
"""Names of messages in the Avocado archives; other files are attachments, contacts and appointments."""

_HEADERS = re.compile(rb"(?:[A-Za-z][A-Za-z0-9-]*:.*\r?\n(?:[ \t].*\r?\n)*){2,}\r?\n")
_SENT = re.compile(rb"^(?:Date|Message-ID|Received|MIME-Version):", re.IGNORECASE | re.MULTILINE)
_SENDER = re.compile(rb"^From:", re.IGNORECASE | re.MULTILINE)
_EMLX = re.compile(rb"(\d+) *\r?\n")
_BEFORE_HEADERS = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:>From .*\s*)?")


def recognizes(file: SourceFile) -> bool:
    """Whether it is a mailbox or a message, by its name or by its first lines."""
    if file.suffix in (*MAILBOX_SUFFIXES, *MESSAGE_SUFFIXES, ".zip") or AVOCADO_MAIL.search(file.name):
        return True
    if table_suffix(file.path):
        return False
    head = without_mark(file.head)
    first, _, following = head.partition(b"\n")
    if begins_message(first + b"\n", following.splitlines(keepends=True), True):
        return True
    headers = _HEADERS.match(head)
    return headers is not None and bool(_SENDER.search(headers[0]) and _SENT.search(headers[0]))


def of_mail_program(file: SourceFile) -> bool:
    """Whether a file shows that its folder is a mail program's, or an archive of mail, whatever else is there."""
    return (
        AVOCADO_MAIL.search(file.name) is not None  # its attachments are texts too
        or file.suffix == ".msf"  # Thunderbird's indexes
        or (file.suffix in MAILBOX_SUFFIXES and "Takeout" in file.parts)
        or (file.suffix == ".emlx" and "Messages" in file.parts)
        or (len(file.parts) > 1 and file.parts[-2] in ("cur", "new") and recognizes(file))
    )


def read(file: SourceFile, settings: ReadingSettings, report: LoadReport) -> Iterator[SourceText]:
    """The messages; those without text by their sender are counted as skipped."""
    is_mailbox = file.suffix in MAILBOX_SUFFIXES or without_mark(file.head).startswith(MAILBOX_BEGINS)
    not_sent = kind_of_folder(file, is_mailbox)
    number = 0
    try:
        for number, raw in enumerate(messages_of_mailbox(file, report) if is_mailbox else _of_file(file, report), 1):
            report.rows += 1
            location = Location(file.path, number)
            if not_sent:
                report.skip(location.error(None, not_sent, "a message that was sent", NOT_SENT))
                continue
            if (found := message_or_none(raw, location, report)) is not None:
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
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raw = raw.decode("utf-16", "replace").encode()
    counted = _EMLX.match(raw) if file.suffix == ".emlx" else None  # Apple's files begin with the message's length
    message = raw[counted.end() :][: int(counted[1])] if counted else raw
    yield _BEFORE_HEADERS.sub(b"", message, count=1)


READER = Reader("email", "a mailbox (mbox) or messages (.eml)", recognizes, read, decides=of_mail_program)
