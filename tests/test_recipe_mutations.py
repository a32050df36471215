"""Mutated recipes: each is read, or refused in one line; none ends in a traceback."""

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.mutations import EXAMPLES, mutated

from penname.config import Recipe
from penname.errors import UserError
from penname.recipe_files import load_recipe, read_recipe_of_run
from penname.shipped import shipped_recipes

RECIPES = ["quickstart", "paper", "pat"]
WITHOUT_DATA = {
    name: {**yaml.safe_load(path.read_text(encoding="utf-8")), "data": [{"format": "presidents"}]}
    for name, path in shipped_recipes().items()
}


def check_read_or_refused(read):
    try:
        found, problem = read(), "no problem"
    except UserError as error:
        found, problem = None, str(error)
    assert found is None or isinstance(found, Recipe)
    assert len(problem.splitlines()) == 1


@pytest.mark.parametrize("name", RECIPES)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_mutated_recipe_is_read_or_refused_in_a_line(name, tmp_path_factory, data):
    values = WITHOUT_DATA[name]
    for _ in range(data.draw(st.integers(1, 3))):
        values = mutated(values, data.draw)
    path = tmp_path_factory.getbasetemp() / f"{name}.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8", errors="replace")
    for read in (lambda: load_recipe(path), lambda: read_recipe_of_run(path)):
        check_read_or_refused(read)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_mutated_setting_is_taken_or_refused_in_a_line(data):
    setting = data.draw(st.sampled_from(["training.epochs", "expectation.samples", "reward.mixture", "methods", "x.y"]))
    text = f"{setting}={data.draw(st.text(max_size=12))}"
    check_read_or_refused(lambda: load_recipe("quickstart", [text]))
