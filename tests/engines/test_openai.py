"""The OpenAI engine against a real `transformers serve`, and against a loopback server that misbehaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from tests.engines.servers import END, PERIOD, free_port, plain_generate, wait_for
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer

from penname.engines.base import GeneratedTokens, Sampling
from penname.engines.openai import OpenAIEngine
from penname.errors import UserError
from penname.prompts.render import Renderer

CHAT = (
    "<|im_start|>system\nYou are terse.<|im_end|>\n<|im_start|>user\n"
    "Name three colours.<|im_end|>\n<|im_start|>assistant\n"
)
TEXTS = [CHAT, "The capital of France is", "Once upon a time", "1, 2, 3, 4,", "Dear Sir", "The sea is"]


def greedy(max_new_tokens: int, *stop_ids: int) -> Sampling:
    return Sampling(max_new_tokens, temperature=0.0, top_p=1.0, stop_ids=stop_ids)


@pytest.fixture(scope="module")
def prompts(tokenizer: Any) -> list[list[int]]:
    return [tokenizer(text).input_ids for text in TEXTS]


@pytest.fixture(scope="module")
def base_url(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`transformers serve` of the bundled model in a separate process, which ends with the module."""
    port, log = free_port(), tmp_path_factory.mktemp("serve") / "log.txt"
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(folder)]
    options = ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu", "--dtype", "float32"]
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    with log.open("wb") as output:
        process = subprocess.Popen([*command, *options], stdout=output, stderr=output, env=environment)
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process, log, 60.0)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.wait(timeout=10)


@pytest.fixture(scope="module")
def engine(base_url: str, folder: Path, tokenizer: Any) -> OpenAIEngine:
    return OpenAIEngine(base_url, str(folder), tokenizer, server="transformers", concurrency=4)


@pytest.mark.slow
def test_greedy_tokens_are_those_of_model_generate_in_the_order_asked(
    engine: OpenAIEngine, model: Any, prompts: list[list[int]]
) -> None:
    sampling = greedy(12, END)
    expected = [[plain_generate(model, prompt, sampling)] for prompt in prompts]
    assert len({tuple(row[0].tokens) for row in expected}) == len(prompts)
    assert engine.generate(prompts, [[0]] * len(prompts), sampling) == expected


def test_only_fields_every_server_knows_give_the_same_greedy_tokens(
    base_url: str, folder: Path, tokenizer: Any, model: Any, prompts: list[list[int]]
) -> None:
    engine = OpenAIEngine(base_url, str(folder), tokenizer)
    sampling = greedy(12, END, PERIOD)
    expected = [[plain_generate(model, prompt, sampling)] for prompt in prompts[:3]]
    assert {row[0].finish_reason for row in expected} == {"stop", "length"}
    assert engine.generate(prompts[:3], [[0]] * 3, sampling) == expected


def test_a_stop_token_ends_a_completion_and_is_not_part_of_it(
    engine: OpenAIEngine, model: Any, prompts: list[list[int]]
) -> None:
    sampling = greedy(20, PERIOD)
    [[generated]] = engine.generate([prompts[1]], [[0]], sampling)
    assert generated == plain_generate(model, prompts[1], sampling)
    assert generated.finish_reason == "stop"
    assert PERIOD not in generated.tokens


def test_nothing_but_the_stop_ids_ends_a_completion(engine: OpenAIEngine, model: Any, tokenizer: Any) -> None:
    prompt = tokenizer("<|im_start|>user\nWhat is 2+2?<|im_end|>\n<|im_start|>assistant\n").input_ids
    [[ended]] = engine.generate([prompt], [[0]], greedy(16, END))
    [[unended]] = engine.generate([prompt], [[0]], greedy(16))
    assert ended == plain_generate(model, prompt, greedy(16, END))
    assert ended.finish_reason == "stop"
    assert unended.finish_reason == "length"
    assert unended.tokens[: len(ended.tokens)] == ended.tokens


def test_a_sample_follows_its_seed(engine: OpenAIEngine, prompts: list[list[int]]) -> None:
    sampling = Sampling(12, temperature=1.0, top_p=0.95, stop_ids=(END,))
    [row] = engine.generate([prompts[2]], [[7, 8, 7]], sampling)
    assert row[0] == row[2]
    assert row[0] != row[1]


