"""A small language model trained from scratch: a word-level tokenizer, and a Llama with a language-modelling loss.

For data that needs no knowledge of the world, such as the control corpus: a model that learns in a minute all there is
to know about it is a hundred times as fast to train and to sample from as the bundled one.

It has one skill from the start: to look up what followed an earlier occurrence of a word. Language models acquire it in
their first billions of tokens, as pairs of attention heads (Olsson et al. 2022, "In-context Learning and Induction
Heads", arXiv:2209.11895); a model trained on a few million never does. So the weights are initialized with one such
pair, which is trained with the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from penname.training.checkpoints import save_model

END_TOKEN, UNKNOWN_TOKEN = "<|end|>", "<|unknown|>"
_PIECE = r" ?\w+| ?[^\w\s]+|\s+"
"""A word or punctuation with the space before it, so that the tokens joined are the text."""
IGNORE_INDEX = -100
"""Label of padding, which the loss ignores."""

INITIALIZER_RANGE = 0.02
"""Standard deviation of the initial weights outside the induction heads."""
ROPE_BASE = 1e8
"""Base of the rotary embeddings: high, so that more of a head's dimensions hardly rotate over a prompt's length."""
LOOKUP_DISTANCE = 300
"""Distance in tokens over which an earlier occurrence must be recognized."""
CODE, CONSTANT = 0.3, 0.6
"""Entries of the embeddings: plus or minus CODE in the code's dimensions, and CONSTANT in the last one."""
PREVIOUS_TOKEN_SCALE, INDUCTION_SCALE = 90.0, 1.5
"""Scales of the attention scores of the previous-token head and of the induction head."""
PREVIOUS_TOKEN_OUTPUT, INDUCTION_OUTPUT = 0.2, 1.2
"""Scales of the two heads' outputs."""


@dataclass(frozen=True)
class PretrainingSettings:
    """The model's size and how it is trained.

    hidden, layers, heads: size of the hidden state, and numbers of layers and of attention heads, at least 2 each.
    max_tokens: longest text, in tokens.
    steps: number of optimizer steps.
    batch_size: texts in a step.
    learning_rate: of the first step after the warm-up; it decreases linearly to 0.
    warmup_steps: steps in which the learning rate increases linearly from 0.
    """

    hidden: int = 64
    layers: int = 2
    heads: int = 2
    max_tokens: int = 1024
    steps: int = 2000
    batch_size: int = 8
    learning_rate: float = 3e-3
    warmup_steps: int = 50


def make_tokenizer(texts: Iterable[str]) -> Any:
    """Make a tokenizer whose vocabulary is the words of some texts, each with and without a space before it."""
    words = {word for text in texts for word in re.findall(_PIECE, text)}
    words |= {variant for word in words for variant in (word.strip(), f" {word.strip()}") if word.strip()}
    vocabulary = {word: number for number, word in enumerate([END_TOKEN, UNKNOWN_TOKEN, *sorted(words)])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN_TOKEN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_PIECE), "isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=END_TOKEN, pad_token=END_TOKEN, unk_token=UNKNOWN_TOKEN
    )


