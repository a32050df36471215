"""The loss of fine-tuning: negative log-likelihood of target tokens, each sample weighted by its reward."""

from __future__ import annotations

from typing import Any

import torch

CHUNK_TOKENS = 64
"""Number of tokens whose logits are in float32 at the same time."""


def weighted_loss(model: Any, inputs: dict[str, Any], target_tokens: int) -> torch.Tensor:
    """The weighted negative log-likelihood of the target tokens, divided by `target_tokens`.

    REST-PG, Algorithm 1, line 11: the expectation of R(x, y, y_hat) log p(y_hat | x). Weights scale the loss but are
    not part of the normalization: with all weights 1 it is the usual fine-tuning loss. Logits are computed only at
    positions that predict a target token.

    model: the policy, with packed attention.
    inputs: a packed micro-batch, see `penname.training.packing.pack`.
    target_tokens: number of target tokens in all micro-batches of the optimizer step, so that the result does not
        depend on how the step is divided into micro-batches.
    """
    logits = model(
        input_ids=inputs["input_ids"],
        position_ids=inputs["position_ids"],
        spans=inputs["spans"],
        logits_to_keep=inputs["logit_indices"][0],
        use_cache=False,
    ).logits[0]
    losses = _TokenLosses.apply(logits, inputs["labels"][0])
    return (losses * inputs["weights"][0]).sum() / target_tokens


class _TokenLosses(torch.autograd.Function):
    """Cross-entropy in float32 of logits of any dtype, shape (tokens, vocabulary); returns shape (tokens,).

    torch's function keeps the logits and their probabilities in float32, which for a vocabulary of 50,000 takes more
    memory than the rest of a small model's step. This one keeps the logits as given, and computes the rest in chunks of
    a few tokens.
    """

    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        totals = torch.cat([part.float().logsumexp(-1) for part in logits.split(CHUNK_TOKENS)])
        ctx.save_for_backward(logits, labels, totals)
        return totals - logits.gather(-1, labels[:, None])[:, 0].float()

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        logits, labels, totals = ctx.saved_tensors
        result = torch.empty_like(logits)
        for start in range(0, len(labels), CHUNK_TOKENS):
            part = slice(start, start + CHUNK_TOKENS)
            gradients = (logits[part].float() - totals[part, None]).exp_()
            gradients[torch.arange(len(gradients), device=gradients.device), labels[part]] -= 1
            result[part] = gradients.mul_(gradient[part, None])
        return result, None