@pytest.mark.parametrize(
    ("server", "setting", "value"),
    [("openai", "top_k", 5), ("openai", "min_p", 0.1), ("transformers", "no_repeat_ngram", 3),
     ("vllm", "repetition_penalty", 1.1)],
)  # fmt: skip
def test_what_a_server_cannot_do_is_refused_by_name(tokenizer: Any, server: Any, setting: str, value: float) -> None:
    engine = OpenAIEngine("http://127.0.0.1:1/v1", "m", tokenizer, server=server)
    with pytest.raises(UserError, match=rf"decoding\.{setting}: found {value}, expected .* server '{server}'"):
        engine.generate([[1]], [[0]], replace(greedy(4), **{setting: value}))


def test_top_k_and_min_p_reach_the_server(engine: OpenAIEngine, prompts: list[list[int]]) -> None:
    expected = engine.generate([prompts[0]], [[0]], greedy(8))
    for setting in ({"top_k": 1}, {"min_p": 0.9999}):
        sampling = Sampling(8, temperature=1.0, top_p=1.0, stop_ids=greedy(8).stop_ids, **setting)
        assert engine.generate([prompts[0]], [[3]], sampling) == expected


@pytest.mark.parametrize("server", ["openai", "transformers"])
def test_scoring_on_a_server_without_log_probabilities_says_so(
    base_url: str, folder: Path, tokenizer: Any, prompts: list[list[int]], server: Any
) -> None:
    engine = OpenAIEngine(base_url, str(folder), tokenizer, server=server)
    with pytest.raises(UserError, match="without log probabilities, so it cannot score"):
        engine.score([prompts[1]], [[tokenizer(" Paris").input_ids]])


def test_a_request_that_the_server_refuses_is_one_line_with_its_reason(
    base_url: str, tokenizer: Any, prompts: list[list[int]]
) -> None:
    engine = OpenAIEngine(base_url, "another-model", tokenizer)
    with pytest.raises(UserError, match=r"127\.0\.0\.1.*'another-model'.*400.*pinned") as caught:
        engine.generate([prompts[0]], [[0]], greedy(4))
    assert "\n" not in str(caught.value)


def test_a_server_that_is_down_is_reported_quickly(tokenizer: Any, prompts: list[list[int]]) -> None:
    address = f"http://127.0.0.1:{free_port()}/v1"
    engine = OpenAIEngine(address, "m", tokenizer, max_retries=1)
    started = time.monotonic()
    with pytest.raises(UserError, match=f"{address}.*cannot be reached"):
        engine.generate(prompts, [[0, 1]] * len(prompts), greedy(4))
    assert time.monotonic() - started < 5


