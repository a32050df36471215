"""One loaded engine at a time, and a renderer for each model that is prompted."""

from __future__ import annotations

from penname.config import EngineConfig
from penname.engines.base import Engine, OnWritten
from penname.engines.memory import free_memory
from penname.engines.models import arithmetic, load_tokenizer, locate_model
from penname.extensions import Extension, load_callable
from penname.prompts.render import Renderer


class Engines:
    """Holds the engine that was asked for last, so that two models are never in memory together.

    on_written: told how many tokens were written and how many completions ended, for showing progress.
    """

    def __init__(self, on_written: OnWritten) -> None:
        self._on_written = on_written
        self._loaded: tuple[EngineConfig, Engine] | None = None
        self._renderers: dict[tuple[str, str, str], Renderer] = {}

    def engine(self, config: EngineConfig, model: str | None = None) -> Engine:
        """The engine of `config`, with `model` in place of its own; the one loaded before is let go."""
        wanted = config if model is None else config.model_copy(update={"model": model})
        if self._loaded is None or self._loaded[0] != wanted:
            self.release()
            self._loaded = (wanted, make_engine(wanted, self._on_written))
        return self._loaded[1]

    def renderer(self, config: EngineConfig, max_tokens: int, limit: str) -> Renderer:
        """Renders prompts for the model of `config`. limit: the name of the setting that `max_tokens` is of."""
        key = (config.model, config.format, limit)
        if key not in self._renderers:
            self._renderers[key] = Renderer(load_tokenizer(config.model), config.format, max_tokens, limit)
        return self._renderers[key]

    def release(self) -> None:
        """Let go of the loaded engine, before training or another engine needs the memory."""
        if self._loaded is not None:
            close = getattr(self._loaded[1], "close", None)
            self._loaded = None
            if close is not None:
                close()
            del close
            free_memory()


def make_engine(config: EngineConfig, on_written: OnWritten) -> Engine:
    """Load the engine of `config`; an extension is called as `engine(config, on_written)`.

    Raises UserError for a model that is not there or does not load, and an extension that is no such function.
    """
    if isinstance(config.kind, Extension):
        made: Engine = load_callable(config.kind, "engine", "config", "on_written")(config, on_written)
        return made
    if config.kind == "vllm":
        from penname.engines.vllm import VLLMEngine

        return VLLMEngine(locate_model(config.model), dtype=arithmetic(config.dtype), on_written=on_written)
    if config.kind == "openai":
        from penname.engines.openai import OpenAIEngine

        assert config.base_url is not None
        return OpenAIEngine(
            config.base_url, config.model, load_tokenizer(config.model), server=config.server, on_written=on_written
        )
    from penname.engines.local import LocalEngine

    return LocalEngine(config.model, config.dtype, config.rows, on_written)
