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

from penname.training.fine_tuning import save_checkpoint

END, UNKNOWN = "<|end|>", "<|unknown|>"
_PIECE = r" ?\w+| ?[^\w\s]+|\s+"
"""A word or punctuation with the space before it, so that the tokens joined are the text."""
IGNORED = -100

INITIAL = 0.02
"""Standard deviation of the initial weights outside the lookup."""
ROPE_BASE = 1e8
"""High, so that more of a head's dimensions hardly rotate over the length of a prompt."""
READ_FAR = 300
"""Distance in tokens over which an earlier occurrence must be recognized."""
CODE, CONSTANT = 0.3, 0.6
"""Entries of the embeddings: plus or minus CODE in the code's dimensions, and CONSTANT in the last one."""
SHARPNESS_BEFORE, SHARPNESS_SAME = 90.0, 1.5
"""Scale of the attention scores: of the head that attends to the previous token, and of the one that looks up."""
WRITTEN_BEFORE, WRITTEN_FOUND = 0.2, 1.2
"""Scale of the two heads' outputs."""


@dataclass(frozen=True)
class Pretraining:
    """The model's size, with at least two layers and two heads, and how it is trained."""

    hidden: int = 64
    layers: int = 2
    heads: int = 2
    most_tokens: int = 1024
    steps: int = 2000
    batch_size: int = 8
    learning_rate: float = 3e-3
    warmup_steps: int = 50


def make_tokenizer(texts: Iterable[str]) -> Any:
    """A tokenizer whose vocabulary is the words of `texts`, each with and without a space before it."""
    words = {word for text in texts for word in re.findall(_PIECE, text)}
    words |= {own for word in words for own in (word.strip(), f" {word.strip()}") if word.strip()}
    vocabulary = {word: number for number, word in enumerate([END, UNKNOWN, *sorted(words)])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_PIECE), "isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, pad_token=END, unk_token=UNKNOWN)


def pretrain(
    folder: Path,
    tokenizer: Any,
    texts: Iterator[str],
    settings: Pretraining,
    seed: int,
    on_step: Callable[[int, float], None],
) -> None:
    """Train a model and write it with its tokenizer to `folder`.

    texts: as many are taken as the training needs.
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
            max_position_embeddings=settings.most_tokens,
            initializer_range=INITIAL,
            rope_parameters={"rope_type": "default", "rope_theta": ROPE_BASE},
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    _give_lookup(model)
    optimizer = torch.optim.AdamW(model.parameters(), settings.learning_rate, betas=(0.9, 0.98), fused=True)

    def rate(step: int) -> float:
        return min(1.0, (step + 1) / settings.warmup_steps) * (1 - step / settings.steps)

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    for step in range(1, settings.steps + 1):
        rows = [[*tokenizer(text).input_ids, tokenizer.eos_token_id] for text in islice(texts, settings.batch_size)]
        loss = model(**_batch(rows, tokenizer.pad_token_id)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        on_step(step, loss.item())
    save_checkpoint(model.eval(), tokenizer, folder)


@torch.no_grad()
def _give_lookup(model: LlamaForCausalLM) -> None:
    """Set the first heads of the first two layers to look up what followed an earlier occurrence of the last token.

    Every token's embedding contains a random code (in its first dimensions, as many as a head has) and a constant (in
    the last one). The first layer's head turns the constant into a score that is highest for the previous token, and
    writes that token's code beside the current token's own. The second layer's head attends to a token whose written
    code is similar to the current token's own code, and outputs that token's code; as the embeddings are tied, it
    becomes the most probable next token.
    """
    embedding = model.model.embed_tokens.weight
    size = model.model.layers[0].self_attn.head_dim
    codes = torch.randint(0, 2, (len(embedding), size)) * 2.0 - 1
    embedding[:, :size] = CODE * codes
    embedding[:, size : 2 * size] = 0
    embedding[:, -1] = CONSTANT
    scale = (embedding.shape[1] / (size * CODE**2 + CONSTANT**2)) ** 0.5  # by which the norm before a layer multiplies
    turns = ROPE_BASE ** (-torch.arange(size // 2) / (size // 2))  # radians per token, for each pair of dimensions
    _see_token_before(model.model.layers[0].self_attn, turns, scale)
    _see_what_followed(model.model.layers[1].self_attn, turns)


def _see_token_before(attention: Any, turns: torch.Tensor, scale: float) -> None:
    """Attention by distance alone: query and key are the same vector, the key rotated by one token."""
    size = attention.head_dim
    weight = SHARPNESS_BEFORE**0.5 / (CONSTANT * scale)
    _clear_first_head(attention)
    attention.q_proj.weight[: size // 2, -1] = weight
    attention.k_proj.weight[: size // 2, -1] = weight * turns.cos()
    attention.k_proj.weight[size // 2 : size, -1] = weight * turns.sin()
    attention.v_proj.weight[:size, :size] = torch.eye(size)
    attention.o_proj.weight[size : 2 * size, :size] = WRITTEN_BEFORE * torch.eye(size)


def _see_what_followed(attention: Any, turns: torch.Tensor) -> None:
    """Attention by the similarity of a token's own code and the code written beside another, in slow dimensions."""
    size = attention.head_dim
    slow = torch.nonzero(turns * READ_FAR < 1).flatten()
    rows = torch.cat([slow, slow + size // 2])
    projection = torch.linalg.qr(torch.randn(size, len(rows)))[0].T
    _clear_first_head(attention)
    attention.q_proj.weight[rows, :size] = SHARPNESS_SAME * projection
    attention.k_proj.weight[rows, size : 2 * size] = SHARPNESS_SAME * projection
    attention.v_proj.weight[:size, :size] = torch.eye(size)
    attention.o_proj.weight[:size, :size] = WRITTEN_FOUND * torch.eye(size)


def _clear_first_head(attention: Any) -> None:
    for projection in (attention.q_proj, attention.k_proj, attention.v_proj):
        projection.weight[: attention.head_dim] = 0
    attention.o_proj.weight[:, : attention.head_dim] = 0


def _batch(rows: Sequence[Sequence[int]], filler: int) -> dict[str, torch.Tensor]:
    """input_ids and labels, shape (batch, tokens); shorter sequences are padded at their end."""
    longest = max(map(len, rows))
    input_ids = [[*row, *[filler] * (longest - len(row))] for row in rows]
    labels = [[*row, *[IGNORED] * (longest - len(row))] for row in rows]
    return {"input_ids": torch.tensor(input_ids), "labels": torch.tensor(labels)}
