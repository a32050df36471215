"""A run whose models are on a chat server: the endpoint is found, recorded and kept; nothing is trained here."""

import math

import pytest
import yaml
from tests.engines.servers import Kind, named, says, serving

import penname
from penname.errors import UserError
from penname.experiments.plan import make_plan
from penname.rest_pg.teacher import TeacherInput, write_reasoning
from penname.session.engines import Engines

TEXT = "I like rain a lot, and I wrote about it before."


def reply(body):
    """A judge's score with log probabilities where they are asked for, else a text."""
    answer = says("7" if body.get("logprobs") else TEXT)
    top = [{"token": token, "logprob": math.log(p)} for token, p in (("7", 0.8), ("10", 0.2))]
    shown = {"content": [{"token": "7", "logprob": top[0]["logprob"], "top_logprobs": top}]}
    answer["choices"][0]["logprobs"] = shown if body.get("logprobs") else None
    return answer


def refuses_seeds(body):
    return named("seed", "seed is not supported") if "seed" in body else None


class Lines:
    """Progress that keeps what is said."""

    def __init__(self):
        self.said = []

    def start(self, stage, total, unit, completions=1): ...
    def add_generated(self, tokens, completions): ...
    def advance(self, count, tokens=0, note=""): ...
    def finish(self, note=""): ...

    def say(self, line):
        self.said.append(line)


def settings(notes, address, **judge):
    engine = {"kind": "openai", "model": "gpt-x", "base_url": address}
    return {
        "methods": ["rag"],
        "data": [{"format": "jsonl", "path": str(notes)}],
        "generator": engine,
        "expectation": {"threshold": 1.0},
        "reward": {"mixture": {"judge": 1}, "judge": {**engine, **judge}},
        "evaluation": {"metrics": ["rouge1"]},
        "tracking": "none",
    }


def load(folder, recipe):
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return penname.load_recipe(str(path))


def trained(recipe, folder):
    lines = Lines()
    return penname.train(recipe, folder, progress=lines), lines.said


def test_a_run_on_a_chat_server(notes, tmp_path):
    kind, folder = Kind(reply, refuses=refuses_seeds), tmp_path / "run"
    with serving(kind) as address:
        recipe = load(tmp_path, settings(notes, address))
        run, said = trained(recipe, folder)
        assert [r["response"] for r in run.results()["rag"].values()] == [TEXT] * 6
        assert [r["metrics"]["judge"] for r in run.results()["rag"].values()] == [0.7] * 6
        found = f"gpt-x at {address}, chat/completions, numbers of tokens are estimated: its /completions answered 404"
        assert [line for line in said if found in line] == [f"generator: {found}", f"reward.judge: {found}"]
        assert len([line for line in said if "does not take seed" in line]) == 1
        recorded = yaml.safe_load((folder / "recipe.yaml").read_text())
        assert recorded["generator"]["endpoint"] == recorded["reward"]["judge"]["endpoint"] == "chat"

        # Another start asks nothing, and finds the same run, though its recipe leaves the endpoint to the server.
        asked = len(kind.requests)
        again, said = trained(recipe, folder)
        assert len(kind.requests) == asked
        assert not [line for line in said if "/completions" in line]
        with again.writer("rag") as writer:
            assert writer.write("Write about rain.", documents=["It rained."]).response == TEXT
        completing = settings(notes, address, endpoint="completions", tokenizer="bundled")
        with pytest.raises(UserError, match=r"reward.judge.endpoint was chat, now completions"):
            trained(load(tmp_path, completing), folder)


def test_a_judge_without_log_probabilities_is_refused_before_anything_is_computed(notes, tmp_path):
    kind, folder = Kind(lambda body: says("7")), tmp_path / "run"
    with serving(kind) as address:
        recipe = load(tmp_path, settings(notes, address, endpoint="chat"))
        with pytest.raises(UserError, match="gives no log probabilities"):
            trained(recipe, folder)
    assert not (folder / "recipe.yaml").exists()


def test_text_completions_need_the_models_tokenizer(notes, tmp_path):
    answer = 200, {"choices": [{"index": 0, "text": "!", "finish_reason": "length"}]}
    with serving(Kind(reply, answer)) as address:
        recipe = load(tmp_path, settings(notes, address))
        with pytest.raises(UserError, match=r"generator.tokenizer: model 'gpt-x' could not be loaded.*endpoint: chat"):
            trained(recipe, tmp_path / "run")


def test_a_server_that_is_not_used_is_not_asked(notes, tmp_path):
    with serving(Kind(reply)) as address:
        unused = {"kind": "openai", "model": "m", "base_url": "http://127.0.0.1:1/v1"}
        recipe = load(tmp_path, settings(notes, address) | {"teacher": unused})
        trained(recipe, tmp_path / "run")


@pytest.mark.parametrize(
    ("engine", "how"),
    [
        ({}, "completions or else chat/completions, as the server has it"),
        ({"endpoint": "chat"}, "chat/completions, numbers of tokens are estimated"),
        ({"endpoint": "chat", "tokenizer": "bundled"}, "chat/completions, numbers of tokens are those of bundled"),
        ({"endpoint": "completions"}, "completions"),
        ({"server": "vllm"}, "completions"),
    ],
)
def test_a_dry_run_says_how_servers_are_used_and_asks_none(notes, tmp_path, engine, how):
    recipe = load(tmp_path, settings(notes, "http://127.0.0.1:1/v1", **engine))
    assert f"reward.judge: gpt-x at http://127.0.0.1:1/v1, {how}" in make_plan(recipe).machines(None)


def test_a_teacher_on_a_chat_server(notes, tmp_path):
    kind = Kind(lambda body: says("<think>Hm.</think>\nShort sentences. Likes rain.", reasoning_content="Hm."))
    with serving(kind) as address:
        teacher = {"kind": "openai", "model": "gpt-x", "base_url": address, "endpoint": "chat"}
        recipe = load(tmp_path, settings(notes, address) | {"teacher": teacher})
        engines = Engines(lambda tokens, completions: None)
        engine, renderer = engines.engine(recipe.teacher), engines.renderer(recipe.teacher, 1024, "limit")
        inputs = [TeacherInput("a", "Write about rain.", "It rained all day and all night.", ("I like rain.",))]
        (written,) = write_reasoning(engine, renderer, inputs, recipe.reasoning, recipe.decoding, 0)
    assert written.text == "Short sentences. Likes rain."
    (message,) = kind.requests[0]["messages"]
    assert message["role"] == "user"
    assert "I like rain." in message["content"]
    assert "It rained all day and all night." in message["content"]
