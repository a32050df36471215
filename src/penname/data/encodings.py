"""Tells the encodings of people's files, which programs name nowhere: UTF-8 wherever that can be, else by chardet.

A guess is one for a whole file, and where there are several files one that fits most of them.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from penname.data.records import Place
from penname.data.rows import ARCHIVE_ERRORS, COUNTED_BYTES, open_bytes
from penname.data.unmarked_utf16 import unmarked_utf16
from penname.errors import ArgumentError

ENCODINGS = (
    *("cp1252", "cp1251", "gb18030", "cp932", "cp949", "big5hkscs", "cp1250", "koi8-r", "cp1256", "cp1255", "cp1253"),
    *("cp1254", "cp874", "cp1257", "iso8859-2", "iso8859-5", "iso8859-7", "euc_jis_2004", "iso2022_jp_2", "koi8-u"),
    *("cp866", "cp850", "mac-roman"),
)
"""The encodings that are guessed, the most widespread first; cp1252 stands for ISO 8859-1 too, and so on."""

SAMPLE_BYTES = 2**17
"""How much of a file's lines that are not ASCII is looked at."""

FEW_LETTERS, SURE, UNSURE = 10, 0.98, 0.85
"""With fewer letters that are not ASCII, an encoding may be this much less likely than the best and still be taken for
being more widespread."""

_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_VALID_UTF8 = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_QUOTES = re.compile(rb"[\x80\x85\x91-\x97\xa0]")
"""Typographic quotes, dashes and the like, in the encodings of Windows alone."""
_IN_NO_TEXT = frozenset("ÿ÷×¬¦¶¤¸¨¯Žฃฅ")
"""Characters that are hardly in texts, and are what bytes of other encodings look like."""
_LETTERS = {
    "cp1252": (
        *("àâäáãåæçèéêëìíîïñòóôõöøùúûüßœªº", "äåæöøõšž"),  # Western, Northern
        *("áéíóúýæöðþ", "áíóúýæøð"),  # Icelandic, Faroese
    ),
    "cp1254": ("çğıiöşüâîû",),  # Turkish
    "cp1257": ("ąčęėįšųūž", "āčēģīķļņšūž", "äõöüšž"),  # Lithuanian, Latvian, Estonian
    "cp1250": (
        *("ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű"),  # Polish, Czech, Slovak, Hungarian
        *("čćđšž", "ăâîşţ"),  # those of former Yugoslavia, Romanian
    ),
}
"""The letters that are not ASCII, of the languages written in each encoding of Latin letters."""
_LETTERS["iso8859-2"] = _LETTERS["cp1250"]
_TURKISH, _TURKISH_COUNT = "ğışi", 1.1
"""Letters that count more, as far fewer people write Icelandic, which has the same bytes."""
_NO_TURKISH = re.compile(r"\b[ğĞ]")
"""What no Turkish word begins with, but many of the Baltic languages do with the same byte."""
_FIT_DIFFERS, _FITTING = 0.05, 0.65
"""How much larger a share of the letters has to be of one language, for an encoding to be taken for that, and how
likely it has to be, compared with the best."""
_WORD = re.compile(r"[^\W\d_]*[A-Za-zÀ-ɏ][^\W\d_]*")
_NOT_LATIN = re.compile("[Ͱ-ԯ\u0590-\u06ff]")
"""Letters of scripts that stand in no word with Latin ones: Greek, Cyrillic, Hebrew, Arabic."""
_FAULTY = 0.1
"""Share of letters that are not ASCII, from which on those that are in no text tell that an encoding is another one."""
_PIECE_BYTES = 2**15
"""How much of a sample is looked at letter by letter."""
_NAMED = 3
_STRAY_NULS = 3
_CONTROLS = re.compile(rb"[\x01-\x08\x0e-\x1a\x1c-\x1f]")


def check_encoding(name: str | None) -> None:
    """Raise ArgumentError unless Python knows this encoding of texts; None is any."""
    try:
        b"a".decode("utf-8" if name is None else name)
    except UnicodeError:  # one byte is too few for some
        return
    except (LookupError, ValueError):
        expected = "expected one such as utf-8, cp1252, gb18030 or shift_jis"
        raise ArgumentError("encoding", f"found {name!r}, {expected}") from None


