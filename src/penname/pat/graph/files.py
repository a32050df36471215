"""Saves and loads a trained style model and its features, as two files in a folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from safetensors.torch import load_file, save_file

from penname.pat.graph.style import SKETCH, StyleFeatures, StyleModel
from penname.pat.graph.user_topic import Clusters, Vectors

FEATURES, MODEL = "features.npz", "model.safetensors"
NAMES_IN_FILE = {"aggregate.lin_l.weight": "hear.lin_l.weight", "message_weight": "beside_own"}
"""The parameters that have another name in the file than in the model."""


def save_style(folder: Path, features: StyleFeatures, model: StyleModel, clusters: Clusters | None) -> None:
    """Save a style model.

    folder: an existing folder.
    features: the fitted features that the model reads.
    model: the trained model.
    clusters: the topic clusters of documents without items; None where all documents have one.
    """
    centers = np.zeros((0, 0), np.float32) if clusters is None else clusters.centers
    np.savez(
        folder / FEATURES, weight=features.weight, mean=features.mean, deviation=features.deviation, centers=centers
    )
    state = model.state_dict()
    save_file({NAMES_IN_FILE.get(name, name): tensor for name, tensor in state.items()}, folder / MODEL)


def load_style(
    folder: Path, encode: Callable[[Sequence[str]], Vectors]
) -> tuple[StyleFeatures, StyleModel, Clusters | None]:
    """Load what `save_style` saved.

    encode: computes normalized sentence embeddings, shape (texts, dimension); used only if the features have them.
    """
    state = load_file(folder / MODEL)
    dimension, width = state["project.weight"].shape
    with np.load(folder / FEATURES) as saved:
        used_encode = encode if width > SKETCH + len(saved["mean"]) else None
        features = StyleFeatures(saved["weight"], saved["mean"], saved["deviation"], used_encode)
        clusters = Clusters(saved["centers"]) if saved["centers"].size else None
    model = StyleModel(width, dimension, seed=0)
    model.load_state_dict({name: state[NAMES_IN_FILE.get(name, name)] for name in model.state_dict()})
    return features, model.eval(), clusters
