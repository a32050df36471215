"""Nothing outlives its run: when a session closes, also after an error, its engine and all it has kept are let go."""

import gc
import io
import weakref

import pytest
from rich.console import Console
from tests.experiments.test_resume import small_recipe

from penname.experiments.train import evaluate_in_run, open_run
from penname.method_table import METHODS
from penname.runs.progress import ConsoleProgress


def quiet():
    return ConsoleProgress(Console(file=io.StringIO()))


def hold(recipe, folder, then, held):
    """Open a run, evaluate, do `then`, and close it. held: gets weak references to what was live."""
    with open_run(recipe, folder, quiet()) as session:
        evaluate_in_run(session, METHODS["rag"], "test")
        held += [weakref.ref(session), weakref.ref(session.engine(recipe.generator))]
        assert all(own() is not None for own in held)
        then()


def stop():
    raise RuntimeError("stop")


def test_the_engine_is_let_go_when_a_run_closes(tiny_model, notes, tmp_path):
    recipe = small_recipe(tiny_model, notes)
    held = []
    hold(recipe, tmp_path / "run", lambda: None, held)
    gc.collect()
    assert [own() for own in held] == [None, None]


def test_the_engine_is_let_go_after_an_error(tiny_model, notes, tmp_path):
    recipe = small_recipe(tiny_model, notes)
    held = []
    with pytest.raises(RuntimeError, match="stop"):
        hold(recipe, tmp_path / "run", stop, held)
    gc.collect()
    assert [own() for own in held] == [None, None]
