"""Scores of completions that hold no response."""

import io

from rich.console import Console

from penname.config import load_recipe
from penname.methods.evaluate import _score
from penname.methods.workbench import Prepared, Workbench
from penname.runs.progress import ConsoleProgress
from penname.runs.store import Run


def test_a_malformed_completion_scores_nothing(tmp_path):
    """Not even where the metric itself would give something to an empty text."""
    recipe = load_recipe("quickstart", ["evaluation.metrics=[rouge1, cosine]"])
    bench = Workbench(recipe, Run(tmp_path, ConsoleProgress(Console(file=io.StringIO()))))
    example = Prepared("e", "u", "t", "Write of rain.", "Rain fell all day.", ())
    written = [{"example_id": "e", "response": response} for response in (None, "Rain fell.", None)]
    first, second, third = _score(bench, written, {"e": example})
    assert set(first) == set(second) == {"reward", "rouge1", "rougeL", "meteor", "cosine"}
    assert set(first.values()) == set(third.values()) == {0.0}
    assert all(value > 0 for value in second.values())