class Script(ThreadingHTTPServer):
    """Answers the n-th request with the n-th (status, body), the last one for ever; keeps the requests."""

    daemon_threads = True

    def __init__(self, *answers: tuple[int, Any], delay: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.answers, self.delay = answers, delay
        self.requests: list[dict[str, Any]] = []
        Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Answer(BaseHTTPRequestHandler):
    server: Script

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        status, answer = self.server.answers[min(len(self.server.requests), len(self.server.answers) - 1)]
        self.server.requests.append(body)
        time.sleep(self.server.delay)
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("retry-after-ms", "10")
        self.end_headers()
        self.wfile.write(answer if isinstance(answer, bytes) else json.dumps(answer).encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def serve() -> Iterator[Any]:
    running: list[Script] = []

    def start(*answers: tuple[int, Any], delay: float = 0.0) -> Script:
        running.append(Script(*answers, delay=delay))
        return running[-1]

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


def choice(**fields: Any) -> tuple[int, Any]:
    return 200, {"choices": [{"index": 0, "text": " Paris.", "finish_reason": "length", **fields}]}


BUSY = (429, {"error": {"message": "too many requests"}})
BROKEN = (500, {"error": {"message": "out of memory"}})


def test_a_busy_and_a_broken_server_are_tried_again(serve: Any, tokenizer: Any, prompts: list[list[int]]) -> None:
    server = serve(BROKEN, BUSY, choice())
    engine = OpenAIEngine(server.address, "m", tokenizer, max_retries=2)
    expected = GeneratedTokens(tokenizer(" Paris.").input_ids, "length")
    assert engine.generate([prompts[1]], [[5]], greedy(2)) == [[expected]]
    assert [request["seed"] for request in server.requests] == [5, 5, 5]


@pytest.mark.parametrize(
    ("answer", "message"),
    [(BROKEN, "500.*out of memory.*server's log"), (BUSY, "429.*lower the concurrency")],
)
def test_a_server_that_stays_broken_is_one_line_with_its_status(
    serve: Any, tokenizer: Any, prompts: list[list[int]], answer: tuple[int, Any], message: str
) -> None:
    server = serve(answer)
    engine = OpenAIEngine(server.address, "m", tokenizer, max_retries=2)
    with pytest.raises(UserError, match=f"{server.address}.*{message}"):
        engine.generate([prompts[1]], [[0]], greedy(2))
    assert len(server.requests) == 3


def many(prompts: list[list[int]]) -> tuple[list[list[int]], list[list[int]]]:
    return prompts * 4, [[i, i + 1] for i in range(4 * len(prompts))]


def test_requests_are_divided_among_servers(serve: Any, tokenizer: Any, prompts: list[list[int]]) -> None:
    servers = [serve(choice(), delay=0.02) for _ in range(3)]
    engine = OpenAIEngine([server.address for server in servers], "m", tokenizer, concurrency=2)
    written = engine.generate(*many(prompts), greedy(2))
    assert sum(map(len, written)) == 48
    assert min(len(server.requests) for server in servers) >= 12


def test_a_server_that_dies_costs_no_request(serve: Any, tokenizer: Any, prompts: list[list[int]]) -> None:
    dying, other = serve(choice(), choice(), BROKEN), serve(choice(), delay=0.01)
    gone = f"http://127.0.0.1:{free_port()}/v1"
    engine = OpenAIEngine([gone, dying.address, other.address], "m", tokenizer, concurrency=2, max_retries=0)
    expected = GeneratedTokens(tokenizer(" Paris.").input_ids, "length")
    assert engine.generate(*many(prompts), greedy(2)) == [[expected] * 2] * len(many(prompts)[0])
    assert len(dying.requests) < 20  # it is avoided once it has failed


def test_servers_that_all_fail_are_tried_again_and_one_is_named(
    serve: Any, tokenizer: Any, prompts: list[list[int]]
) -> None:
    servers = [serve(BROKEN), serve(BROKEN)]
    engine = OpenAIEngine([server.address for server in servers], "m", tokenizer, max_retries=1)
    with pytest.raises(UserError, match=r"server http://127\.0\.0\.1:\d+/v1, .*500.*out of memory"):
        engine.generate([prompts[1]], [[0]], greedy(2))
    assert [len(server.requests) for server in servers] == [2, 2]


def test_letters_of_a_control_token_reach_a_server_as_letters(serve: Any, tokenizer: Any) -> None:
    server = serve(choice())
    prompt = Renderer(tokenizer, "chat", 512).render("no_reasoning_input", ["a <|im_end|> b"], input="Write.").tokens
    OpenAIEngine(server.address, "m", tokenizer).generate([prompt], [[0]], greedy(2))
    sent = server.requests[0]["prompt"]
    read = tokenizer(sent, add_special_tokens=False).input_ids
    assert read.count(END) == prompt.count(END) == 2
    assert sent.replace("\u200b", "") == tokenizer.decode(prompt)


def test_a_server_that_stays_silent_runs_into_the_time_out(
    serve: Any, tokenizer: Any, prompts: list[list[int]]
) -> None:
    engine = OpenAIEngine(serve(choice(), delay=3.0).address, "m", tokenizer, timeout=0.2, max_retries=0)
    started = time.monotonic()
    with pytest.raises(UserError, match=r"did not answer for 0\.2 s; raise timeout"):
        engine.generate([prompts[1]], [[0]], greedy(2))
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((200, {"choices": []}), "without a completion"),
        ((200, {"object": "text_completion"}), "without a completion"),
        ((200, {"choices": [{"index": 0, "finish_reason": "stop"}]}), "without a completion"),
        (choice(text=None), "without a completion"),
        ((200, {"choices": ["hello"]}), "without a completion"),
        ((200, "hello"), "without a completion"),
        ((200, b"<html>"), "without a completion"),
        (choice(finish_reason="content_filter"), "content_filter"),
    ],
)
def test_an_answer_without_a_completion_is_refused(
    serve: Any, tokenizer: Any, prompts: list[list[int]], answer: tuple[int, Any], message: str
) -> None:
    engine = OpenAIEngine(serve(answer).address, "m", tokenizer, max_retries=0)
    with pytest.raises(UserError, match=message):
        engine.generate([prompts[1]], [[0]], greedy(2))


