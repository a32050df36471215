"""`penname data leaks` for models: what they have learned by heart, shown as lines or as JSON."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from penname.errors import UserError


def memorized_of_run(folder: Path, methods: Sequence[str] | None, targets: int) -> list[Any]:
    """What each method of a run has by heart, see `penname.generate.memorized.Memorized`.

    folder: the run's folder.
    methods: only these; None for all that are trained or evaluated.
    targets: number of training targets to be continued.
    """
    from penname.experiments.run_recipe import chosen_methods, load_run_recipe
    from penname.generate.memorized import memorized_by_method, methods_of_run
    from penname.runs.folder import RunFolder
    from penname.runs.progress import ConsoleProgress
    from penname.session.session import Session

    recipe = load_run_recipe(folder)
    chosen_methods(methods, recipe)
    found = methods_of_run(folder, recipe, methods)
    with ConsoleProgress(Console(stderr=True)) as progress:
        run = RunFolder(folder, progress)
        with run.lock():
            session = Session(recipe, run)
            try:
                return [memorized_by_method(session, method, targets) for method in found]
            finally:
                session.close()


def memorized_of_model(model: str, sources: Sequence[Any], targets: int) -> list[Any]:
    """What a model has by heart of the training split of some data.

    model: the folder of a model, or its name.
    sources: the data.
    targets: number of training targets to be continued, and of texts to write.
    """
    from penname.generate.memorized import memorized_by_model, recipe_of_model
    from penname.runs.folder import RunFolder
    from penname.runs.progress import ConsoleProgress
    from penname.session.session import Session

    recipe = recipe_of_model(model, sources)
    with tempfile.TemporaryDirectory() as scratch, ConsoleProgress(Console(stderr=True)) as progress:
        session = Session(recipe, RunFolder(Path(scratch), progress))
        try:
            return [memorized_by_model(session, Path(model).name, targets)]
        finally:
            session.close()


def show_memorized(data: str, found: Sequence[Any], *, as_json: bool) -> None:
    """Print what was found. Raises UserError where it is serious. data: what was looked at, for the message."""
    serious = [line for of_model in found for line in of_model.serious]
    if as_json:
        print(json.dumps({"models": {of_model.name: of_model.record() for of_model in found}, "serious": serious}))
    else:
        for of_model in found:
            for line in of_model.lines():
                print(line)
    if serious:
        raise UserError(f"{data}: {'; '.join(serious)}; expected none by heart")
    if not as_json:
        written = sum(of_model.written for of_model in found)
        print(f"nothing learned by heart was found (in {written:,} texts of {len(found)} models)")
