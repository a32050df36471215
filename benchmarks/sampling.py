"""m = 32 samples of real prompts of about 1,000 tokens: penname's local engine against `generate`, and vLLM on request.

Prompts are those of `rag` on abstract_generation_user, for the bundled model (or --model), at temperature
0.7 and top-p 0.95; responses end when the model ends them. Both sides draw from the same distribution, so their texts
differ and what is compared is new tokens a second. With --vllm (vLLM installed, see README.md) vLLM called directly and
the vllm engine are measured too, started and warm.

--decoders measures the engine with its own decoder against itself with transformers' model, and what share of the own
one's time matrix products take: the ratio that would be reached if all else took no time is `most_possible`.

--decoding measures something else: the engine's speed with n-grams not repeated, a repetition penalty, top-k and min-p
beside its speed with none of them, in turn.
"""

from __future__ import annotations

import penname  # noqa: F401

# Before torch, which reads some of its settings only once.
# isort: split

from dataclasses import replace
from itertools import islice
from typing import Any

import torch
from common import finish, forward_flops, matrix_flops, median, parser, plain_generate, run, timed, with_prompts
from torch.profiler import ProfilerActivity, profile

from penname.engines.base import Engine, GeneratedTokens, Sampling
from penname.engines.local import LocalEngine
from penname.engines.models import load_model, load_tokenizer, locate_model
from penname.engines.sampling import sample_seed
from penname.prompts.render import Renderer

SAMPLES = 32
PROFILED = 64
"""Tokens a completion may have while matrix products' share of the time is measured."""
PRODUCTS = ("mkldnn::_linear_pointwise", "aten::bmm", "aten::addmm", "aten::mm")


def rag_prompts(model: str, count: int, max_tokens: int) -> tuple[list[list[int]], int]:
    """Token ids of real prompts, the longest the limit allows, and the id that ends a completion."""
    tokenizer = load_tokenizer(model)
    renderer = Renderer(tokenizer, "chat" if tokenizer.chat_template else "plain", max_tokens)
    prompts = (prompt for _, prompt in with_prompts("abstract_generation_user", renderer, 5))
    return list(islice((prompt for prompt in prompts if len(prompt) > 0.9 * max_tokens), count)), renderer.end_id


def written_by(engine: Engine, prompts: list[list[int]], sampling: Sampling) -> tuple[int, float]:
    """New tokens of SAMPLES completions of each prompt, and the seconds they took, the engine warm."""
    seeds = [[sample_seed(0, "evaluation", str(i), j) for j in range(SAMPLES)] for i in range(len(prompts))]
    engine.generate([prompts[0][:64]], [[1, 2]], Sampling(4, 0.7, 0.95, sampling.stop_ids))
    taken, written = timed(engine.generate, prompts, seeds, sampling)
    return new_tokens(written), taken


def decoding_share(engine: Engine, prompts: list[list[int]], sampling: Sampling, rounds: int) -> float:
    """Median speed with all decoding settings in use as a share of that with none, measured in turn."""
    # None of them takes a token away that matters, so that both sides write texts of about the same length.
    every = replace(sampling, no_repeat_ngram=6, repetition_penalty=1.001, top_k=1000, min_p=0.001)
    shares = []
    for _ in range(rounds):
        (plain, plain_taken), (tokens, taken) = (written_by(engine, prompts, s) for s in (sampling, every))
        shares.append((tokens / taken) / (plain / plain_taken))
    return median(shares)


def new_tokens(written: list[list[GeneratedTokens]]) -> int:
    """Tokens drawn, the ones that ended a completion among them."""
    return sum(len(g.tokens) + (g.finish_reason == "stop") for row in written for g in row)


def with_generate(model: Any, prompts: list[list[int]], sampling: Sampling) -> tuple[int, float]:
    torch.manual_seed(0)
    plain_generate(model, prompts[0][:64], 2, Sampling(4, 0.7, 0.95, sampling.stop_ids))
    taken, rows = timed(lambda: [plain_generate(model, prompt, SAMPLES, sampling) for prompt in prompts])
    return sum(len(tokens) for of_prompt in rows for tokens in of_prompt), taken


def with_vllm(name: str, prompts: list[list[int]], sampling: Sampling) -> dict[str, float]:
    """New tokens a second of vLLM called directly, at its default settings, and of the engine on it, both warm."""
    from vllm import LLM, SamplingParams

    from penname.engines.vllm import VLLMEngine

    longest = max(map(len, prompts)) + sampling.max_new_tokens
    folder = locate_model(name)
    llm = LLM(model=folder, dtype="bfloat16", max_model_len=longest)
    params = SamplingParams(
        n=SAMPLES,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        max_tokens=sampling.max_new_tokens,
        stop_token_ids=list(sampling.stop_ids),
        ignore_eos=True,
        detokenize=False,
    )
    llm.generate([{"prompt_token_ids": prompts[0][:64]}], SamplingParams(n=2, max_tokens=4), use_tqdm=False)
    taken, outputs = timed(llm.generate, [{"prompt_token_ids": prompt} for prompt in prompts], params, use_tqdm=False)
    speeds = {"vllm_direct": sum(len(one.token_ids) for output in outputs for one in output.outputs) / taken}
    llm.llm_engine.engine_core.shutdown()

    engine = VLLMEngine(folder, dtype="bfloat16", max_model_len=longest)
    tokens, taken = written_by(engine, prompts, sampling)
    speeds["vllm_engine"] = tokens / taken
    engine.close()
    print(speeds, flush=True)
    return speeds


