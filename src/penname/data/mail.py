"""Extracts documents from email: mbox files, single messages, and zip archives such as Avocado's (LDC2015T03).

A document is what the sender wrote, without quoted text, forwarded messages and signature. The user is the sender's
address, the title the subject.
"""

from __future__ import annotations

import mailbox
import re
import zipfile
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC
from email import message_from_bytes, policy
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import parseaddr, parsedate_to_datetime
from pathlib import Path
from typing import Any

from penname.data.load_report import LoadReport
from penname.data.records import MAX_CHARACTERS, Document, Location
from penname.errors import DataError

MAILBOX_SUFFIXES = (".mbox", ".mbx")
MESSAGE_SUFFIXES = (".eml",)
MAIL_BEGINS = b"From "
AVOCADO_MAIL = re.compile(r"-EM\.txt$")
"""Names of messages in the Avocado archives; other files are attachments, contacts and appointments."""

_ARCHIVE_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError)
_END_OF_SENDER_TEXT = re.compile(
    r"(-{2,} ?(original message|ursprüngliche nachricht|forwarded (by|message))"  # a message replied to or forwarded
    r"|begin forwarded message|_{20,}$|={20,}$|-- ?$)",
    re.IGNORECASE,
)
_WROTE_BEGINS, _WROTE = re.compile("on ", re.IGNORECASE), re.compile(r"on .{5,200} wrote:$", re.IGNORECASE)
_FROM, _HEADER = re.compile(r"from: .+", re.IGNORECASE), re.compile(r"(to|cc|sent|date|subject): ", re.IGNORECASE)
_REPLY = re.compile(r"^((re|aw|fw|fwd)(\[\d+\])?: *)+", re.IGNORECASE)


def is_mail(path: Path) -> bool:
    """Whether a file or folder holds email, judging by file names."""
    if path.is_dir():
        return any(is_mail(file) for file in mail_files(path))
    suffix = path.suffix.lower()
    return suffix in (*MAILBOX_SUFFIXES, *MESSAGE_SUFFIXES, ".zip") or bool(AVOCADO_MAIL.search(path.name))


def mail_files(path: Path) -> list[Path]:
    """The email files in a folder, at any depth; for a file, the file itself."""
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file() and is_mail(file))


def read_mail(path: Path, report: LoadReport) -> Iterator[Document]:
    """The messages of a file as documents.

    report: counts each message as a row; messages without text by their sender are skipped.
    """
    if path.suffix.lower() in MAILBOX_SUFFIXES:
        messages = _of_mailbox(path, report)
    elif path.suffix.lower() == ".zip":
        messages = _of_archive(path, report)
    else:
        messages = _of_file(path, report)
    for number, raw in messages:
        report.rows += 1
        location = Location(path, number)
        try:
            document = _document(message_from_bytes(raw, policy=policy.compat32), location, report)
        except (MessageError, ValueError, LookupError, AttributeError, RecursionError) as error:
            report.reject(location.error(None, f"a malformed email ({str(error)[:80]})", "an email", "malformed email"))
            continue
        except DataError as error:
            report.skip(error)
            continue
        report.kept += 1
        yield document


def _of_file(path: Path, report: LoadReport) -> Iterator[tuple[int, bytes]]:
    try:
        yield 1, path.read_bytes()
    except OSError as error:
        _unreadable(path, error, report)


def _unreadable(path: Path, error: OSError, report: LoadReport) -> None:
    report.rows += 1
    report.reject(DataError(path, found=str(error.strerror), expected="a readable file", reason="unreadable file"))


def _of_mailbox(path: Path, report: LoadReport) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as file:
            first = next((line for line in file if line.strip()), MAIL_BEGINS)
    except OSError as error:
        _unreadable(path, error, report)
        return
    if not first.startswith(MAIL_BEGINS):
        report.rows += 1
        found = f"text before the first email ({first[:40].decode(errors='replace').strip()!r})"
        report.reject(
            DataError(
                path, line=1, found=found, expected="a line that begins with From", reason="text before the first email"
            )
        )
    box = mailbox.mbox(path, create=False)
    try:
        for number, key in enumerate(box.keys(), 1):
            yield number, box.get_bytes(key)
    finally:
        box.close()