def test_a_completion_truncated_by_the_servers_context_is_refused(
    serve: Any, tokenizer: Any, prompts: list[list[int]]
) -> None:
    status, answer = choice()
    answer["usage"] = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    engine = OpenAIEngine(serve((status, answer)).address, "m", tokenizer)
    assert engine.generate([prompts[1]], [[0]], greedy(2))[0][0].finish_reason == "length"
    with pytest.raises(UserError, match="truncated a completion at 2 of 3 tokens"):
        engine.generate([prompts[1]], [[0]], greedy(3))


def test_a_server_that_is_not_vllm_is_found_out(serve: Any, tokenizer: Any, prompts: list[list[int]]) -> None:
    server = serve(choice())
    engine = OpenAIEngine(server.address, "m", tokenizer, server="vllm")
    with pytest.raises(UserError, match="without token ids"):
        engine.generate([prompts[1]], [[0]], greedy(2))
    assert server.requests[0]["prompt"] == prompts[1]


PROMPT, CANDIDATE = [504, 3575], [282, 4649]


def echoed(names: list[str], log_probs: list[float | None]) -> tuple[int, Any]:
    return choice(logprobs={"tokens": names, "token_logprobs": log_probs})


NAMES = ["token_id:504", "token_id:3575", "token_id:282", "token_id:4649", "token_id:30"]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (echoed(NAMES[-1:], [-0.5]), "echoed 1 log probabilities, expected 4 or 5"),
        (echoed([*NAMES, NAMES[-1]], [None, -1.0, -2.0, -3.0, -4.0, -5.0]), "echoed 6"),
        (echoed([*NAMES[:3], "token_id:1", NAMES[-1]], [None, -1.0, -2.0, -3.0, -4.0]), "other tokens"),
        (echoed(NAMES, [None, -1.0, -2.0, None, -4.0]), "without the log probability of one"),
    ],
)
def test_log_probabilities_of_other_tokens_are_refused(
    serve: Any, tokenizer: Any, answer: tuple[int, Any], message: str
) -> None:
    engine = OpenAIEngine(serve(answer).address, "m", tokenizer, server="vllm")
    with pytest.raises(UserError, match=message):
        engine.score([PROMPT], [[CANDIDATE]])


def test_a_candidate_that_is_tokenized_with_the_prompt_is_not_scored_over_text(serve: Any, tokenizer: Any) -> None:
    server = serve(choice())
    engine = OpenAIEngine(server.address, "m", tokenizer)
    prompt, candidate = tokenizer("The cap").input_ids, tokenizer("ital").input_ids
    with pytest.raises(UserError, match="are tokenized differently"):
        engine.score([prompt], [[candidate]])
    assert server.requests == []


def test_a_beginning_of_text_token_that_the_server_adds_is_not_sent(serve: Any, folder: Path) -> None:
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    tokenizer.bos_token = "<|im_start|>"
    bos = (tokenizer.bos_token, tokenizer.bos_token_id)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single=f"{bos[0]} $A", special_tokens=[bos])
    prompt = tokenizer("The capital of France is").input_ids
    assert prompt[0] == tokenizer.bos_token_id
    server = serve(choice())
    OpenAIEngine(server.address, "m", tokenizer).generate([prompt], [[0]], greedy(2))
    assert tokenizer(server.requests[0]["prompt"]).input_ids == prompt


def test_without_the_client_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch, tokenizer: Any) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(UserError, match=r"pip install 'penname\[openai\]'"):
        OpenAIEngine("http://127.0.0.1:1/v1", "m", tokenizer)
