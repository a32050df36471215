"""Extracts documents from email: mbox files, single messages, and zip archives such as Avocado's (LDC2015T03).

A document is what the sender wrote, without quoted text, forwarded messages and signature. The user is the sender's
address, the title the subject.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC
from email import message_from_bytes, policy
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import parseaddr, parsedate_to_datetime
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

from charset_normalizer import from_bytes

from penname.data.load_report import LoadReport
from penname.data.mail_text import sender_text, text_of_html, unwrapped
from penname.data.records import MAX_CHARACTERS, Document, Location, tidy
from penname.errors import DataError

MAILBOX_SUFFIXES = (".mbox", ".mbx")
MESSAGE_SUFFIXES = (".eml",)
MAIL_BEGINS = b"From "
_MESSAGE_BEGINS = re.compile(rb"From .*\d\d?:\d\d.*\b(19|20)\d\d\b|From \S+@\S+\s*$")
_HEADER = re.compile(rb"[A-Za-z][A-Za-z0-9-]*:")
_ESCAPED = re.compile(rb">+From ")
_REPLACED = "\ufffd"
AVOCADO_MAIL = re.compile(r"-EM\.txt$")
"""Names of messages in the Avocado archives; other files are attachments, contacts and appointments."""

_ARCHIVE_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError)
_REPLY = re.compile(r"^((re|aw|fw|fwd)(\[\d+\])?: *)+", re.IGNORECASE)


def is_mail(path: Path) -> bool:
    """Whether a file holds email, judging by its name."""
    suffix = path.suffix.lower()
    return suffix in (*MAILBOX_SUFFIXES, *MESSAGE_SUFFIXES, ".zip") or bool(AVOCADO_MAIL.search(path.name))


def mail_files(folder: Path) -> list[Path]:
    """The email files in a folder, at any depth; of archives, those that hold email."""
    found = sorted(file for file in folder.rglob("*") if file.is_file() and is_mail(file))
    return [file for file in found if file.suffix.lower() != ".zip" or _archive_holds_mail(file)]


def _archive_holds_mail(path: Path) -> bool:
    """Whether there is email in an archive; one that cannot be opened counts as such, for its fault to be told."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(map(_holds_mail, archive.namelist()))
    except _ARCHIVE_ERRORS:
        return True


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
    with path.open("rb") as file:
        yield from enumerate(_messages(file), 1)


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
    text = tidy(sender_text(_body(message, location, report)).encode("utf-8", "replace").decode())
    if not text:
        raise location.error(None, "no text by the sender", "a text", "email without text by its sender")
    if len(text) > MAX_CHARACTERS:
        found = f"a text of {len(text):,} characters"
        raise location.error(None, found, f"at most {MAX_CHARACTERS:,}", "text too long")
    subject = _REPLY.sub("", _header(message, "Subject")).strip()
    return Document(sender, text, title=subject or None, date=_date(_header(message, "Date")))


def _body(message: Message, location: Location, report: LoadReport) -> str:
    """The text of the first plain-text part, else of the first one in HTML; a guessed encoding is noted."""
    html = None
    for part in message.walk():
        kind = part.get_content_type()
        if kind not in ("text/plain", "text/html") or part.get_filename():
            continue
        payload: Any = part.get_payload(decode=True)
        if not isinstance(payload, bytes):
            continue
        text = _decoded(payload, part.get_content_charset(), location, report)
        if kind == "text/html":
            html = text if html is None else html
            continue
        flowed = str(part.get_param("format") or "").lower() == "flowed"
        return unwrapped(text, str(part.get_param("delsp") or "").lower() == "yes") if flowed else text
    return "" if html is None else text_of_html(html)


_LARGER = {
    "us-ascii": "utf-8",
    "iso-8859-1": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc-kr": "cp949",
    "ks_c_5601-1987": "cp949",
    "big5": "big5hkscs",
}
"""What programs mean by the names of encodings that lack characters they use."""


def _decoded(payload: bytes, charset: str | None, location: Location, report: LoadReport) -> str:
    """The text of a part. Bytes that are invalid in its encoding are replaced, an unknown encoding is guessed; noted.

    charset: the encoding that the part names.
    """
    for name in (_LARGER.get(charset or "us-ascii"), charset):
        try:
            return payload.decode(name or "utf-8")
        except (UnicodeDecodeError, LookupError):
            continue
    try:
        text = payload.decode(charset or "unknown", errors="replace")
        found, reason = f"{text.count(_REPLACED)} byte sequences that are not {charset}", "invalid bytes, replaced"
    except LookupError:
        guess = from_bytes(payload).best()
        text = str(guess) if guess is not None else payload.decode("utf-8", errors="replace")
        found = f"an unknown encoding, guessed to be {guess.encoding if guess is not None else 'utf-8'}"
        reason = "encoding guessed"
    report.note(location.error(None, found, charset or "UTF-8", reason))
    return text


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
