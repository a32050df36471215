"""Ranking by the dot product of sentence vectors; no text is embedded twice and no search ranked twice, ever."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from penname.encoders import Pooling, SentenceEncoder, locate_encoder, warn_truncated
from penname.retrieval.store import Store, fingerprint, key_of, key_of_search

Vector = npt.NDArray[np.float32]

EMBEDDED_AT_ONCE = 64
"""Texts between two writes to the cache: what a killed ranking repeats at most."""


class DenseRanking:
    """encoder: a folder or hub id; None is the bundled one. normalize: compare by cosine.

    An encoder in a folder is loaded only once a text is not in the cache.
    """

    def __init__(self, encoder: str | None, *, pooling: Pooling, normalize: bool) -> None:
        self._name = locate_encoder(encoder)
        self._pooling = pooling
        self._normalize = normalize

    def rank(
        self, queries: Sequence[str], profiles: Sequence[Sequence[str]], tell: Callable[[str], None]
    ) -> list[npt.NDArray[np.intp]]:
        """For each query the places of its profile's texts, best first; equal scores in the profile's order.

        tell: is called with how far embedding is.
        """
        keys = [key_of_search(query, texts) for query, texts in zip(queries, profiles, strict=True)]
        kept = self._store.read("rankings", set(keys))
        new = {
            key: (query, texts)
            for key, query, texts in zip(keys, queries, profiles, strict=True)
            if key not in kept and texts
        }
        vectors = self.vectors(list(dict.fromkeys(text for query, own in new.values() for text in (query, *own))), tell)
        orders = {key: np.frombuffer(order, np.int32).astype(np.intp) for key, order in kept.items()}
        for key, (query, texts) in new.items():
            scores = np.stack([vectors[text] for text in texts]) @ vectors[query]
            orders[key] = np.argsort(-scores, kind="stable")
        self._store.write("rankings", {key: orders[key].astype(np.int32).tobytes() for key in new})
        return [orders.get(key, np.zeros(0, np.intp)) for key in keys]

    def vectors(self, texts: Sequence[str], tell: Callable[[str], None]) -> dict[str, Vector]:
        """Vectors of distinct texts; those that are new are embedded and kept. tell: as `rank` calls it."""
        keys = {text: key_of(text) for text in texts}
        kept = self._store.read("vectors", keys.values())
        vectors = {text: np.frombuffer(kept[key], np.float32) for text, key in keys.items() if key in kept}
        # Batches of like length waste no padding; the longest first, so that memory runs out at once if it does.
        missing = sorted((text for text in texts if text not in vectors), key=len, reverse=True)
        truncated = 0
        for start in range(0, len(missing), EMBEDDED_AT_ONCE):
            part = missing[start : start + EMBEDDED_AT_ONCE]
            new = dict(zip(part, self._encoder.embed(part, normalize=self._normalize), strict=True))
            self._store.write("vectors", {keys[text]: vector.tobytes() for text, vector in new.items()})
            vectors |= new
            truncated += self._encoder.truncated(part)
            tell(f"{start + len(part)} of {len(missing)} texts embedded")
        if missing:
            warn_truncated(truncated, len(missing), self._encoder.window)
        return vectors

    @cached_property
    def _encoder(self) -> SentenceEncoder:
        return SentenceEncoder(self._name, self._pooling)

    @cached_property
    def _store(self) -> Store:
        # What a hub id stands for is known once it is loaded.
        folder = Path(self._name) if Path(self._name).is_dir() else self._encoder.folder
        return Store(f"{fingerprint(folder)} {self._pooling} {self._normalize}")
