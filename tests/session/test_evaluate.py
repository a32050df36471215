"""Scores of malformed completions, given reasonings, and several texts per example."""

import io

import pytest
from rich.console import Console

from penname.engines.base import GeneratedTokens
from penname.prompts.completion import ANSWER_PHRASE, OPENING_PHRASE, compose
from penname.recipe_files import load_recipe
from penname.runs.folder import RunFolder
from penname.runs.progress import ConsoleProgress
from penname.session.evaluate import _score, evaluate_method, shown_metrics
from penname.session.examples import PreparedExample
from penname.session.session import Session


def test_a_malformed_completion_scores_zero(tmp_path):
    """Not even where the metric itself would give something to an empty text."""
    recipe = load_recipe("quickstart", ["evaluation.metrics=[rouge1, cosine]"])
    session = Session(recipe, RunFolder(tmp_path, ConsoleProgress(Console(file=io.StringIO()))))
    example = PreparedExample("e", "u", "t", "Write of rain.", "Rain fell all day.", ())
    written = [(example, {"response": response}) for response in (None, "Rain fell.", None)]
    first, second, third = _score(session, written)
    assert set(first) == set(second) == {"reward", "rouge1", "rougeL", "meteor", "cosine"}
    assert set(first.values()) == set(third.values()) == {0.0}
    assert all(value > 0 for value in second.values())


class Reasoner:
    """Reasons about whom it is asked for, unless a reasoning is given; then it only responds."""

    def __init__(self, tokenizer):
        self.tokenizer, self.prompts = tokenizer, []

    def generate(self, prompts, seeds, sampling):
        written = []
        for prompt in prompts:
            text = self.tokenizer.decode(prompt)
            self.prompts.append(text)
            reasoned = f"{OPENING_PHRASE} Number {len(self.prompts)}. {ANSWER_PHRASE} Rain."
            reply = " Only rain." if text.endswith(ANSWER_PHRASE) else reasoned
            written.append([GeneratedTokens(self.tokenizer(reply, add_special_tokens=False).input_ids, "stop")])
        return written


@pytest.mark.parametrize("reuse", [True, False])
def test_a_users_first_reasoning_is_given_for_the_other_prompts(tmp_path, monkeypatch, reuse):
    recipe = load_recipe("quickstart", ["evaluation.metrics=[rouge1]", f"evaluation.reuse_reasoning={reuse}"])
    session = Session(recipe, RunFolder(tmp_path, ConsoleProgress(Console(file=io.StringIO()))))
    engine = Reasoner(session.renderer.tokenizer)
    monkeypatch.setattr(session, "engine", lambda config, model=None: engine)
    examples = [PreparedExample(str(i), f"user{i % 2}", "t", f"Write {i}.", "Rain.", ()) for i in range(4)]
    monkeypatch.setattr(session, "prepare_fitting", lambda split, profile_size=None: examples)
    found = evaluate_method(session, "rest-pg", None, "test", with_reasoning=True)
    assert [r["example_id"] for r in found] == ["0", "1", "2", "3"]
    numbers = (1, 2, 1, 2) if reuse else (1, 2, 3, 4)
    assert [r["reasoning"] for r in found] == [f"Number {n}." for n in numbers]
    assert [r["response"] for r in found] == (["Rain."] * 2 + ["Only rain."] * 2 if reuse else ["Rain."] * 4)
    ends = [compose(f"Number {n}.", "").rstrip() for n in (1, 2, 1, 2)]
    given = [prompt.endswith(end) for prompt, end in zip(engine.prompts, ends, strict=True)]
    assert given == [False, False, reuse, reuse]


def test_an_example_scores_the_mean_of_its_texts_and_shows_the_first(tmp_path, monkeypatch):
    replies = [f"{OPENING_PHRASE} It is rain. {ANSWER_PHRASE} {text}" for text in ("Rain.", "Snow.")] + ["No answer."]
    asked = {}

    class Writer:
        def generate(self, prompts, seeds, sampling):
            asked[len(seeds[0])] = seeds
            encode = session.renderer.tokenizer
            texts = [encode(reply, add_special_tokens=False).input_ids for reply in replies]
            return [[GeneratedTokens(text, "stop") for text in texts[: len(own)]] for own in seeds]

    found = {}
    for texts in (1, 3):
        recipe = load_recipe("quickstart", ["evaluation.metrics=[rouge1]", f"evaluation.texts={texts}"])
        session = Session(recipe, RunFolder(tmp_path / str(texts), ConsoleProgress(Console(file=io.StringIO()))))
        monkeypatch.setattr(session, "engine", lambda config, model=None: Writer())
        examples = [PreparedExample(str(i), "u", "t", f"Write {i}.", "Rain.", ()) for i in range(3)]
        monkeypatch.setattr(session, "prepare_fitting", lambda split, profile_size=None, examples=examples: examples)
        found[texts] = evaluate_method(session, "rest-pg", None, "test", with_reasoning=True)
        facts = session.run.facts("evaluation/test/rest-pg")
        assert (facts["examples"], facts["malformed"]) == (3, 3 * (texts == 3))
    for one, three in zip(found[1], found[3], strict=True):
        assert one["response"] == three["response"] == "Rain."
        assert (one["metrics"]["rouge1"], three["metrics"]["rouge1"]) == (1, pytest.approx(1 / 3))
        assert shown_metrics(one)["rouge1"] == shown_metrics(three)["rouge1"] == 1
        assert not three["malformed"]
    assert [own[0] for own in asked[3]] == [own[0] for own in asked[1]]
