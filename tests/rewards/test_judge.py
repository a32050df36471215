"""The judge on the real bundled model: 10 can win, and the reasoning is never seen."""

import math

import pytest
import torch

from penname.engines.local import LocalEngine
from penname.engines.models import load_model, load_tokenizer
from penname.prompts.completion import compose, parse
from penname.prompts.render import Renderer
from penname.rewards.base import RewardInput
from penname.rewards.judge import SCORES, Judge
from penname.rewards.mixture import make_rewards


@pytest.fixture(scope="module")
def judge(bundled):
    return Judge(LocalEngine(bundled, "float32"), Renderer(load_tokenizer(bundled), "chat", 1024))


def test_ten_is_two_tokens_that_start_with_one(judge):
    one, ten = (judge.renderer.target(text) for text in ("1", "10"))
    assert ten[0] == one[0]
    assert len(ten) == len(one) + 1


def test_probabilities_are_those_of_whole_terminated_strings(judge, bundled):
    model = load_model(bundled, "float32")
    judgement = judge(["Write."], ["It rained all day."], ["It rained."])[0]
    prompt = judge.renderer.render(
        "figure6_judge", [], input="Write.", expected_output="It rained all day.", response="It rained."
    ).tokens
    weights = []
    for score in SCORES:
        target = judge.renderer.target(str(score))
        with torch.no_grad():
            logits = model(torch.tensor([prompt + target])).logits[0].log_softmax(-1)
        weights.append(math.exp(sum(logits[len(prompt) - 1 + i, t].item() for i, t in enumerate(target))))
    expected = [w / sum(weights) for w in weights]
    assert judgement.probabilities == pytest.approx(expected, abs=1e-4)
    assert judgement.reward == SCORES[expected.index(max(expected))] / 10


def test_ten_can_win(judge):
    text = "It rained all day, and we stayed at home."
    judgement = judge(["Write one sentence about rain."], [text], [text])[0]
    assert judgement.reward == 1.0
    assert judgement.probabilities[4] == max(judgement.probabilities)


def test_the_expectation_lies_between_the_scores(judge):
    expected = Judge(judge.engine, judge.renderer, expectation=True)(["Write."], ["A day."], ["A day."])[0]
    by_hand = sum(p * s for p, s in zip(expected.probabilities, SCORES, strict=True)) / 10
    assert expected.reward == pytest.approx(by_hand)
    assert 0.1 <= expected.reward <= 1.0


def test_no_reward_sees_the_reasoning(judge):
    """Two completions with the same response and other reasoning get equal rewards from every reward."""

    class Settings:
        encoder = None
        bertscore_layer = 4
        words = "ascii"

    names = ["judge", "rouge1", "rougeL", "meteor", "cosine", "bertscore"]
    expected = "The rain came in the night and stayed."
    completions = [compose(expected, "It rained a lot."), compose("nothing at all", "It rained a lot.")]
    responses = [parse(text, with_reasoning=True).response for text in completions]
    items = [RewardInput("Write about rain.", expected, response) for response in responses]
    for name, reward in make_rewards(names, Settings(), lambda: judge, authorship=lambda: None).items():
        first, second = reward(items)
        assert first == second, name
        assert 0 <= first <= (1 if name == "judge" else 0.99), name
