"""How much a text goes in circles."""

from __future__ import annotations

from penname.rewards.overlap import word_sequences

WORDS = 8
"""Words of a sequence: people hardly ever write so many in the same order twice in one text."""


def repeated_share(text: str) -> float:
    """The share, in 0..1, of a text's sequences of `WORDS` words that have occurred in it before.

    0 for a text of fewer words. Words are what stands between white space, without case.
    """
    sequences = word_sequences(text, WORDS)
    return 1 - len(set(sequences)) / len(sequences) if sequences else 0.0
