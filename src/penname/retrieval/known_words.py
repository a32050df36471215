"""The words of a profile's texts, kept so that texts that were ranked before need not be tokenized again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Lock

import numpy as np
import numpy.typing as npt

from penname.retrieval.tokens import HashedTexts, TokensName, hash_words

BYTES_OF_TEXT = 250
"""What keeping a text takes beside the hashes of its words."""

Hashes = npt.NDArray[np.uint64]


class KnownWords:
    """The words of one profile's texts as hashes; no text is kept. Several threads may use it.

    size: bytes of memory that it takes.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._hashes: dict[TokensName, Mapping[int, Hashes]] = {}
        self.size = 0

    def hashed(self, query: str, texts: Sequence[str], tokens: TokensName) -> HashedTexts:
        """The words of a query and of a profile's texts, of which those are kept for the next call.

        texts: all of the profile's; of texts that it has no more nothing is kept.
        tokens: how texts are tokenized.
        """
        with self._lock:  # a second thread is faster if it waits for what the first one keeps
            keys = [hash(text) for text in texts]
            known = self._hashes.get(tokens, {})
            new = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
            cut = {**known, **dict(zip(new, _hashes_of(list(new.values()), tokens), strict=True))}
            self._hashes[tokens] = {key: cut[key] for key in keys}
            self.size = sum(map(_size, self._hashes.values()))
        of_each = [*_hashes_of([query], tokens), *(cut[key] for key in keys)]
        return HashedTexts(np.concatenate(of_each), np.cumsum([len(hashes) for hashes in of_each]))


def _hashes_of(texts: Sequence[str], tokens: TokensName) -> list[Hashes]:
    hashed = hash_words(texts, tokens)
    # Copies: a part of all hashes would keep all of them in memory.
    return [part.copy() for part in np.split(hashed.hashes, hashed.ends[:-1])] if texts else []


def _size(kept: Mapping[int, Hashes]) -> int:
    return sum(hashes.nbytes + BYTES_OF_TEXT for hashes in kept.values())
