"""Ranking by the dot product of sentence embeddings, with a cache so that no text is embedded or ranked twice."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from penname.encoders import Pooling, SentenceEncoder, locate_encoder, warn_truncated
from penname.retrieval.cache import Cache, NoCache, fingerprint, key_of, key_of_ranking

Vector = npt.NDArray[np.float32]

EMBEDDING_BATCH = 64
"""Number of texts embedded between two writes to the cache; a ranking that was killed repeats no more than these."""


class DenseRanking:
    """Ranks documents by the similarity of their embeddings to the query's.

    encoder: a folder or hub id; None is the bundled encoder.
    pooling: how token embeddings become one vector.
    normalize: whether to compare by cosine similarity instead of the plain dot product.
    cached: whether embeddings and rankings are kept on disk.

    An encoder in a folder is loaded only when a text is missing from the cache.
    """

    def __init__(self, encoder: str | None, *, pooling: Pooling, normalize: bool, cached: bool = True) -> None:
        self._name = locate_encoder(encoder)
        self._pooling = pooling
        self._normalize = normalize
        self._cached = cached

    def rank(
        self, queries: Sequence[str], profiles: Sequence[Sequence[str]], on_progress: Callable[[str], None]
    ) -> list[npt.NDArray[np.intp]]:
        """For each query, the indices of its profile's texts by descending score; ties keep the profile's order.

        profiles: the texts of each query's profile.
        on_progress: called with the progress of embedding, in words.
        """
        keys = [key_of_ranking(query, texts) for query, texts in zip(queries, profiles, strict=True)]
        cached = self._cache.read("rankings", set(keys))
        new = {
            key: (query, texts)
            for key, query, texts in zip(keys, queries, profiles, strict=True)
            if key not in cached and texts
        }
        vectors = self.vectors(
            list(dict.fromkeys(text for query, profile in new.values() for text in (query, *profile))), on_progress
        )
        orders = {key: np.frombuffer(order, np.int32).astype(np.intp) for key, order in cached.items()}
        for key, (query, texts) in new.items():
            scores = np.stack([vectors[text] for text in texts]) @ vectors[query]
            orders[key] = np.argsort(-scores, kind="stable")
        self._cache.write("rankings", {key: orders[key].astype(np.int32).tobytes() for key in new})
        return [orders.get(key, np.zeros(0, np.intp)) for key in keys]

    def vectors(
        self, texts: Sequence[str], on_progress: Callable[[str], None], kept: Collection[str] | None = None
    ) -> dict[str, Vector]:
        """The embeddings of distinct texts; those missing from the cache are computed and added to it.

        on_progress: called with the progress of embedding, in words.
        kept: the texts whose embeddings may be added; None for all.
        """
        keys = {text: key_of(text) for text in texts}
        cached = self._cache.read("vectors", keys.values())
        vectors = {text: np.frombuffer(cached[key], np.float32) for text, key in keys.items() if key in cached}
        # Texts of similar length need little padding. The longest come first, so that a lack of memory shows at once.
        missing = sorted((text for text in texts if text not in vectors), key=len, reverse=True)
        truncated = 0
        for start in range(0, len(missing), EMBEDDING_BATCH):
            batch = missing[start : start + EMBEDDING_BATCH]
            new = dict(zip(batch, self._encoder.embed(batch, normalize=self._normalize), strict=True))
            added = {text: vector for text, vector in new.items() if kept is None or text in kept}
            self._cache.write("vectors", {keys[text]: vector.tobytes() for text, vector in added.items()})
            vectors |= new
            truncated += self._encoder.truncated(batch)
            on_progress(f"{start + len(batch)} of {len(missing)} texts embedded")
        if missing:
            warn_truncated(truncated, len(missing), self._encoder.window)
        return vectors

    @cached_property
    def _encoder(self) -> SentenceEncoder:
        return SentenceEncoder(self._name, self._pooling)

    @cached_property
    def _cache(self) -> Cache | NoCache:
        if not self._cached:
            return NoCache()
        # The folder behind a hub id is known only after loading.
        folder = Path(self._name) if Path(self._name).is_dir() else self._encoder.folder
        return Cache(f"{fingerprint(folder)} {self._pooling} {self._normalize}")
