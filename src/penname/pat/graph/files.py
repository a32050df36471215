"""Saves and loads a trained style model and its features, as two files in a folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from safetensors.torch import load_file, save_file

from penname.pat.graph.style import SKETCH, StyleFeatures, StyleModel
from penname.pat.graph.user_topic import Clusters, Vectors

FEATURES, MODEL = "features.npz", "model.safetensors"


def save_style(folder: Path, features: StyleFeatures, model: StyleModel, clusters: Clusters | None) -> None:
    """Save the model, its fitted features, and the topic clusters of documents without items."""
    centers = np.zeros((0, 0), np.float32) if clusters is None else clusters.centers
    np.savez(
        folder / FEATURES, weight=features.weight, mean=features.mean, deviation=features.deviation, centers=centers
    )
    save_file(model.state_dict(), folder / MODEL)


def load_style(
    folder: Path, encode: Callable[[Sequence[str]], Vectors]
) -> tuple[StyleFeatures, StyleModel, Clusters | None]:
    """Load what `save_style` saved.

    encode: gives sentence embeddings, used if they are part of the features.
    """
    state = load_file(folder / MODEL)
    dimension, width = state["project.weight"].shape
    with np.load(folder / FEATURES) as saved:
        used_encode = encode if width > SKETCH + len(saved["mean"]) else None
        features = StyleFeatures(saved["weight"], saved["mean"], saved["deviation"], used_encode)
        clusters = Clusters(saved["centers"]) if saved["centers"].size else None
    model = StyleModel(width, dimension, seed=0)
    model.load_state_dict(state)
    return features, model.eval(), clusters
