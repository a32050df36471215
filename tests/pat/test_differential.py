"""The differential reward has the sign and the size of a summary's gain, with a generator that obeys summaries."""

import statistics

import pytest

from penname.config import Recipe
from penname.engines.base import GeneratedTokens
from penname.pat.agents import sample_summaries
from penname.pat.contexts import Contexts
from penname.pat.differential_reward import Candidates, choose_pairs, differential_rewards
from penname.runs.folder import RunFolder
from penname.session.examples import PreparedExample
from penname.session.session import Session

REFERENCE = "one two three four"
WRITES = {"ALL": "one two three four", "HALF": "one two five six", "NONE": "seven eight nine ten"}
"""What the generator writes when the prompt holds the word; rouge1 of these is 1, 0.5 and 0."""


class Scripted:
    """Writes what the last word of `WRITES` in the prompt's parts says; told nothing, half of the reference."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.prompts = []

    def generate(self, prompts, seeds, sampling):
        written = []
        for prompt in prompts:
            text = self.tokenizer.decode(prompt)
            self.prompts.append(text)
            key = next((word for word in ("ALL", "NONE", "HALF") if word in text), "HALF")
            # Every second text is good for nothing.
            keys = [key if number % 2 == 0 else "NONE" for number in range(len(seeds[len(written)]))]
            texts = [self.tokenizer(WRITES[key], add_special_tokens=False).input_ids for key in keys]
            written.append([GeneratedTokens(tokens, "stop") for tokens in texts])
        return written


@pytest.fixture
def session(tmp_path, tiny_model, monkeypatch):
    recipe = Recipe.model_validate(
        {
            "methods": ["pat"],
            "data": [{"format": "presidents"}],
            "generator": {"model": str(tiny_model)},
            "reward": {"mixture": {"rouge1": 1}},
        }
    )
    made = Session(recipe, RunFolder(tmp_path, None))
    made.scripted = Scripted(made.renderer.tokenizer)
    monkeypatch.setattr(made, "engine", lambda config, model=None: made.scripted)
    return made


def candidates(summaries, others=None, start=None):
    example = PreparedExample("e", "u", "t", "Count.", REFERENCE, ())
    return Candidates(example, Contexts("e", *[()] * 8), summaries, others or {}, start)


def scores(session, agent, *asked):
    rewards = differential_rewards(session, asked, generator=None, agent=agent)
    return [(round(r["reward"], 6), round(r["differential"], 6)) for r in rewards]


@pytest.mark.parametrize("agent", ["style", "topic"])
def test_a_summary_is_measured_from_the_text_without_it(session, agent):
    found = scores(session, agent, candidates(["ALL", "HALF", "NONE"]))
    assert found == [(1.0, 0.5), (0.5, 0.0), (0.0, -0.5)]
    without, *told = session.scripted.prompts
    line = "How a person writes: " if agent == "style" else "text should be about: "
    assert f"{line}(nothing known)" in without
    assert [f"{line}{word}" in prompt for word, prompt in zip(WRITES, told, strict=True)] == [True] * 3


def test_or_from_the_text_with_the_summary_of_the_round_before(session):
    assert scores(session, "style", candidates(["ALL", "NONE"], start="ALL")) == [(1.0, 0.0), (0.0, -1.0)]
    assert scores(session, "style", candidates(["ALL", "HALF"], start="NONE")) == [(1.0, 1.0), (0.5, 0.5)]


def test_a_reward_is_the_mean_of_several_texts(session):
    pat = session.recipe.pat.model_copy(update={"texts": 2})
    session.recipe = session.recipe.model_copy(update={"pat": pat})
    assert scores(session, "style", candidates(["ALL", "NONE"])) == [(0.5, 0.25), (0.0, -0.25)]
    asked = [candidates(["ALL", "NONE"])]
    noise = [r["noise"] for r in differential_rewards(session, asked, generator=None, agent="style")]
    assert noise == pytest.approx([0.5, 0.0])  # of (1, 0) and (0, 0)


def test_what_the_other_agent_says_counts_on_both_sides(session):
    """Where the other's summary brings everything, there is nothing left to add."""
    assert scores(session, "style", candidates(["HALF"], {"topic": "ALL"})) == [(1.0, 0.0)]


