"""A checkpoint's tokenizer without transformers, whose import takes longer than generating a text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from penname.engines.models import load_tokenizer, locate_model

SPECIAL_TOKENS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
SUPPORTED_SETTINGS: Mapping[str, tuple[Any, ...]] = {
    "backend": ("tokenizers",),
    "tokenizer_class": ("TokenizersBackend", "PreTrainedTokenizerFast"),
    "clean_up_tokenization_spaces": (None, False),
    "add_prefix_space": (None, False),
    "split_special_tokens": (None, False),
    "additional_special_tokens": (None, []),
    "extra_special_tokens": (None, [], {}),
    "added_tokens_decoder": (None, {}),
}
"""Settings under which tokenizer.json defines the tokenizer completely; with others transformers changes something."""


@dataclass(frozen=True)
class TokenizedText:
    """What `LightTokenizer` returns for a text."""

    input_ids: list[int]


class LightTokenizer:
    """The part of a tokenizer that a renderer needs, with the names and results of transformers' tokenizers.

    tokenizer: a `tokenizers.Tokenizer`.
    settings: the contents of tokenizer_config.json.
    chat_template: a Jinja template; None for a model without one.
    """

    def __init__(self, tokenizer: Any, settings: Mapping[str, Any], chat_template: str | None) -> None:
        self._tokenizer = tokenizer
        self._special = {name: _text(settings[name]) for name in SPECIAL_TOKENS if settings.get(name) is not None}
        self.chat_template = chat_template
        self.bos_token = self._special.get("bos_token")

    @property
    def eos_token_id(self) -> int | None:
        """The end-of-text token; None where there is none."""
        name = self._special.get("eos_token")
        token_id: int | None = None if name is None else self._tokenizer.token_to_id(name)
        return token_id

    @property
    def all_special_ids(self) -> list[int]:
        """The ids of all special tokens."""
        return [self._tokenizer.token_to_id(token) for token in dict.fromkeys(self._special.values())]

    @property
    def added_tokens_decoder(self) -> Mapping[int, Any]:
        """The tokens beside the vocabulary, by their ids."""
        found: Mapping[int, Any] = self._tokenizer.get_added_tokens_decoder()
        return found

    def __call__(self, text: str, *, add_special_tokens: bool) -> TokenizedText:
        """Tokenize a text.

        add_special_tokens: whether to add those that the tokenizer puts before or after every text.
        """
        return TokenizedText(self._tokenizer.encode(text, add_special_tokens=add_special_tokens).ids)

    def decode(self, tokens: Sequence[int], *, skip_special_tokens: bool) -> str:
        """The text of token ids.

        skip_special_tokens: whether special tokens are not part of it.
        """
        text: str = self._tokenizer.decode(list(tokens), skip_special_tokens=skip_special_tokens)
        return text

    def apply_chat_template(
        self, turns: Sequence[Mapping[str, str]], *, tokenize: bool, add_generation_prompt: bool, **arguments: Any
    ) -> str:
        """The conversation as text.

        turns: messages, each with `role` and `content`.
        tokenize: must be False.
        add_generation_prompt: whether the text ends where the assistant's turn begins.
        arguments: whatever else the template is given.
        """
        assert not tokenize
        given = {"tools": None, "documents": None, **self._special, **arguments}
        text: str = self._template.render(messages=turns, add_generation_prompt=add_generation_prompt, **given)
        return text

    @cached_property
    def _template(self) -> Any:
        from jinja2.ext import loopcontrols
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
        return environment.from_string(self.chat_template or "")


def load_light_tokenizer(name: str) -> Any:
    """The tokenizer of a model, sufficient to render prompts and decode completions.

    It is transformers' tokenizer where the checkpoint's settings or chat template need it.

    name: see `locate_model`.

    Raises UserError where there is none.
    """
    folder = Path(locate_model(name))
    return _light_tokenizer(folder) or load_tokenizer(name)


def _light_tokenizer(folder: Path) -> LightTokenizer | None:
    definition, config, template = (
        folder / name for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
    )
    if not (definition.is_file() and config.is_file()):
        return None
    from tokenizers import Tokenizer

    settings = json.loads(config.read_text(encoding="utf-8"))
    if "chat_template" in settings or any(
        settings.get(name) not in values for name, values in SUPPORTED_SETTINGS.items()
    ):
        return None
    text = template.read_text(encoding="utf-8") if template.is_file() else None
    if text is not None and any(word in text for word in ("generation %", "strftime_now", "raise_exception", "tojson")):
        return None
    return LightTokenizer(Tokenizer.from_file(str(definition)), settings, text)


def _text(token: Any) -> str:
    return str(token["content"] if isinstance(token, dict) else token)
