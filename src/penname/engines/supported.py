"""Checks whether a model can use penname's attention: by its configuration, then by its outputs on a few tokens."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from transformers import AttentionInterface

from penname.engines.packed_attention import PACKED, packed_attention
from penname.engines.packed_sequence import PackedSequence
from penname.engines.shared_prefix import SHARED_PREFIX, SharedPrefixCache, shared_prefix_attention
from penname.errors import UserError

TEST_TEXTS = ((3, 5, 7, 11, 13, 17), (19, 23, 29, 31))
"""Token ids of the test texts, packed into one sequence; no model's attention may mix them."""

PROBE = "penname_probe"

TOLERANCE, TOLERANCE_IN_HALF_PRECISION = 1e-3, 0.3
"""Mean differences of log probabilities from which on rounding cannot be the reason."""


def replace_attention(model: Any, attention: str) -> None:
    """Replace a model's attention by one of our attention functions.

    model: a transformers model; changed in place.
    attention: the function's registered name, `PACKED` for training, `SHARED_PREFIX` for generation and scoring.

    Raises UserError for a model that would compute something else with it, or ignore it.
    """
    reason = _unsupported_by_configuration(model) or _unsupported_by_outputs(model, attention)
    if reason:
        raise UserError(
            f"{type(model).__name__} has {reason}, which the local engine and training do not support (expected a "
            "decoder whose attention transformers lets one replace)"
        )


def _unsupported_by_configuration(model: Any) -> str | None:
    config = model.config.get_text_config()
    layers: Sequence[str] = getattr(config, "layer_types", None) or ()
    kinds = set(layers) - {"full_attention", "sliding_attention"}
    if model._is_stateful or kinds or getattr(config, "num_kv_shared_layers", 0):
        return f"layers of {', '.join(sorted(kinds))}" if kinds else "layers without keys and values of their own"
    return None


@torch.no_grad()
def _unsupported_by_outputs(model: Any, attention: str) -> str | None:
    """Replace the attention; return why the outputs differ from those with transformers' own, None if they agree."""
    texts = [[token % model.config.get_text_config().vocab_size for token in text] for text in TEST_TEXTS]
    model.set_attn_implementation("eager")
    expected = [_log_probs(model(torch.tensor([text], device=model.device), use_cache=False))[0] for text in texts]
    model.set_attn_implementation(attention)
    if model.config._attn_implementation != attention:
        return "attention that cannot be replaced"
    try:
        if _window_in_mask_only(model, texts):
            return "a sliding window that is not passed to its attention"
        actual = _prefill_log_probs(model, texts).split([len(text) for text in texts])
        if attention != PACKED:
            actual = (*actual, *_decode_log_probs(model, texts))
            expected += [log_probs[-1:] for log_probs in expected]
    except UserError as error:
        return str(error)
    except (MemoryError, torch.OutOfMemoryError):  # says nothing about the model
        raise
    except Exception as error:  # a model may do anything with keys and values in an unexpected layout
        return f"attention that fails when replaced by ours ({error!r})"
    tolerance = TOLERANCE if model.dtype == torch.float32 else TOLERANCE_IN_HALF_PRECISION
    difference = max((a - b).abs().mean().item() for a, b in zip(actual, expected, strict=True))
    return None if difference < tolerance else "attention that gives other results than ours"


def cache_name(model: Any) -> str:
    """The name of a model's argument for the key-value cache: transformers renames it in 5.24."""
    return "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"


def _window_in_mask_only(model: Any, texts: Sequence[Sequence[int]]) -> bool:
    """Whether the model has a sliding window, longer than `texts`, that no layer passes to its attention function."""
    config = model.config.get_text_config()
    layers = getattr(config, "layer_types", None) or ["sliding_attention"]
    defined = hasattr(type(config), "sliding_window")  # a configuration accepts any key, used or not
    if not defined or not config.sliding_window or "sliding_attention" not in layers:
        return False
    windows: list[int | None] = []

    def probe(*args: Any, **kwargs: Any) -> Any:
        windows.append(kwargs.get("sliding_window"))
        return packed_attention(*args, **kwargs)

    AttentionInterface.register(PROBE, probe)
    attention = model.config._attn_implementation
    model.set_attn_implementation(PROBE)
    _prefill_log_probs(model, texts)
    model.set_attn_implementation(attention)
    return not any(windows)


def _prefill_log_probs(
    model: Any, texts: Sequence[Sequence[int]], cache: SharedPrefixCache | None = None
) -> torch.Tensor:
    """Log probabilities (tokens, vocabulary) of texts in one packed sequence."""
    packed = PackedSequence()
    for text in texts:
        packed.add_text(text)
    caches = {} if cache is None else {cache_name(model): cache}
    if cache is not None:
        cache.begin_prefill(cache.add_prompts([len(text) for text in texts]), packed.spans)
    out = model(**packed.model_inputs(model.device), use_cache=bool(caches), **caches)
    if cache is not None:
        cache.end_prefill()
    return _log_probs(out)[0]


def _decode_log_probs(model: Any, texts: Sequence[Sequence[int]]) -> torch.Tensor:
    """Log probabilities (texts, 1, vocabulary) after each text, its last token decoded as if it had been sampled."""
    cache = SharedPrefixCache(len(texts), 1, model.device)
    _prefill_log_probs(model, [text[:-1] for text in texts], cache)
    cache.add_sequences([*range(len(texts))])
    last = torch.tensor([[text[-1]] for text in texts], device=model.device)
    caches = {cache_name(model): cache, "shared_prefix": cache}
    return _log_probs(model(last, position_ids=cache.advance(), use_cache=True, **caches))


def _log_probs(out: Any) -> torch.Tensor:
    log_probs: torch.Tensor = out.logits.float().log_softmax(-1)
    return log_probs


AttentionInterface.register(PACKED, packed_attention)
AttentionInterface.register(SHARED_PREFIX, shared_prefix_attention)
