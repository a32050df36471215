"""How much a text repeats itself."""

from __future__ import annotations

from penname.rewards.overlap import word_sequences

WORDS = 8
"""Length of a sequence, in words; people hardly ever repeat one of this length within a text."""


def repeated_share(text: str) -> float:
    """The share, in 0..1, of a text's sequences of `WORDS` words that have occurred in it before.

    It is 0 for a text of fewer words. Words are separated by white space and compared without case.
    """
    sequences = word_sequences(text, WORDS)
    return 1 - len(set(sequences)) / len(sequences) if sequences else 0.0
