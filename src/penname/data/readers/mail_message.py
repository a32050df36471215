"""A message of email as a document: what its sender wrote, without quoted text, forwarded messages and signature."""

from __future__ import annotations

import re
from datetime import UTC
from email import message_from_bytes, policy
from email.errors import MessageError
from email.message import Message
from email.utils import parsedate_to_datetime
from functools import partial

from penname.data.load_report import LoadReport
from penname.data.readers.base import SourceText
from penname.data.readers.mail_encodings import header_of, text_of_part
from penname.data.readers.mail_folders import NOT_SENT, kind_of_message
from penname.data.readers.mail_html import own_text_of_mail
from penname.data.readers.mail_senders import is_report, is_robot, people_in, sender_of
from penname.data.readers.mail_text import divided_text, unwrapped
from penname.data.readers.mail_words import REPLY_MARKS
from penname.data.records import Document, Location, tidy, too_long
from penname.errors import DataError

_REPLY = re.compile(rf"^((?:{REPLY_MARKS})(\[\d+\]|\(\d+\))? ?[:：] *)+", re.IGNORECASE)
_STUB_CHARACTERS = 500
_STUB = re.compile(
    r"\b(?:this|your|the)\b.{0,60}\b(?:html|mime)\b|\bhtml\b.{0,60}\b(?:view|display|client|capable|enabled"
    r"|compatible|support)"
    r"|\b(?:client|reader|viewer|program|software|browser)\b.{0,60}\b(?:html|mime)\b"
    r"|\b(?:view|read|see|display)\b.{0,40}\b(?:browser|online|html)\b"
    r"|\bhtml\b.{0,60}(?:anzeig|darstell|angezeigt|format|afficher|affich|lecture|visualiz|ver este|leggere|weerge"
    r"|wyświetl|zobraz"
    r"|просмотр|отобра|формат|görüntüle|zobrazit|vis|näytä)|(?:anzeig|afficher|visualiz|просмотр"
    r"|wyświetl).{0,60}\bhtml\b"
    r"|html.{0,20}(?:メール|形式|邮件|郵件|格式|메일|형식)|(?:形式|格式).{0,10}html",
    re.IGNORECASE | re.DOTALL,
)
"""What programs put into the plain text of a message whose text is there in HTML alone."""
_MESSAGE_ID = re.compile(r"<[^<>\s]+>")


def read_message(raw: bytes, location: Location, report: LoadReport) -> SourceText:
    """A message with its author's address, subject and date, and the message that it answers.

    Raises DataError where it has no sender or no text by its sender, or was not sent, and what the email package raises
    at headers that are malformed.
    """
    message = message_from_bytes(raw, policy=policy.compat32)
    header = partial(header_of, message, location=location, report=report)
    if kind := kind_of_message(header("X-Gmail-Labels"), header("X-Mozilla-Status")):
        raise location.error(None, kind, "a message that was sent", NOT_SENT)
    name, address = sender_of(message, location, report)
    if not address:
        raise location.error("From", "no address", "the sender's", "email without a sender")
    if is_robot(address) or is_report(message):
        raise location.error("From", f"{address[:60]}, a program", "a person", "email by a program")
    text, answers = map(_valid, divided_text(_body(message, location, report)))
    if not text:
        raise location.error(None, "no text by the sender", "a text", "email without text by its sender")
    if fault := too_long(text, location):
        raise fault
    subject = without_reply_marks(header("Subject"))
    document = Document(address.lower(), text, title=subject or None, date=_date(header("Date")))
    answered = _MESSAGE_ID.findall(header("In-Reply-To") or header("References"))
    return SourceText(
        document,
        answers or None,
        (name,) if name else (),
        next(iter(_MESSAGE_ID.findall(header("Message-ID"))), None),
        answered[-1] if answered else None,
        is_email=True,
        people=tuple(
            f"{person} <{address}>"
            for field in ("To", "Cc")
            for person, address in people_in(message, field, location, report)
        ),
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


def _body(part: Message, location: Location, report: LoadReport) -> str:
    """What is to be read of a message or a part of it: its texts, one below the other, and of alternatives one.

    Neither attached files nor attached messages, which are others'.
    """
    kind = part.get_content_type()
    if kind in ("text/plain", "text/html"):
        return _text(part, location, report)
    payload = part.get_payload()
    if part.get_content_maintype() != "multipart" or not isinstance(payload, list):
        return ""
    parts = [inner for inner in payload if isinstance(inner, Message) and not _is_attached(inner)]
    if kind == "multipart/alternative":
        parts.sort(key=lambda inner: inner.get_content_type() != "text/plain")
        bodies = (text for inner in parts if (text := _body(inner, location, report)).strip())
        text = next(bodies, "")
        return next(bodies, text) if _names_other_form(text) else text
    texts = {" ".join(text.split()): text for inner in parts if (text := _body(inner, location, report)).strip()}
    return next(iter(texts.values())) if len(texts) == 1 else "\n\n".join(text.strip("\r\n") for text in texts.values())


def _names_other_form(text: str) -> bool:
    """Whether a text says no more than that the message is in HTML, below it."""
    return len(text) <= _STUB_CHARACTERS and _STUB.search(text) is not None


def _is_attached(part: Message) -> bool:
    return part.get_content_disposition() == "attachment" or bool(part.get_filename())


def _text(part: Message, location: Location, report: LoadReport) -> str:
    """The text of a part in plain text or HTML."""
    text = text_of_part(part, location, report)
    if part.get_content_type() == "text/html":
        return own_text_of_mail(text)
    flowed = str(part.get_param("format") or "").lower() == "flowed"
    return unwrapped(text, str(part.get_param("delsp") or "").lower() == "yes") if flowed else text


def _date(text: str) -> str | None:
    try:
        date = parsedate_to_datetime(text)
        return (date.astimezone(UTC) if date.tzinfo else date).replace(tzinfo=None).isoformat()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
