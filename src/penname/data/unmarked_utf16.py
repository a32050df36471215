"""Tells UTF-16 without a byte order mark from texts with a stray NUL, which hardware and broken programs leave."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections import Counter

MANY_ZEROS = 0.2
"""Share of characters from which on zeros beside them tell UTF-16: most in Latin script, the spaces of other ones."""

FEW_VALUES = 0.8
"""Share of characters from which on two values of their higher byte, zero and a script's, tell UTF-16."""

SOME_CONTROLS = 0.005
"""Share of bytes from which on control characters are none, but halves of characters, as in Chinese."""

_LETTERS = 0.98
_CONTROLS = re.compile(rb"[\x01-\x08\x0e-\x1a\x1c-\x1f]")


def unmarked_utf16(head: bytes) -> str | None:
    """The encoding of a text's first bytes where it is UTF-16, by its zeros; None for any other."""
    whole = head[: len(head) // 2 * 2]
    if b"\0" not in whole:
        return None
    sides = (whole[::2], whole[1::2])
    high = sides[1] if len(set(sides[1])) < len(set(sides[0])) else sides[0]  # higher bytes vary less
    low = sides[0] if high is sides[1] else sides[1]
    zeros = high.count(0)
    has_many = zeros >= MANY_ZEROS * len(high) and low.count(0) <= zeros / 50
    if not (has_many or _is_of_one_script(high, zeros, whole)):
        return None
    encoding = "utf-16-le" if high is sides[1] else "utf-16-be"
    text = whole.decode(encoding, "replace").rstrip("\ufffd")
    letters = sum(unicodedata.category(letter) not in ("Cc", "Cn", "Co") or letter in "\r\n\t\f" for letter in text)
    return encoding if letters - 2 * text.count("\ufffd") > _LETTERS * len(text) else None


def _is_of_one_script(high: bytes, zeros: int, whole: bytes) -> bool:
    """Whether few zeros tell UTF-16: higher bytes are of one script beside them, or the bytes are no text without."""
    common = Counter(high).most_common(3)
    has_zeros = zeros > len(high) / 100 and any(value == 0 for value, _ in common)
    if has_zeros and sum(count for _, count in common[:2]) >= FEW_VALUES * len(high):
        return True
    rest = whole.replace(b"\0", b"")
    return len(_CONTROLS.findall(rest)) >= SOME_CONTROLS * len(whole) and not _is_utf8(rest)


def _is_utf8(raw: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(raw)
    except UnicodeDecodeError:
        return False
    return True