def test_examples_do_not_mix(session):
    found = scores(session, "topic", candidates(["ALL"]), candidates(["NONE", "ALL"], start="NONE"))
    assert found == [(1.0, 0.5), (0.0, 0.0), (1.0, 1.0)]


def reward(example, sample, value, start=0.3, summary="text"):
    return {
        "example_id": example,
        "sample": sample,
        "summary": summary and f"{summary} {sample}",
        "reward": value,
        "differential": value - start,
        "noise": 0.1,
    }


def test_pairs_are_the_best_against_the_worst():
    rewards = [
        *[reward("a", i, v) for i, v in enumerate((0.4, 0.9, 0.1, 0.9))],
        *[reward("b", i, v) for i, v in enumerate((0.5, 0.51))],  # too close
        *[reward("c", i, v) for i, v in enumerate((0.1, 0.3))],  # the best adds nothing
        reward("d", 0, 0.9, summary=""),  # nothing was written
        reward("d", 1, 0.5),
    ]
    pairs, counts = choose_pairs(rewards, 0.05, differential=True)
    assert [(p["example_id"], p["chosen"], p["rejected"]) for p in pairs] == [("a", "text 1", "text 2")]
    assert (pairs[0]["difference"], pairs[0]["differential"]) == (pytest.approx(0.8), pytest.approx(0.6))
    spread = sum(statistics.stdev(own) for own in ((0.4, 0.9, 0.1, 0.9), (0.5, 0.51), (0.1, 0.3))) / 3
    assert counts == {
        "inputs": 4, "pairs": 1, "too_few": 1, "too_close": 1, "adding_nothing": 1,
        "spread": pytest.approx(spread), "noise": pytest.approx(0.1),
    }  # fmt: skip
    plain, _ = choose_pairs(rewards, 0.05, differential=False)
    assert [p["example_id"] for p in plain] == ["a", "c"]


class Copier:
    """Writes the task, another text, and the task in capitals."""

    def __init__(self, tokenizer, task):
        self.texts = [f"It should {task}", "Short sentences, few commas, and no exclamation mark.", task.upper()]
        self.tokenizer = tokenizer

    def generate(self, prompts, seeds, sampling):
        encoded = [self.tokenizer(text, add_special_tokens=False).input_ids for text in self.texts]
        return [[GeneratedTokens(tokens, "stop") for tokens in encoded[: len(own)]] for own in seeds]


def test_a_summary_that_repeats_the_task_counts_as_none(session, monkeypatch):
    task = "write the review of a perfume with the title: accurate smell, and long lasting too"
    example = PreparedExample("e", "u", "t", task, REFERENCE, ())
    monkeypatch.setattr(session, "engine", lambda config, model=None: Copier(session.renderer.tokenizer, task))
    for most, kept in ((None, 3), (8, 1)):
        pat = session.recipe.pat.model_copy(update={"max_copied_tokens": most})
        session.recipe = session.recipe.model_copy(update={"pat": pat})
        prompt = session.prompt(example, with_reasoning=False)
        drawn = {"purpose": "round 1", "samples": 3, "temperature": 0.7}
        (rows,) = sample_summaries(session, "topic", None, [(example, prompt)], **drawn)
        assert sum(bool(row["summary"]) for row in rows) == kept
        assert rows[1]["summary"].startswith("Short sentences")


def test_summaries_that_a_judge_could_not_score_are_in_no_pair():
    unscored = reward("a", 0, 0.5) | {"reward": None, "differential": None}
    rewards = [unscored, *[reward("a", i, v) for i, v in ((1, 0.8), (2, 0.6))]]
    pairs, _ = choose_pairs(rewards, 0.05, differential=True)
    assert [(p["chosen"], p["rejected"]) for p in pairs] == [("text 1", "text 2")]
    unmeasured = [r | {"differential": None} for r in rewards]
    assert choose_pairs(unmeasured, 0.05, differential=True)[0] == []
    assert len(choose_pairs(unmeasured, 0.05, differential=False)[0]) == 1
