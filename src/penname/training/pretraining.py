"""A small language model from nothing: a word-level tokenizer, and a Llama trained by plain language modelling.

For data that needs no knowledge of the world, such as the control corpus: a model that has learned in minutes what
there is to know of it trains and writes a hundred times as fast as the bundled one.
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
"""A word or a mark with the blank before it, so that joined tokens are the text again."""
IGNORED = -100


@dataclass(frozen=True)
class Pretraining:
    """The model's size, and how it learns."""

    hidden: int = 64
    layers: int = 4
    heads: int = 2
    most_tokens: int = 1024
    steps: int = 1500
    batch_size: int = 8
    learning_rate: float = 5e-3
    warmup_steps: int = 50


def make_tokenizer(texts: Iterable[str]) -> Any:
    """A tokenizer that knows the words of `texts`, each with and without a blank before it."""
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
    """Train a model on `texts`, as many as it takes, and leave it with its tokenizer in `folder`.

    on_step gets the steps done and the loss, in nats a token.
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
            initializer_range=settings.hidden**-0.5,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
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


def _batch(rows: Sequence[Sequence[int]], filler: int) -> dict[str, torch.Tensor]:
    """input_ids and labels (rows, tokens), the shorter rows filled up at their end."""
    longest = max(map(len, rows))
    input_ids = [[*row, *[filler] * (longest - len(row))] for row in rows]
    labels = [[*row, *[IGNORED] * (longest - len(row))] for row in rows]
    return {"input_ids": torch.tensor(input_ids), "labels": torch.tensor(labels)}
