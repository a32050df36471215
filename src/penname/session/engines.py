"""Keeps one engine loaded at a time, and a renderer for each model that is prompted."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from penname.engine_config import EngineConfig
from penname.engines.base import Engine, OnWritten
from penname.engines.memory import free_memory
from penname.engines.messages import MessageTokenizer
from penname.engines.models import compute_dtype, generation_ends, load_tokenizer, locate_model
from penname.errors import UserError
from penname.extensions import Extension, load_callable
from penname.prompts.render import Renderer


class Engines:
    """Holds the most recently requested engine, so that two models are never in memory together.

    on_written: progress callback, see `OnWritten`.
    locate: the name or folder to load a model from, by its name in the recipe; by default that name.
    say: told what an engine does by itself, each line once; by default nobody is.
    """

    def __init__(
        self, on_written: OnWritten, locate: Callable[[str], str] = str, say: Callable[[str], object] | None = None
    ) -> None:
        self._on_written = on_written
        self._locate = locate
        self._tell = say or (lambda line: None)
        self._told: set[str] = set()
        self._loaded: tuple[EngineConfig, Engine] | None = None
        self._tokenizers: dict[str, Any] = {}
        self._renderers: dict[tuple[str, ...], Renderer] = {}

    def engine(self, config: EngineConfig, model: str | None = None) -> Engine:
        """Load an engine, unless it is the one that is loaded; the previous engine is released.

        config: the engine's settings.
        model: name or folder of the model, instead of the one in `config`.
        """
        requested = config if model is None else config.model_copy(update={"model": model})
        if self._loaded is None or self._loaded[0] != requested:
            self.release()
            self._loaded = (requested, make_engine(requested, self._on_written, self._place(requested), self.say))
        return self._loaded[1]

    def say(self, line: str) -> None:
        """Tell a line, unless it was told before: an engine that is loaded again finds the same."""
        if line not in self._told:
            self._told.add(line)
            self._tell(line)

    def renderer(self, config: EngineConfig, max_tokens: int, limit: str) -> Renderer:
        """The renderer of prompts for a model.

        config: the settings of the model's engine.
        max_tokens: longest prompt, in tokens.
        limit: name of the setting whose value is `max_tokens`, for error messages.
        """
        template = (json.dumps(config.chat_template_kwargs, sort_keys=True), str(config.chat_template_date))
        key = (config.model, str(config.tokenizer_name), config.endpoint, config.format, *template, limit)
        if key not in self._renderers:
            model = self._place(config)
            if config.endpoint == "chat":
                renderer = Renderer(message_tokenizer(model), "chat", max_tokens, limit)
            else:
                renderer = Renderer(
                    self.tokenizer(config),
                    config.format,
                    max_tokens,
                    limit,
                    generation_ends(model),
                    config.chat_template_kwargs,
                    config.chat_template_date,
                )
            self._renderers[key] = renderer
        return self._renderers[key]

    def tokenizer(self, config: EngineConfig) -> Any:
        """The tokenizer of an engine's model, which is loaded once. config: the engine's settings."""
        place = self._place(config)
        if place not in self._tokenizers:
            self._tokenizers[place] = load_tokenizer(place)
        return self._tokenizers[place]

    def _place(self, config: EngineConfig) -> str:
        """What a model, or a server's tokenizer, is loaded from; empty for a server that needs none."""
        name = config.tokenizer_name
        return "" if name is None else self._locate(name)

    def release(self) -> None:
        """Release the loaded engine, before training or another engine needs the memory."""
        if self._loaded is not None:
            close = getattr(self._loaded[1], "close", None)
            self._loaded = None
            if close is not None:
                close()
            del close
            free_memory()


def message_tokenizer(name: str) -> MessageTokenizer:
    """The tokenizer of messages to a chat server.

    name: what the tokenizer of its model is loaded from; empty where that is not known.
    """
    return MessageTokenizer(load_tokenizer(name) if name else None)


def make_engine(config: EngineConfig, on_written: OnWritten, model: str, say: Callable[[str], object]) -> Engine:
    """Load an engine; an extension is called as `engine(config, on_written)`.

    config: the engine's settings.
    on_written: progress callback, see `OnWritten`.
    model: the name or folder that the model, or a server's tokenizer, is loaded from.
    say: told what the engine does by itself.

    Raises UserError for a model that does not exist or cannot be loaded, and for an extension that cannot be called so.
    """
    if isinstance(config.kind, Extension):
        function = load_callable(config.kind, "engine", "config", "on_written")
        engine: Engine = function(config.model_copy(update={"model": model}), on_written)
        if missing := [call for call in ("generate", "score") if not callable(getattr(engine, call, None))]:
            raise UserError(f"engine {config.kind}: found no {missing[0]!r} in what it returned, expected an engine")
        return engine
    if config.kind == "vllm":
        from penname.engines.vllm import VLLMEngine

        return VLLMEngine(locate_model(model), dtype=compute_dtype(config.dtype), on_written=on_written)
    if config.kind == "openai":
        assert config.base_url is not None
        if config.endpoint == "chat":
            from penname.engines.openai_chat import ChatEngine

            tokenizer = message_tokenizer(model)
            return ChatEngine(
                config.base_url,
                config.model,
                tokenizer,
                on_written=on_written,
                say=say,
                chat_template_kwargs=config.chat_template_kwargs,
            )
        from penname.engines.openai import OpenAIEngine

        return OpenAIEngine(
            config.base_url, config.model, load_tokenizer(model), server=config.server, on_written=on_written
        )
    from penname.engines.local import LocalEngine

    return LocalEngine(model, config.dtype, config.batch_size, on_written)