def pretrain(
    folder: Path,
    tokenizer: Any,
    texts: Iterator[str],
    settings: PretrainingSettings,
    seed: int,
    on_step: Callable[[int, float], None],
) -> None:
    """Train a language model from scratch and write it with its tokenizer to `folder`.

    tokenizer: see `make_tokenizer`.
    texts: training texts, of which as many are read as the steps need.
    settings: the model's size and how it is trained.
    seed: of the initial weights.
    on_step: called with the number of steps done and the loss in nats per token.
    """
    torch.manual_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=settings.hidden,
            intermediate_size=3 * settings.hidden,
            num_hidden_layers=settings.layers,
            num_attention_heads=settings.heads,
            max_position_embeddings=settings.max_tokens,
            initializer_range=INITIALIZER_RANGE,
            rope_parameters={"rope_type": "default", "rope_theta": ROPE_BASE},
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    _initialize_induction_heads(model)
    optimizer = torch.optim.AdamW(model.parameters(), settings.learning_rate, betas=(0.9, 0.98), fused=True)

    def rate(step: int) -> float:
        return min(1.0, (step + 1) / settings.warmup_steps) * (1 - step / settings.steps)

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    for step in range(1, settings.steps + 1):
        batch = [[*tokenizer(text).input_ids, tokenizer.eos_token_id] for text in islice(texts, settings.batch_size)]
        loss = model(**_pad(batch, tokenizer.pad_token_id)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        on_step(step, loss.item())
    save_model(model.eval(), tokenizer, folder)


@torch.no_grad()
def _initialize_induction_heads(model: LlamaForCausalLM) -> None:
    """Initialize the first heads of the first two layers as a previous-token head and an induction head.

    Every token's embedding contains a random code (in its first dimensions, as many as a head has) and a constant (in
    the last one). The first layer's head turns the constant into a score that is highest for the previous token, and
    writes that token's code to the dimensions after the current token's code. The second layer's head attends to a
    token to which a code similar to the current token's was written, and outputs that token's code; as the embeddings
    are tied, it becomes the most probable next token.
    """
    embedding = model.model.embed_tokens.weight
    size = model.model.layers[0].self_attn.head_dim
    codes = torch.randint(0, 2, (len(embedding), size)) * 2.0 - 1
    embedding[:, :size] = CODE * codes
    embedding[:, size : 2 * size] = 0
    embedding[:, -1] = CONSTANT
    scale = (embedding.shape[1] / (size * CODE**2 + CONSTANT**2)) ** 0.5  # the factor of the norm before a layer
    # Radians per token, of each pair of dimensions.
    frequencies = ROPE_BASE ** (-torch.arange(size // 2) / (size // 2))
    _initialize_previous_token_head(model.model.layers[0].self_attn, frequencies, scale)
    _initialize_induction_head(model.model.layers[1].self_attn, frequencies)


def _initialize_previous_token_head(attention: Any, frequencies: torch.Tensor, scale: float) -> None:
    """Make the first head attend by distance alone: query and key are one vector, the key rotated by a token."""
    size = attention.head_dim
    weight = PREVIOUS_TOKEN_SCALE**0.5 / (CONSTANT * scale)
    _clear_first_head(attention)
    attention.q_proj.weight[: size // 2, -1] = weight
    attention.k_proj.weight[: size // 2, -1] = weight * frequencies.cos()
    attention.k_proj.weight[size // 2 : size, -1] = weight * frequencies.sin()
    attention.v_proj.weight[:size, :size] = torch.eye(size)
    attention.o_proj.weight[size : 2 * size, :size] = PREVIOUS_TOKEN_OUTPUT * torch.eye(size)


def _initialize_induction_head(attention: Any, frequencies: torch.Tensor) -> None:
    """Make the first head attend by the similarity of a token's code and the code written to another token.

    It uses the dimensions that rotate slowly, so that distance hardly matters.
    """
    size = attention.head_dim
    slow = torch.nonzero(frequencies * LOOKUP_DISTANCE < 1).flatten()
    dimensions = torch.cat([slow, slow + size // 2])
    projection = torch.linalg.qr(torch.randn(size, len(dimensions)))[0].T
    _clear_first_head(attention)
    attention.q_proj.weight[dimensions, :size] = INDUCTION_SCALE * projection
    attention.k_proj.weight[dimensions, size : 2 * size] = INDUCTION_SCALE * projection
    attention.v_proj.weight[:size, :size] = torch.eye(size)
    attention.o_proj.weight[:size, :size] = INDUCTION_OUTPUT * torch.eye(size)


def _clear_first_head(attention: Any) -> None:
    for projection in (attention.q_proj, attention.k_proj, attention.v_proj):
        projection.weight[: attention.head_dim] = 0
    attention.o_proj.weight[:, : attention.head_dim] = 0


def _pad(batch: Sequence[Sequence[int]], pad_token_id: int) -> dict[str, torch.Tensor]:
    """input_ids and labels, shape (batch, tokens); shorter sequences are padded at their end."""
    longest = max(map(len, batch))
    input_ids = [[*tokens, *[pad_token_id] * (longest - len(tokens))] for tokens in batch]
    labels = [[*tokens, *[IGNORE_INDEX] * (longest - len(tokens))] for tokens in batch]
    return {"input_ids": torch.tensor(input_ids), "labels": torch.tensor(labels)}
