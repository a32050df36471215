"""m = 32 samples of real prompts of about 1,000 tokens: penname's local engine against `generate`, and vLLM on request.

Prompts are those of `rag` on abstract_generation_user, for the bundled model in bfloat16, at temperature 0.7 and
top-p 0.95; responses end when the model ends them. Both sides draw from the same distribution, so their texts differ
and what is compared is new tokens a second. With --vllm (vLLM installed, see README.md) vLLM called directly and the
vllm engine are measured too, started and warm.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from common import finish, parser, plain_generate, run, timed, with_prompts

from penname.engines.base import Generated, Sampling
from penname.engines.local import LocalEngine
from penname.engines.models import bundled_model, load_model, load_tokenizer
from penname.engines.sampling import sample_seed
from penname.prompts.render import Renderer

SAMPLES = 32


def rag_prompts(count: int, max_tokens: int) -> tuple[list[list[int]], int]:
    """Token ids of real prompts, the longest the limit allows, and the id that ends a completion."""
    renderer = Renderer(load_tokenizer("bundled"), "chat", max_tokens)
    prompts = (prompt for _, prompt in with_prompts("abstract_generation_user", renderer, 5))
    return list(islice((prompt for prompt in prompts if len(prompt) > 0.9 * max_tokens), count)), renderer.end_id


def with_penname(prompts: list[list[int]], sampling: Sampling, rows: int) -> tuple[int, float]:
    engine = LocalEngine("bundled", rows=rows)
    seeds = [[sample_seed(0, 0, str(i), j) for j in range(SAMPLES)] for i in range(len(prompts))]
    engine.generate([prompts[0][:64]], [[1, 2]], Sampling(4, 0.7, 0.95, sampling.stop_ids))
    taken, written = timed(engine.generate, prompts, seeds, sampling)
    return new_tokens(written), taken


def new_tokens(written: list[list[Generated]]) -> int:
    """Tokens drawn, the ones that ended a completion among them."""
    return sum(len(g.tokens) + (g.finish_reason == "stop") for row in written for g in row)


def with_generate(prompts: list[list[int]], sampling: Sampling) -> tuple[int, float]:
    model = load_model("bundled", "bfloat16")
    plain_generate(model, prompts[0][:64], 2, Sampling(4, 0.7, 0.95, sampling.stop_ids))
    taken, rows = timed(lambda: [plain_generate(model, prompt, SAMPLES, sampling) for prompt in prompts])
    return sum(len(tokens) for of_prompt in rows for tokens in of_prompt), taken


def with_vllm(prompts: list[list[int]], sampling: Sampling) -> dict[str, float]:
    """New tokens a second of vLLM called directly, at its default settings, and of the engine on it, both warm."""
    from vllm import LLM, SamplingParams

    from penname.engines.vllm import VLLMEngine

    longest = max(map(len, prompts)) + sampling.max_new_tokens
    folder = str(bundled_model())
    warm_up = prompts[0][:64]
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
    llm.generate([{"prompt_token_ids": warm_up}], SamplingParams(n=2, max_tokens=4), use_tqdm=False)
    taken, outputs = timed(llm.generate, [{"prompt_token_ids": prompt} for prompt in prompts], params, use_tqdm=False)
    speeds = {"vllm_direct": sum(len(one.token_ids) for output in outputs for one in output.outputs) / taken}
    llm.llm_engine.engine_core.shutdown()

    engine = VLLMEngine(folder, dtype="bfloat16", max_model_len=longest)
    seeds = [[sample_seed(0, 0, str(i), j) for j in range(SAMPLES)] for i in range(len(prompts))]
    engine.generate([warm_up], [[1, 2]], Sampling(4, 0.7, 0.95, sampling.stop_ids))
    taken, written = timed(engine.generate, prompts, seeds, sampling)
    speeds["vllm_engine"] = new_tokens(written) / taken
    engine.close()
    print(speeds, flush=True)
    return speeds


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--rows", type=int, default=192, help="rows the local engine writes at once")
    arguments.add_argument("--prompts", type=int, help="8 if left out, 1 with --quick")
    arguments.add_argument("--vllm", action="store_true", help="measure vLLM too")
    given = arguments.parse_args()
    count, longest = (1, 24) if given.quick else (8, 256)
    prompts, end = rag_prompts(given.prompts or count, 1024)
    sampling = Sampling(longest, 0.7, 0.95, (end,))
    facts: dict[str, Any] = {}
    if given.vllm:
        facts |= {f"{name}_tokens_per_s": round(speed, 1) for name, speed in with_vllm(prompts, sampling).items()}
    tokens, taken = with_penname(prompts, sampling, given.rows)
    plain_tokens, plain_taken = with_generate(prompts, sampling)
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
        **facts,
    )


if __name__ == "__main__":
    run(main)