def needed_flops(model: Any, prompts: list[list[int]], tokens: int) -> float:
    """Operations for reading each prompt once and writing `tokens`; those over a row's own tokens are left out."""
    read = sum(forward_flops(model, len(p), len(p) ** 2 / 2) for p in prompts)
    vocabulary = 2.0 * model.get_input_embeddings().weight.numel() * tokens
    return read + vocabulary + forward_flops(model, tokens, tokens * sum(map(len, prompts)) / len(prompts))


def share_of_products(engine: Engine, prompts: list[list[int]], sampling: Sampling) -> float:
    """Matrix products' share of the time of writing, by torch's profiler."""
    with profile(activities=[ProfilerActivity.CPU]) as found:
        written_by(engine, prompts, sampling)
    times = {entry.key: entry.self_cpu_time_total for entry in found.key_averages()}
    return sum(times.get(name, 0.0) for name in PRODUCTS) / sum(times.values())


def compare_decoders(given: Any, prompts: list[list[int]], sampling: Sampling) -> None:
    """The local engine with its own decoder against itself with transformers' model, in turn, the same texts."""
    model = load_model(given.model, "auto")
    engines = {
        "own": LocalEngine(given.model, batch_size=given.rows),
        "transformers": LocalEngine(model, batch_size=given.rows),
    }
    speeds: dict[str, list[float]] = {name: [] for name in engines}
    shares = []
    peak = matrix_flops(model.device)
    for _ in range(1 if given.quick else 3):
        for name, engine in engines.items():
            tokens, taken = written_by(engine, prompts, sampling)
            speeds[name].append(tokens / taken)
            if name == "own":
                shares.append(needed_flops(model, prompts, tokens) / peak / taken)
    ratio = median([a / b for a, b in zip(speeds["own"], speeds["transformers"], strict=True)])
    products = share_of_products(engines["own"], prompts[:1], replace(sampling, max_new_tokens=PROFILED))
    finish(
        ratio,
        1.5,
        most_possible=round(ratio / products, 2),
        share_of_products=round(products, 3),
        own_tokens_per_s=round(median(speeds["own"]), 1),
        transformers_tokens_per_s=round(median(speeds["transformers"]), 1),
        share_of_matrix_speed=round(median(shares), 3),
        matrix_gflops=round(peak / 1e9),
        compute_dtype=str(model.dtype),
        prompts=len(prompts),
        samples_a_prompt=SAMPLES,
        max_new_tokens=sampling.max_new_tokens,
    )


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--rows", type=int, default=192, help="rows the local engine writes at once")
    arguments.add_argument("--prompts", type=int, help="8 if left out, 1 with --quick")
    arguments.add_argument("--decoding", action="store_true", help="measure what decoding settings cost, nothing else")
    arguments.add_argument(
        "--decoders", action="store_true", help="measure the engine with both decoders, nothing else"
    )
    arguments.add_argument("--vllm", action="store_true", help="measure vLLM too")
    arguments.add_argument("--model", default="bundled", help="a folder or a hub id")
    given = arguments.parse_args()
    count, longest = (1, 24) if given.quick else (8, 256)
    prompts, end = rag_prompts(given.model, given.prompts or count, 1024)
    sampling = Sampling(longest, 0.7, 0.95, (end,))
    if given.decoding:
        engine = LocalEngine(given.model, batch_size=given.rows)
        share = decoding_share(engine, prompts[:2], sampling, 1 if given.quick else 3)
        finish(share, 0.95, samples_a_prompt=SAMPLES, max_new_tokens=longest)
        return
    if given.decoders:
        compare_decoders(given, prompts, sampling)
        return
    facts: dict[str, Any] = {}
    if given.vllm:
        facts |= {
            f"{name}_tokens_per_s": round(speed, 1) for name, speed in with_vllm(given.model, prompts, sampling).items()
        }
    tokens, taken = written_by(LocalEngine(given.model, batch_size=given.rows), prompts, sampling)
    model = load_model(given.model, "auto")
    plain_tokens, plain_taken = with_generate(model, prompts, sampling)
    ours, plain = tokens / taken, plain_tokens / plain_taken
    if given.vllm:
        facts["ratio_to_vllm_direct"] = round(ours / facts["vllm_direct_tokens_per_s"], 3)
        facts["vllm_engine_to_direct"] = round(facts["vllm_engine_tokens_per_s"] / facts["vllm_direct_tokens_per_s"], 3)
    finish(
        ours / plain,
        6,
        penname_tokens_per_s=round(ours, 1),
        generate_tokens_per_s=round(plain, 1),
        penname_new_tokens=tokens,
        generate_new_tokens=plain_tokens,
        prompts=len(prompts),
        prompt_tokens=sum(map(len, prompts)) // len(prompts),
        samples_a_prompt=SAMPLES,
        max_new_tokens=longest,
        share_of_matrix_speed=round(needed_flops(model, prompts, tokens) / matrix_flops(model.device) / taken, 3),
        **facts,
    )


if __name__ == "__main__":
    run(main)