def _of_archive(path: Path, report: LoadReport) -> Iterator[tuple[int, bytes]]:
    number = 0
    try:
        with zipfile.ZipFile(path) as archive:
            for number, name in enumerate(sorted(n for n in archive.namelist() if _holds_mail(n)), 1):
                try:
                    raw = archive.read(name)
                except _ARCHIVE_ERRORS as error:
                    _broken_archive(path, number, error, report)
                else:
                    yield number, raw
    except _ARCHIVE_ERRORS as error:
        _broken_archive(path, number, error, report)


def _broken_archive(path: Path, number: int, error: Exception, report: LoadReport) -> None:
    report.rows += 1
    found = f"a broken archive ({str(error)[:80]})"
    report.reject(DataError(path, line=number, found=found, expected="a zip archive", reason="broken archive"))


def _holds_mail(name: str) -> bool:
    return bool(AVOCADO_MAIL.search(name)) or name.lower().endswith(MESSAGE_SUFFIXES)


def _document(message: Message, location: Location, report: LoadReport) -> Document:
    """A message as a document. Raises DataError where it has no sender or no text by its sender."""
    sender = parseaddr(_header(message, "From"))[1].lower()
    if not sender:
        raise location.error("From", "no address", "the sender's", "email without a sender")
    text = sender_text(_body(message, location, report)).encode("utf-8", "replace").decode()
    if not text:
        if any(part.get_content_type() == "text/html" for part in message.walk()):
            raise location.error(None, "HTML only", "plain text", "email without plain text")
        raise location.error(None, "no text by the sender", "a text", "email without text by its sender")
    if len(text) > MAX_CHARACTERS:
        found = f"a text of {len(text):,} characters"
        raise location.error(None, found, f"at most {MAX_CHARACTERS:,}", "text too long")
    subject = _REPLY.sub("", _header(message, "Subject")).strip()
    return Document(sender, text, title=subject or None, date=_date(_header(message, "Date")))


def sender_text(body: str) -> str:
    """What the sender wrote: the text before a quoted or forwarded message or the signature, without quoted lines.

    Text below quoted lines is the sender's too.

    body: the plain text of a message.
    """
    lines: list[str] = []
    rest = deque(line.rstrip() for line in body.replace("\r\n", "\n").split("\n"))
    while rest:
        line = rest.popleft()
        stripped = line.strip()
        if _END_OF_SENDER_TEXT.match(stripped) or (_FROM.match(stripped) and _HEADER.match(_following(rest))):
            break
        if (
            _WROTE_BEGINS.match(stripped)
            and not _WROTE.match(stripped)
            and _WROTE.match(f"{stripped} {_following(rest)}")
        ):
            while not stripped.endswith(":"):  # the line was wrapped
                stripped = f"{stripped} {rest.popleft().strip()}".strip()
        if _WROTE.match(stripped):
            if not _following(rest).startswith(">"):
                break
        elif not stripped.startswith(">"):
            lines.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _following(lines: Iterable[str]) -> str:
    """The next line that is not empty."""
    return next((line.strip() for line in lines if line.strip()), "")


def _body(message: Message, location: Location, report: LoadReport) -> str:
    """The text of the first plain-text part; bytes that are invalid in its encoding are replaced and noted."""
    for part in message.walk():
        if part.get_content_type() != "text/plain" or part.get_filename():
            continue
        payload: Any = part.get_payload(decode=True)
        if not isinstance(payload, bytes):
            continue
        try:
            return payload.decode(part.get_content_charset() or "utf-8")
        except (UnicodeDecodeError, LookupError):
            text = payload.decode("utf-8", errors="replace")
            found = f"{text.count(chr(0xFFFD))} byte sequences that are not UTF-8"
            report.note(location.error(None, found, "UTF-8", "invalid bytes, replaced"))
            return text
    return ""


def _header(message: Message, name: str) -> str:
    value = message.get(name)
    if value is None:
        return ""
    text = str(value)
    with suppress(LookupError, ValueError, MessageError):  # unknown encoding: keep the header as it is
        text = str(make_header(decode_header(text))) if "=?" in text else text
    return " ".join(text.encode("utf-8", "replace").decode().split())


def _date(text: str) -> str | None:
    try:
        date = parsedate_to_datetime(text)
        return (date.astimezone(UTC) if date.tzinfo else date).replace(tzinfo=None).isoformat()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
