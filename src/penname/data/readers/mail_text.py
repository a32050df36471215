"""What the sender of an email wrote: its text without quoted and forwarded messages, and without signatures.

Mail programs put a line above what they quote (`On Monday Ann wrote:`) or a block of headers, in the language of their
user.
"""

from __future__ import annotations

import re
from collections import deque
from itertools import islice

from penname.data.readers.mail_attributions import attribution_lines, following, plain_line
from penname.data.readers.mail_headings import below_heading, ends_own_text, lines_of_notes_heading, others_words
from penname.data.readers.mail_words import PHONE

_HEADING_LINES = 10
"""How many lines are looked at to tell whether others' words begin."""
_signature = re.compile(r"-- ?$")
_signed = re.compile(r"^-----BEGIN PGP SIGNED MESSAGE-----\n(?:[A-Za-z]+: .*\n)*\n?", re.MULTILINE)
_armour = re.compile(
    r"^-----BEGIN PGP (SIGNATURE|MESSAGE|PUBLIC KEY BLOCK)-----$.*?(?:^-----END PGP \1-----$|\Z)", re.M | re.S
)
_phone = re.compile(rf"(?:{PHONE})(?:<[^<>]*>)?\.?", re.IGNORECASE)
_marks_of_arabic = dict.fromkeys(range(0x64B, 0x653))


def sender_text(body: str) -> str:
    """What the sender wrote: the text before a quoted or forwarded message or the signature, without quoted lines.

    Text below quoted lines is the sender's too.

    body: the plain text of a message.
    """
    return divided_text(body)[0]


def divided_text(body: str) -> tuple[str, str]:
    """What the sender wrote, as `sender_text` says, and what the one wrote who is quoted first; empty where none is.

    body: the plain text of a message.
    """
    own, quoted = _divided(body)
    return own, _divided("\n".join(below_heading(quoted)))[0] if quoted else ""


def _divided(body: str) -> tuple[str, list[str]]:
    """What the sender wrote, and the lines that are quoted."""
    own: list[str] = []
    quoted: list[str] = []
    rest = deque(line.rstrip() for line in _without_armour(body.replace("\r\n", "\n")).split("\n"))
    while rest:
        line = rest.popleft()
        plain = plain_line(line)
        if _signature.match(plain):
            _skip_signature(rest)
        elif (above := lines_of_notes_heading(own, plain, rest)) or ends_own_text(plain, rest):
            own = own[: len(own) - above]
            quoted = quoted or others_words([line, *rest])
            break
        elif count := attribution_lines(plain, rest):
            rest = deque(islice(rest, count - 1, None))
            own = _without_phone(own)
            if not following(rest).startswith(">"):
                quoted = quoted or list(rest)
                break
        elif plain.startswith(">"):
            own = own if quoted else _without_phone(own)
            quoted.append(plain[1:].removeprefix(" "))
        else:
            own.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(_without_phone(own))).strip("\ufeff \t\r\n"), quoted


def _skip_signature(rest: deque[str]) -> None:
    """Take a signature's lines from those below it: up to where others' words begin, which are read on."""
    while rest:
        line, below = plain_line(rest[0]), list(islice(rest, 1, _HEADING_LINES))
        if line.startswith(">") or ends_own_text(line, below) or attribution_lines(line, below):
            return
        rest.popleft()


def _without_armour(text: str) -> str:
    """A text without what PGP puts around one that is signed, and without signatures, keys and what is encrypted."""
    if "-----BEGIN PGP " not in text:
        return text
    opened = _signed.sub("", text)
    return _armour.sub("", re.sub(r"^- (?=-)", "", opened, flags=re.MULTILINE) if opened != text else text)


def _without_phone(lines: list[str]) -> list[str]:
    """The lines without what a telephone's mail program adds, as paragraphs of a line, below them."""
    kept = list(lines)
    while kept:
        alone = len(kept) == 1 or not kept[-2].strip()
        last = plain_line(kept[-1]).translate(_marks_of_arabic)
        if last and not (alone and _phone.fullmatch(last)):
            break
        kept.pop()
    return kept


def unwrapped(text: str, delete_space: bool) -> str:
    """The text of a `format=flowed` part (RFC 3676): lines that end in a space go on in the next one.

    delete_space: whether that space is not part of the text (`delsp=yes`).
    """
    paragraphs: list[str] = []
    flows = False
    for line in text.replace("\r\n", "\n").split("\n"):
        depth = len(line) - len(line.lstrip(">"))
        content = line[depth:].removeprefix(" ") if depth or line.startswith(" ") else line
        if flows and not depth:
            paragraphs[-1] += content
        else:
            paragraphs.append(">" * depth + (" " if depth else "") + content)
        flows = content.endswith(" ") and content != "-- " and not depth
        if flows and delete_space:
            paragraphs[-1] = paragraphs[-1][:-1]
    return "\n".join(paragraphs)
