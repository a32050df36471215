"""A message of email as a document: what its sender wrote, without quoted text, forwarded messages and signature."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC
from email import message_from_bytes, policy
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses, parseaddr, parsedate_to_datetime
from typing import Any

from penname.data.encodings import guess_encoding, is_utf8
from penname.data.load_report import LoadReport
from penname.data.readers.base import SourceText
from penname.data.readers.html_text import MAIL_QUOTES, own_text_of_html
from penname.data.readers.mail_folders import NOT_SENT, kind_of_message
from penname.data.readers.mail_text import divided_text, unwrapped
from penname.data.records import MAX_CHARACTERS, Document, Location, tidy
from penname.errors import DataError

_REPLACED = "\ufffd"
_REPLY = re.compile(r"^((re|aw|fw|fwd)(\[\d+\])?: *)+", re.IGNORECASE)
_MESSAGE_ID = re.compile(r"<[^<>\s]+>")


def read_message(raw: bytes, location: Location, report: LoadReport) -> SourceText:
    """A message with its author's address, subject and date, and the message that it answers.

    Raises DataError where it has no sender or no text by its sender, or was not sent, and what the email package raises
    at headers that are malformed.
    """
    message = message_from_bytes(raw, policy=policy.compat32)
    if kind := kind_of_message(_header(message, "X-Gmail-Labels"), _header(message, "X-Mozilla-Status")):
        raise location.error(None, kind, "a message that was sent", NOT_SENT)
    name, address = parseaddr(_header(message, "From"))
    if not address:
        raise location.error("From", "no address", "the sender's", "email without a sender")
    text, answers = map(_valid, divided_text(_body(message, location, report)))
    if not text:
        raise location.error(None, "no text by the sender", "a text", "email without text by its sender")
    if len(text) > MAX_CHARACTERS:
        found = f"a text of {len(text):,} characters"
        raise location.error(None, found, f"at most {MAX_CHARACTERS:,}", "text too long")
    subject = without_reply_marks(_header(message, "Subject"))
    document = Document(address.lower(), text, title=subject or None, date=_date(_header(message, "Date")))
    answered = _MESSAGE_ID.findall(_header(message, "In-Reply-To") or _header(message, "References"))
    return SourceText(
        document,
        answers or None,
        (name,) if name else (),
        next(iter(_MESSAGE_ID.findall(_header(message, "Message-ID"))), None),
        answered[-1] if answered else None,
        is_email=True,
        people=tuple(f"{person} <{address}>" for person, address in _recipients(message)),
    )


def message_or_none(raw: bytes, location: Location, report: LoadReport) -> SourceText | None:
    """As `read_message`, counted as kept; None for a message that is skipped or malformed, counted as such."""
    try:
        found = read_message(raw, location, report)
    except (MessageError, ValueError, LookupError, AttributeError, RecursionError) as error:
        found_instead = f"a malformed email ({str(error)[:80]})"
        report.reject(location.error(None, found_instead, "an email", "malformed email"))
        return None
    except DataError as error:
        report.skip(error)
        return None
    report.kept += 1
    return found


def without_reply_marks(subject: str) -> str:
    """A subject without what programs put before that of a message which answers or passes on another."""
    return _REPLY.sub("", subject).strip()


def _valid(text: str) -> str:
    return tidy(text.encode("utf-8", "replace").decode())


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
    return "" if html is None else own_text_of_html(html, MAIL_QUOTES)


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
        guess = "utf-8" if is_utf8(payload) else guess_encoding(payload)
        text = payload.decode(guess, errors="replace")
        found = f"an unknown encoding, guessed to be {guess}"
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


def _recipients(message: Message) -> list[tuple[str, str]]:
    """The names and addresses of those to whom a message was sent."""
    return getaddresses([_header(message, "To"), _header(message, "Cc")])


def _date(text: str) -> str | None:
    try:
        date = parsedate_to_datetime(text)
        return (date.astimezone(UTC) if date.tzinfo else date).replace(tzinfo=None).isoformat()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