def encodings_of(files: Sequence[Place], say: Callable[[str], None]) -> dict[str, str]:
    """The encodings of those files that are not UTF-8, by their paths; they are told in a line for each encoding.

    say: called with that line.
    """
    marked: dict[str, str] = {}
    guessed: dict[str, str] = {}
    samples: dict[str, bytes] = {}
    for file in files:
        head, sample = _look_at(file)
        encoding = marked_encoding(head)
        if encoding is not None:
            (marked if _byte_order_mark(head) else guessed)[str(file)] = encoding
        elif not is_binary(head) and not is_utf8(sample):
            samples[str(file)] = sample
    pooled = guess_encoding(b"\n".join(samples.values())[: 4 * SAMPLE_BYTES]) if len(samples) > 1 else None
    guessed |= {file: guess_encoding(sample, pooled) for file, sample in samples.items()}
    for encoding in sorted(set(guessed.values()) - {"utf-8"}):
        names = [file for file, of_file in guessed.items() if of_file == encoding]
        named = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
        say(f"{named}: not UTF-8, read as {encoding} unless another encoding is named")
    return {file: encoding for file, encoding in {**marked, **guessed}.items() if encoding != "utf-8"}


def decoded(raw: bytes, named: str | None) -> str:
    """The text of a whole file.

    named: the encoding that it names, which is believed where the bytes are valid in it and no UTF-8.
    """
    encoding = marked_encoding(raw)
    if encoding is None and not is_utf8(raw):
        try:
            return raw.decode(named or "")
        except (LookupError, UnicodeError, ValueError):
            encoding = guess_encoding(b"".join(line for line in raw.splitlines(keepends=True) if not line.isascii()))
    return raw.decode(encoding or "utf-8", "replace").removeprefix("\ufeff")


def marked_encoding(head: bytes) -> str | None:
    """The encoding that a byte order mark names, or UTF-16 that zeros tell; None for any other."""
    return _byte_order_mark(head) or unmarked_utf16(head)


def _byte_order_mark(head: bytes) -> str | None:
    return next((encoding for mark, encoding in _BYTE_ORDER_MARKS.items() if head.startswith(mark)), None)


def is_binary(head: bytes) -> bool:
    """Whether bytes are no text in any encoding: many of them are control characters."""
    head = head.rstrip(b"\0")  # with which a crash fills a file up
    others, nuls = len(_CONTROLS.findall(head)), head.count(0)
    return marked_encoding(head) is None and (others > len(head) / 100 or nuls > max(len(head) / 100, _STRAY_NULS))


def is_utf8(sample: bytes) -> bool:
    """Whether bytes are UTF-8, with faults that are fewer than its characters of several bytes."""
    if b"\x1b$" in sample:  # Japanese in seven bits
        return False
    return _faults(sample) <= len(_VALID_UTF8.findall(sample))


def _faults(sample: bytes) -> int:
    return len(_NOT_ASCII.findall(_VALID_UTF8.sub(b"", sample)))


def guess_encoding(sample: bytes, likely: str | None = None) -> str:
    """The encoding of bytes that are not UTF-8; UTF-8 where they are hardly of any, as where some are broken.

    sample: whole lines; those that are ASCII tell nothing.
    likely: the encoding of most files beside it, which is taken where it is nearly as likely as the best one.
    """
    import chardet

    if (few := _NOT_ASCII.findall(sample)) and len(few) <= 2 and not _is_plausible(sample, "cp1252"):
        return "utf-8"
    if not _NOT_ASCII.search(_QUOTES.sub(b"", sample)) and b"\x1b" not in sample:
        return "cp1252"
    found = chardet.detect_all(sample, ignore_threshold=True, include_encodings=ENCODINGS, compat_names=False)
    scores = {str(result["encoding"]): result["confidence"] for result in found if result["encoding"] in ENCODINGS}
    scores = {encoding: score for encoding, score in scores.items() if _is_valid(sample, encoding)}
    if not scores:
        return "utf-8"
    piece = sample[:_PIECE_BYTES]
    scores = {encoding: score for encoding, score in scores.items() if not _is_faulty(piece, encoding)} or scores
    scores = _of_one_language(piece, scores)
    best = max(scores.values())
    if likely in scores and scores[likely] >= UNSURE / 2 * best:
        return likely
    least = (SURE if len(few) >= FEW_LETTERS else UNSURE) * best
    near = [encoding for encoding, score in scores.items() if score >= least]
    plausible = [encoding for encoding in near if _is_plausible(sample, encoding)]
    return min(plausible or near, key=ENCODINGS.index)


