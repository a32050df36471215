"""The text of mails in HTML, in which what programs mark as quoted stands behind `>`, as in plain text.

So what the sender wrote below a quote or between two is told from it; signatures that are marked are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import dropwhile, takewhile

from penname.data.files.html import FRAME_ENDS, Attributes, text_of_html
from penname.data.readers.mail_attributions import ATTRIBUTION_CHARACTERS
from penname.data.readers.mail_headings import BELOW_IS_ANOTHERS, SIGNATURE_MARK

_QUOTE, _REPLY, _ATTRIBUTION = "\x05", "\x06", "\x07"
"""Frames: of quotes, of what holds an attribution and quotes with answers between them, and of attributions."""
_FRAMES = re.compile(f"([{_QUOTE}{_REPLY}{_ATTRIBUTION}{FRAME_ENDS}])")

_DEEPEST = 30
"""How many frames in each other are told apart."""

_QUOTES = re.compile(
    r"yahoo_quoted|OutlookMessageHeader|OLK_SRC_BODY_SECTION|mail-editor-reference-message|isReplyContent"
    r"|ntes-\w+-quote"
    r"|ms-outlook-mobile-reference|_originalContent|aqm-original|__QUOTED_TEXT__"
    r"|history_container|missive_quote|front-blockquote|mailru-blockquote|reference-message-container"
    r"|\bquote\b|\breference\b|(?<![\w-])quoted?[-_](?:text|message|mail|reply)"
)
"""Classes, ids and names of elements of which all is quoted."""
_REPLIES = re.compile(r"gmail_quote|protonmail_quote|zmail_extra(?!_hr)|nylas-quote|messageReplySection")
_ATTRIBUTIONS = re.compile(r"gmail_attr|moz-cite-prefix|airmail_on|\breply-intro\b|evo-attribution")
_SIGNATURES = re.compile(
    r"signature|_rc_sig|bloop_sign|\bZm-_Id_-Sgn|__SIG_P|CanarySig|MsoAutoSig"
    r"|(?:^|\s)(?:email|mail|user|x)?[-_]?sig\d*(?:\s|$)",
    re.IGNORECASE,
)
_NO_SIGNATURES = re.compile(r"AppleMailSignature|BreakAtBeginningOf", re.IGNORECASE)
"""Apple's programs put what their users write into an element of this name too."""
_NAMING = ("class", "id", "name", "data-smartmail", "data-marker", "fairemail")

_INDENTED = re.compile(
    r"margin:0(?:px)?0(?:px)?0(?:px)?[34]0px;border:(?:none|0)(?!.*border-left:(?!none|0))", re.IGNORECASE
)
"""The style of a block quote by which programs indent own text."""

_CUTS = re.compile(
    r"<(?:div|hr)[^<>]*\bid=[\"']?(?:x_)?(?:divRplyFwdMsg|appendonsend|stopSpelling|zwchr)\b", re.IGNORECASE
)
"""Where Outlook on the web, Hotmail and Zimbra begin a quoted message: not within this element but below it."""
_SIGNATURE_BEGINS = re.compile(r"<br[^<>]*\bid=[\"']?lineBreakAtBeginningOfSignature\b[^<>]*>", re.IGNORECASE)


@dataclass
class _Frame:
    """A framed part of a text, of pieces of text and of frames in it."""

    kind: str
    pieces: list[str | _Frame] = field(default_factory=list)


def own_text_of_mail(html: str) -> str:
    """The text of a mail in HTML, its quotes behind `>`; Outlook's are put below a line that tells them."""
    html = _CUTS.sub(rf"<p>{BELOW_IS_ANOTHERS}</p>\g<0>", html, count=1)
    html = _SIGNATURE_BEGINS.sub(f"<p>{SIGNATURE_MARK}</p>", html)
    tokens = _not_too_deep(_FRAMES.split(text_of_html(html, _is_signature, _frame_of)))
    return re.sub(r"\n{3,}", "\n\n", _text(_framed(tokens, ""))).strip()


def _is_signature(tag: str, attributes: Attributes) -> bool:
    if tag in ("signature", "sign") or "data-sigid" in attributes or "data-signature-widget" in attributes:
        return True
    return any(_SIGNATURES.search(name) and not _NO_SIGNATURES.search(name) for name in _names(attributes))


def _frame_of(tag: str, attributes: Attributes) -> str | None:
    if tag == "blockquote":
        is_marked = attributes.get("type") == "cite" or _names(attributes)
        return None if not is_marked and _INDENTED.search(re.sub(r"\s", "", attributes.get("style", ""))) else _QUOTE
    names = " ".join(_names(attributes))
    if _REPLIES.search(names):
        return _REPLY
    if _ATTRIBUTIONS.search(names):
        return _ATTRIBUTION
    return _QUOTE if _QUOTES.search(names) else None


def _names(attributes: Attributes) -> list[str]:
    return [attributes[key] for key in _NAMING if attributes.get(key)]


def _not_too_deep(tokens: Iterable[str]) -> Iterator[str]:
    """The pieces of a text and the marks of its frames, without those of frames in too many others."""
    depth = 0
    for token in tokens:
        is_begin, is_end = token in (_QUOTE, _REPLY, _ATTRIBUTION), token == FRAME_ENDS
        depth += is_begin
        if not (is_begin or is_end) or depth <= _DEEPEST:
            yield token
        depth -= is_end


def _framed(tokens: Iterator[str], kind: str) -> _Frame:
    """The frame whose text and frames come next, up to its end."""
    frame = _Frame(kind)
    for token in tokens:
        if token == FRAME_ENDS:
            break
        frame.pieces.append(_framed(tokens, token) if _FRAMES.fullmatch(token) else token)
    return frame


def _text(frame: _Frame) -> str:
    """The text of a frame, with what is quoted behind `>`."""
    if frame.kind == _QUOTE or (frame.kind == _REPLY and not _may_hold_answers(frame)):
        return _quoted("".join(_plain(piece) if _is_attribution(piece) else _text_of(piece) for piece in frame.pieces))
    if frame.kind == _REPLY:
        return "".join(map(_text_of, dropwhile(lambda piece: not _is_quote(piece), frame.pieces)))
    if frame.kind == _ATTRIBUTION:  # Thunderbird puts what is written above into it at times
        lines = _plain(frame).rstrip().split("\n")
        return "\n".join(lines[:-1]) + "\n\n"
    return "".join(map(_text_of, frame.pieces))


def _may_hold_answers(frame: _Frame) -> bool:
    """Whether nothing but a line that says who wrote stands before the first quote in a frame."""
    before = list(takewhile(lambda piece: not _is_quote(piece), frame.pieces))
    if len(before) == len(frame.pieces) or any(isinstance(p, _Frame) and not _is_attribution(p) for p in before):
        return False
    text = "".join(map(_plain, before)).strip()
    return "\n" not in text and len(text) <= ATTRIBUTION_CHARACTERS


def _is_quote(piece: str | _Frame) -> bool:
    return isinstance(piece, _Frame) and piece.kind == _QUOTE


def _is_attribution(piece: str | _Frame) -> bool:
    return isinstance(piece, _Frame) and piece.kind == _ATTRIBUTION


def _text_of(piece: str | _Frame) -> str:
    return piece if isinstance(piece, str) else _text(piece)


def _plain(piece: str | _Frame) -> str:
    return piece if isinstance(piece, str) else "".join(map(_plain, piece.pieces))


def _quoted(text: str) -> str:
    lines = text.strip().split("\n")
    return "\n" + "\n".join(f"> {line}".rstrip() for line in lines) + "\n" if any(lines) else ""
