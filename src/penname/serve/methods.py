"""The methods that a server writes with: each has a model, its prompts, and an engine."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from penname.data.records import Document
from penname.errors import ArgumentError, UserError
from penname.generate.by_model import ModelWriter
from penname.generate.request import TextRequest
from penname.generate.writer import cold_start_recipe, model_writers
from penname.serve.backend import Backend, LocalBackend
from penname.serve.cold_start import NAME as COLD_START
from penname.serve.cold_start import ColdStart
from penname.serve.errors import ApiError
from penname.serve.remote import RemoteBackend
from penname.serve.vllm_server import find_models

WARM_UP = TextRequest("One.", [Document("user", "One two."), Document("user", "Two three.")])
"""Prepared once when the server starts, as what is compiled and loaded for the first prompt takes seconds."""


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
    backend: Backend


class Methods:
    """The methods that are served, the default one last; PaT is first, and writes for users without documents.

    model: a run's folder, or another model, see `penname.generate.writer.Writer`.
    chosen: the methods of a run to be served; empty for the last one that can write.
    rows: the largest number of texts that the local engine writes at once, and another one for one request.
    engine: address of a vLLM server of the models, ending in /v1; None for the local engine.
    say: told which models of the server are used.
    loop: the event loop that serves them; None for the one that they are loaded in.

    Raises UserError where a model is missing, a method cannot write, or its engine cannot be used.
    """

    def __init__(
        self,
        model: str | Path,
        chosen: Sequence[str],
        rows: int,
        engine: str | None = None,
        say: Callable[[str], object] = lambda line: None,
        loop: AbstractEventLoop | None = None,
    ) -> None:
        if rows < 1:
            raise UserError(f"rows: found {rows}, expected 1 or more")
        writers = model_writers(model, chosen)
        if engine is None:
            backends: dict[str, Backend] = {name: _local(name, writer, rows, loop) for name, writer in writers.items()}
        else:
            backends = _remote(engine, writers, rows, say)
        self.served = {
            name: ServedMethod(name, f"{name} {writer.fingerprint}", writer, backends[name])
            for name, writer in writers.items()
        }
        with_pat = cold_start_recipe(model)
        self.cold_start = None if with_pat is None else ColdStart(Path(model), with_pat)
        self.names = [*([COLD_START] if self.cold_start else []), *self.served]
        self.default = self.names[-1]
        for writer in writers.values():
            writer.prepare(WARM_UP)

    def get(self, name: str | None) -> ServedMethod:
        """A method by its name; None for the default one. Raises ApiError (404)."""
        method = self.served.get(name or self.default)
        if method is None:
            problem = f"found no such method, expected one of {', '.join(self.served) or 'none'}"
            raise ApiError(404, problem, "model_not_found", "model")
        return method

    def check(self, name: str | None) -> None:
        """Raise ApiError (404) for a method that is not served."""
        if name is not None and name not in self.names:
            problem = f"found no such method, expected one of {', '.join(self.names)}"
            raise ApiError(404, problem, "model_not_found", "model")

    @property
    def in_progress(self) -> int:
        """The number of texts that are being written or wait."""
        cold = self.cold_start.in_progress if self.cold_start else 0
        return cold + sum(method.backend.in_progress for method in self.served.values())

    @property
    def waiting(self) -> int:
        """The number of texts that wait for room."""
        return sum(method.backend.waiting for method in self.served.values())

    async def alive(self) -> bool:
        """Whether all engines go on."""
        return all([await method.backend.alive() for method in self.served.values()])

    def watch_steps(self, on_seconds: Callable[[float], None]) -> None:
        """Have it told how long each step of an engine of this process takes."""
        for method in self.served.values():
            method.backend.watch_steps(on_seconds)

    async def close(self) -> None:
        """Stop the engines."""
        for method in self.served.values():
            await method.backend.close()
            method.writer.close()
        if self.cold_start is not None:
            self.cold_start.close()


def _local(name: str, writer: ModelWriter, rows: int, loop: AbstractEventLoop | None) -> LocalBackend:
    setup = writer.setup
    if setup.engine.kind != "local":
        problem = f"{name}: written with an engine of kind {setup.engine.kind}, expected local, or a server as engine"
        raise ArgumentError("method", problem)
    longest = setup.prompt.completion_tokens(with_reasoning=setup.with_reasoning)
    return LocalBackend(setup.engine.model, setup.engine.dtype, rows, longest, loop, writer.opening)


def _remote(
    engine: str, writers: Mapping[str, ModelWriter], rows: int, say: Callable[[str], object]
) -> dict[str, Backend]:
    for name, writer in writers.items():
        if writer.setup.engine.endpoint == "chat":
            raise ArgumentError("method", f"{name}: asked by chat messages, expected a model whose tokenizer is known")
    models = find_models(engine, {name: writer.setup.engine.model for name, writer in writers.items()})
    for name, model in models.items():
        try:
            model.check(writers[name].sampling)
        except ArgumentError as error:
            raise UserError(f"decoding.{error}") from error
        say(f"{name}: {model}")
    return {name: RemoteBackend(model, rows) for name, model in models.items()}
