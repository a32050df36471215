"""The input of an example whose output is a user's document: what it answers, its title, or its opening."""

from __future__ import annotations

import unicodedata

from penname.data.readers.base import SourceText
from penname.words import split_words, word_ends

OPENING = 1 / 3
"""The share of an untitled text that becomes the input; the rest is the output. The value is ours."""

ANSWERED_CHARACTERS = 2000
"""Length up to which a text that is answered is part of the input."""


def input_and_output(found: SourceText, emails_as_answers: bool) -> tuple[str, str] | None:
    """The input and the output of an example; None where too little is left to write.

    found: the text that is the target.
    emails_as_answers: whether the input of an email is the one that it answers, where that is known, instead of the
        first third of itself, as in LongLaMP.
    """
    text, title = found.document.text, found.document.title
    if found.answers and (emails_as_answers or not found.is_email):
        answered = found.answers[:ANSWERED_CHARACTERS].strip()
        if found.is_email:
            return f"Write the answer to the following email. title: {title or ''}. text: {answered}", text
        return f'Write the answer to the message: "{answered}"', text
    if not found.is_email and title is not None:
        rated = "" if found.document.rating is None else f" and a rating of {found.document.rating:g}"
        return f'Write the text with the title "{title}"{rated}.', text
    opening, rest = _split_opening(text)
    if not rest:
        return None
    if found.is_email:
        return f"Complete the text of the following email. title: {title or ''}. text: {opening}", rest
    return f'Complete the text that begins: "{opening}"', rest


def _split_opening(text: str) -> tuple[str, str]:
    """Split a text into its opening and the rest; inner white space is kept, and no mark that ends a word is parted."""
    words = split_words(text)
    opening_words = max(1, round(OPENING * len(words)))
    end = max(word_ends(text, words[:opening_words]), default=0)
    while end < len(text) and unicodedata.category(text[end]) in ("Pe", "Pf", "Po"):  # in scripts without spaces
        end += 1
    return text[:end], text[end:].strip()
