"""The reward `traits`: the share of the expected output's traits that a response obeys."""

import pytest

from penname.config import RewardConfig
from penname.data.control import Teacher, make_example
from penname.data.control_rules import TRAITS, write_text
from penname.errors import UserError
from penname.experiments.plan import check_inputs
from penname.recipe_files import load_recipe
from penname.rewards.base import RewardInput
from penname.rewards.mixture import make_rewards
from penname.rewards.traits import traits

EXAMPLE = make_example("user-0", 0, Teacher(right=0.5, misled=0.2))
RIGHT = write_text(EXAMPLE.prompt, EXAMPLE.right)


def test_the_right_text_gets_1():
    assert traits(RIGHT, RIGHT) == 1.0


@pytest.mark.parametrize("trait", TRAITS)
def test_each_trait_counts_alike(trait):
    other = next(value for value in TRAITS[trait] if value != EXAMPLE.right[trait])
    wrong = write_text(EXAMPLE.prompt, {**EXAMPLE.right, trait: other})
    assert traits(RIGHT, wrong) == pytest.approx(1 - 1 / len(TRAITS))


def test_naming_every_value_earns_nothing():
    assert traits(RIGHT, " ".join(value for values in TRAITS.values() for value in values)) == 0
    assert traits(RIGHT, "") == 0


def test_it_stands_in_a_mixture_beside_others():
    reward = RewardConfig(mixture={"traits": 1, "rouge1": 1})
    found = make_rewards(reward.mixture, reward, judge=lambda: None, authorship=lambda: None)
    items = [RewardInput("x", RIGHT, RIGHT), RewardInput("x", RIGHT, "nothing of it")]
    assert {name: of_name(items) for name, of_name in found.items()} == {"traits": [1, 0], "rouge1": [1, 0]}


def test_data_of_other_kinds_is_refused_before_anything_is_computed(tmp_path):
    recipe = load_recipe("quickstart", ["reward.mixture={traits: 1}"])
    with pytest.raises(UserError, match=r"reward traits: .* expected one of the control corpus"):
        check_inputs(recipe, tmp_path)


def test_a_text_without_traits_may_stand_for_the_expected_one():
    assert traits("My fellow citizens.", RIGHT) == 0
