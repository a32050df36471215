"""The bytes of a mail's parts, as their transfer encodings say; what is broken is read as far as it can be."""

from __future__ import annotations

import base64
import binascii
import re
from email.message import Message
from typing import Any

from penname.data.load_report import LoadReport
from penname.data.records import Location

_BASE64 = re.compile(r"[A-Za-z0-9+/]*")
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/]")


def bytes_of_part(part: Message, location: Location, report: LoadReport) -> bytes:
    """The bytes of a part that is no multipart.

    location: where the message stands.
    report: told what is broken.
    """
    payload: Any = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return b""
    if str(part.get("Content-Transfer-Encoding", "")).strip().lower() != "base64":
        return payload
    encoded = str(part.get_payload())
    found = _of_base64(encoded)
    if found is None:
        report.note(location.error(None, "a text that is not base64", "base64", "broken base64"))
        return encoded.encode("utf-8", "surrogateescape")
    decoded, is_whole = found
    if not is_whole:
        report.note(location.error(None, "broken base64, read as far as it can be", "base64", "broken base64"))
    return decoded


def _of_base64(encoded: str) -> tuple[bytes, bool] | None:
    """What base64 encodes, and whether all of it could be read; None for a text that is no base64.

    A fault costs its line, for lines begin anew; what programs wrote below it in plain text is left out.
    """
    lines = [line.strip() for line in encoded.splitlines() if line.strip()]
    if lines and " " in lines[0]:
        return None
    joined = "".join(lines)
    letters = joined.rstrip("=")
    if _BASE64.fullmatch(letters):
        return _padded(letters), len(letters) % 4 != 1
    pieces = []
    for line in lines:
        if " " in line:
            break
        pieces.append(_padded(_NOT_BASE64.sub("", line)))
    return b"".join(pieces), False


def _padded(letters: str) -> bytes:
    """What letters of base64 encode, whose padding is missing; without the last one where it is a letter too many."""
    whole = letters[:-1] if len(letters) % 4 == 1 else letters
    try:
        return base64.b64decode(whole + "=" * (-len(whole) % 4))
    except binascii.Error:
        return b""
