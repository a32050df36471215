"""The texts of a mail's parts and headers: transfer encodings, encodings of characters, guesses at wrong ones.

Every guess and every replaced byte is noted.
"""

from __future__ import annotations

import codecs
import re
from contextlib import suppress
from email.errors import MessageError
from email.header import decode_header
from email.message import Message

from penname.data.encodings import guess_encoding, is_utf8
from penname.data.load_report import LoadReport
from penname.data.readers.mail_bytes import bytes_of_part
from penname.data.readers.mail_charsets import encoding_instead, is_utf8_instead
from penname.data.records import Location

_REPLACED = "\ufffd"
_LARGER = {
    "iso8859-1": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
    "iso2022_jp": "iso2022_jp_ext",
}
"""What programs mean by the encodings that lack characters they use, by the names that Python gives these."""

_OTHER_NAMES = {
    "iso-8859-8-i": "iso8859-8",
    "iso-8859-8-e": "iso8859-8",
    "iso-8859-6-i": "iso8859-6",
    "unicode-1-1-utf-7": "utf-7",
    "x-unicode-2-0-utf-7": "utf-7",
    "x-gbk": "gb18030",
    "x-sjis": "cp932",
    "x-euc-jp": "euc_jp",
    "x-x-big5": "big5hkscs",
    "windows-874": "cp874",
    "windows-949": "cp949",
    "cp50220": "iso2022_jp",
    "cp50221": "iso2022_jp",
    "iso-2022-jp-ms": "iso2022_jp",
}
"""Encodings that Python knows by another name."""

_ASCII, _UTF_8, _JAPANESE = "ascii", "utf-8", "iso2022_jp"
_SHIFT = re.compile(rb"\x1b(\$[@B]|\([BIJ])([^\x1b]*)")


def text_of_part(part: Message, location: Location, report: LoadReport) -> str:
    """The text of a part that is no multipart, as its headers say that it is encoded.

    location: where the message stands.
    report: told what is guessed, replaced or broken.
    """
    return _decoded(bytes_of_part(part, location, report), part.get_content_charset(), location, report)


def header_of(message: Message, name: str, location: Location, report: LoadReport) -> str:
    """A header in a line, as `text_of_part` decodes; empty where there is none."""
    return decoded_words(raw_header_of(message, name, location, report), location, report)


def raw_header_of(message: Message, name: str, location: Location, report: LoadReport) -> str:
    """A header in a line, whose encoded words (RFC 2047) are left as they are: those of addresses may be commas."""
    values = (value for field, value in message.raw_items() if field.lower() == name.lower())
    raw = str(next(values, "")).encode("utf-8", "surrogateescape")
    if raw.isascii() or _is_valid(raw, _UTF_8):
        text = raw.decode()
    else:
        parts = (part.get_content_charset() for part in message.walk())
        text = _decoded(raw, next((charset for charset in parts if charset), None), location, report, name)
    return " ".join(text.split())


def decoded_words(header: str, location: Location, report: LoadReport) -> str:
    """A header with its encoded words decoded; as it is where they are malformed."""
    if "=?" not in header:
        return header
    with suppress(ValueError, MessageError):
        pieces = [
            piece if isinstance(piece, str) else _of_header(piece, charset, location, report)
            for piece, charset in decode_header(header)
        ]
        return " ".join("".join(pieces).encode("utf-8", "replace").decode().split())
    return header


def _of_header(piece: bytes, charset: str | None, location: Location, report: LoadReport) -> str:
    if charset is None:  # not encoded, and in the form in which the email package keeps it
        return piece.decode("raw-unicode-escape")
    return _decoded(piece, charset.partition("*")[0].lower(), location, report)


def _is_valid(raw: bytes, encoding: str) -> bool:
    try:
        raw.decode(encoding)
    except UnicodeError:
        return False
    return True


def _decoded(raw: bytes, charset: str | None, location: Location, report: LoadReport, field: str | None = None) -> str:
    """The text of bytes. Where they are not in the encoding that is named, another is guessed or bytes are replaced.

    charset: the encoding that is named.
    field: the header in which they stand.
    """
    encoding = _python_name(charset)
    if encoding and encoding not in (_ASCII, _UTF_8) and is_utf8_instead(raw, encoding):
        return _guessed(raw, _UTF_8, charset, location, report, field)
    if b"\x1b$" in raw and not (encoding or "").startswith("iso2022"):
        return _guessed(raw, guess_encoding(raw), charset, location, report, field)
    larger = _LARGER.get(encoding or "")
    for name in (larger, encoding or _UTF_8):
        if name is not None:
            with suppress(ValueError, LookupError):
                text = raw.decode(name)
                instead = None if name == _UTF_8 or text.isascii() else encoding_instead(raw, text, name)
                return _guessed(raw, instead, charset, location, report, field) if instead else text
    if encoding == _JAPANESE and (japanese := _windows_japanese(raw)) is not None:
        return japanese
    if encoding in (None, _ASCII, _UTF_8) and not (encoding == _UTF_8 and is_utf8(raw)):
        guess = _UTF_8 if is_utf8(raw) else guess_encoding(raw)
        return _guessed(raw, guess, charset, location, report, field)
    text = raw.decode(encoding or _UTF_8, "replace")
    likelier = encoding_instead(raw, text, larger or encoding or _UTF_8)
    if likelier is not None:
        return _guessed(raw, likelier, charset, location, report, field)
    found = f"{text.count(_REPLACED)} byte sequences that are not {charset}"
    report.note(location.error(field, found, charset or "UTF-8", "invalid bytes, replaced"))
    return text


def _guessed(
    raw: bytes, guess: str, charset: str | None, location: Location, report: LoadReport, field: str | None
) -> str:
    """The text of bytes in an encoding that is guessed, which is noted."""
    found = f"an unknown encoding, guessed to be {guess}"
    report.note(location.error(field, found, charset or "UTF-8", "encoding guessed"))
    return raw.decode(guess, "replace")


def _python_name(charset: str | None) -> str | None:
    """The name that Python gives an encoding of texts; None for what is none."""
    try:
        encoding = codecs.lookup(_OTHER_NAMES.get(charset or "", charset or "")).name
        b"".decode(encoding, "replace")
    except (LookupError, ValueError):
        return None
    return encoding


def _windows_japanese(raw: bytes) -> str | None:
    """The text of ISO-2022-JP with signs that only Windows has in it, such as digits in circles; None for others."""
    with suppress(UnicodeError):
        return _SHIFT.sub(_as_euc, raw).decode("euc_jis_2004")
    return None


def _as_euc(shifted: re.Match[bytes]) -> bytes:
    kind, letters = shifted.groups()
    if kind in (b"(B", b"(J"):
        return letters
    eighth_bit = (bytes([letter | 0x80]) if letter > 0x20 else bytes([letter]) for letter in letters)
    return b"".join(b"\x8e" + letter if kind == b"(I" else letter for letter in eighth_bit)
