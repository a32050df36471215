"""Who wrote a mail: its sender, or whom a mailing list names that stands in the sender's place; robots are nobody."""

from __future__ import annotations

import re
from email.message import Message
from email.utils import getaddresses

from penname.data.load_report import LoadReport
from penname.data.readers.mail_encodings import decoded_words, raw_header_of
from penname.data.records import Location

_ROBOT = re.compile(
    r"(?:.*[._+-])?(?:mailer[._-]?daemon|(?:no|not|never)[._-]?repl(?:y|ies)|do?[._-]?not?[._-]?reply|donotreply"
    r"|nobody|bounces?"
    r"|notifications?|notify|notifier|auto[._-]?(?:reply|confirm|responder|mailer|mated)|automated|autoresponder"
    r"|no[._-]?respond(?:er)?"
    r"|n[aã]o[._-]?respond[ae]r?|ne[._-]?pas[._-]?repondre|nepasrepondre|nicht[._-]?antworten|keine[._-]?antwort"
    r"|antwort[._-]?nicht"
    r"|non[._-]?rispondere|niet[._-]?(?:be)?antwoorden|geen[._-]?antwoord|nie[._-]?odpowiadac|neodpovidat"
    r"|nevalaszoljon"
    r"|ei[._-]?vastausta|svara[._-]?(?:inte|ej)|svar[._-]?ikke|ikke[._-]?svar|ne[._-]?otvechat|yanitlama(?:yin)?"
    r"|microsoftexchange[0-9a-f]{16,}|postmaster|cron|root\+cron)(?:[._+-].*|\d*)",
    re.IGNORECASE,
)
"""What the names of programs' addresses look like, before the `@`."""
_OF_A_LIST = re.compile(
    r"['\"]?\s*(.+?)\s*['\"]?,?\s+\(?(?:via|über|par l'intermédiaire de|a través de|tramite|через|經由|通过)\s+\S.*",
    re.IGNORECASE,
)
_OTHER_FORM = re.compile(r"(.+?)=(?:40)?([\w-]+(?:\.[\w-]+)+)@(?:dmarc\..+|.*\bgroups\.io)", re.IGNORECASE)
"""An address that a list has put into its own: `ann=40example.org@dmarc.ietf.org`."""
_ORIGINALS = (
    "X-Original-From",
    "Original-From",
    "X-Original-Sender",
    "X-Mailman-Original-From",
    "Reply-To",
    "X-MailFrom",
)
"""Headers in which lists keep the sender."""


def people_in(message: Message, header: str, location: Location, report: LoadReport) -> list[tuple[str, str]]:
    """The names and addresses in a header."""
    raw = raw_header_of(message, header, location, report)
    if "@" not in raw:  # as where the addresses are encoded with the names
        raw = decoded_words(raw, location, report)
    return [(decoded_words(name, location, report), address) for name, address in getaddresses([raw])]


def sender_of(message: Message, location: Location, report: LoadReport) -> tuple[str, str]:
    """The name and the address of who wrote a message; that of a list's member is the name where no address is known.

    Both are empty where nobody is named.
    """
    senders = people_in(message, "From", location, report)
    name, address = max(senders, key=lambda sender: "@" in sender[1], default=("", ""))  # a comma may be in a name
    if within := _OTHER_FORM.fullmatch(address):
        member = _OF_A_LIST.fullmatch(name)
        return member[1] if member else name, f"{within[1]}@{within[2]}"
    member = _OF_A_LIST.fullmatch(name)
    if member is None or is_robot(address):
        return name, address
    others = {
        address.lower(),
        *(to.lower() for field in ("To", "List-Post") for _, to in people_in(message, field, location, report)),
    }
    for header in _ORIGINALS:
        for _, original in people_in(message, header, location, report):
            if "@" in original and original.lower() not in others and not is_robot(original):
                return member[1], original
    return (member[1], member[1]) if "@" not in member[1] else ("", member[1])


def is_robot(address: str) -> bool:
    """Whether an address is a program's, such as `no-reply@example.org`."""
    return _ROBOT.fullmatch(address.partition("@")[0]) is not None


def is_report(message: Message) -> bool:
    """Whether a message says what became of another one, or was made by a program, as its headers say."""
    made = str(message.get("Auto-Submitted", "")).strip().lower()
    return message.get_content_type() == "multipart/report" or made.startswith("auto-generated")