def _is_valid(sample: bytes, encoding: str) -> bool:
    """Whether hardly any of the bytes is invalid."""
    return sample.decode(encoding, "replace").count("\ufffd") <= len(sample) / 1000


def _is_faulty(sample: bytes, encoding: str) -> bool:
    """Whether many characters are in no text: control characters, rare Korean syllables, two scripts in a word."""
    text = sample.decode(encoding, "replace")
    faults = sum("\x80" <= letter < "\xa0" for letter in text)
    if encoding == "cp949":
        faults += sum(len(letter.encode("euc_kr", "replace")) > 2 for letter in text if not letter.isascii())
    faults += sum(len(_NOT_LATIN.findall(word)) for word in _WORD.findall(text) if not word.isascii())
    return faults > _FAULTY * sum(not letter.isascii() for letter in text)


def _of_one_language(sample: bytes, scores: dict[str, float]) -> dict[str, float]:
    """The encodings without those of Latin letters in which fewer letters are of one language than in another."""
    latin = {encoding: scores[encoding] for encoding in _LETTERS if encoding in scores}
    least = _FITTING * max(latin.values(), default=0)
    fits = {encoding: _fit(sample, encoding) for encoding, score in latin.items() if score >= least}
    best = max(fits.values(), default=0)
    return {encoding: score for encoding, score in scores.items() if fits.get(encoding, best) > best - _FIT_DIFFERS}


def _fit(sample: bytes, encoding: str) -> float:
    """The share of letters that are of one language, the one with most."""
    text = sample.decode(encoding, "replace")
    if encoding == "cp1254":
        text = _NO_TURKISH.sub("ð", text)
    counts = Counter(letter.lower()[0] for letter in text if letter > "\x7f" and letter.isalpha())
    more = _TURKISH if encoding == "cp1254" else ""
    most = max(
        sum(counts[letter] * (_TURKISH_COUNT if letter in more else 1) for letter in letters)
        for letters in _LETTERS[encoding]
    )
    return most / counts.total() if counts else 1.0


def _is_plausible(sample: bytes, encoding: str) -> bool:
    """Whether the bytes that are not ASCII are letters as they stand in words, or signs."""
    text = sample.decode(encoding, "replace")
    return all(
        letter not in _IN_NO_TEXT
        and letter != "\ufffd"
        and not (letter.isupper() and text[at - 1 : at].islower())  # as where the second byte of a letter is missing
        for at, letter in enumerate(text)
        if not letter.isascii()
    )


def _look_at(file: Place) -> tuple[bytes, bytes]:
    """A file's first bytes, and its first lines that are not ASCII; what can be read of them."""
    head, sample = b"", b""
    with suppress(OSError, *ARCHIVE_ERRORS):  # its reader names what is wrong with it
        for chunk in _chunks(file):
            if not head:
                head = chunk[:SAMPLE_BYTES]
                if marked_encoding(head) is not None:
                    break
            if not chunk.isascii() or b"\x1b$" in chunk:
                lines = chunk.splitlines(keepends=True)
                sample += b"".join(line[:SAMPLE_BYTES] for line in lines if not line.isascii() or b"\x1b$" in line)
            if len(sample) >= SAMPLE_BYTES:
                break
    return head, sample


def _chunks(file: Place) -> Iterator[bytes]:
    """A file's bytes in pieces of whole lines."""
    with open_bytes(file) as opened:
        while chunk := opened.read(COUNTED_BYTES):
            yield chunk + opened.readline(SAMPLE_BYTES)
