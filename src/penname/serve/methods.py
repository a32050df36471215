"""The methods that a server writes with: each has a model, its prompts, and an engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from penname.data.records import Document
from penname.errors import ArgumentError
from penname.generate.by_model import ModelWriter
from penname.generate.request import Request
from penname.generate.writer import model_writers
from penname.serve.backend import LocalBackend
from penname.serve.errors import ApiError


@dataclass(frozen=True)
class ServedMethod:
    """A method and what it writes with.

    name: what clients call it.
    model: names the training of its model, for what is kept of what it wrote.
    writer: retrieves, renders prompts and takes texts apart.
    backend: its engine.
    """

    name: str
    model: str
    writer: ModelWriter
    backend: LocalBackend


class Methods:
    """The methods that are served, the default one last. They must be loaded in the event loop that serves them.

    model: a run's folder, or another model, see `penname.generate.writer.Writer`.
    chosen: the methods of a run to be served; empty for the last one that can write.
    rows: the largest number of texts that an engine writes at once.

    Raises UserError where a model is missing, a method cannot write, or an engine is not the local one.
    """

    def __init__(self, model: str | Path, chosen: Sequence[str], rows: int) -> None:
        writers = model_writers(model, chosen)
        self.served = {name: _served(name, writer, rows) for name, writer in writers.items()}
        self.default = list(self.served)[-1]

    def get(self, name: str | None) -> ServedMethod:
        """A method by its name; None for the default one. Raises ApiError (404)."""
        method = self.served.get(name or self.default)
        if method is None:
            problem = f"found no such method, expected one of {', '.join(self.served)}"
            raise ApiError(404, problem, "model_not_found", "model")
        return method

    @property
    def in_progress(self) -> int:
        """The number of texts that are being written or wait."""
        return sum(method.backend.engine.in_progress for method in self.served.values())

    @property
    def waiting(self) -> int:
        """The number of texts that wait for room."""
        return sum(method.backend.engine.waiting for method in self.served.values())

    @property
    def alive(self) -> bool:
        """Whether all engines go on."""
        return all(method.backend.engine.alive for method in self.served.values())

    def watch_steps(self, on_seconds: Callable[[float], None]) -> None:
        """Have it told how long each step of an engine takes."""
        for method in self.served.values():
            method.backend.engine.on_seconds = on_seconds

    def close(self) -> None:
        """Stop the engines."""
        for method in self.served.values():
            method.backend.close()
            method.writer.close()


def _served(name: str, writer: ModelWriter, rows: int) -> ServedMethod:
    setup = writer.setup
    if setup.engine.kind != "local":
        raise ArgumentError("method", f"{name}: written with an engine of kind {setup.engine.kind}, expected local")
    writer.prepare(Request("One.", [Document("user", "One two."), Document("user", "Two three.")]))  # compiles BM25
    longest = setup.prompt.completion_tokens(with_reasoning=setup.with_reasoning)
    backend = LocalBackend(setup.engine.model, setup.engine.dtype, rows, longest)
    return ServedMethod(name, f"{name} {writer.fingerprint}", writer, backend)
