"""Writes for users with a run or a model, loaded once."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Self

from penname.config import Recipe
from penname.data.jsonl import load_profile
from penname.data.records import Document
from penname.errors import ArgumentError, DataError
from penname.experiments.run_recipe import load_run_recipe
from penname.experiments.train import model_folder
from penname.generate.by_model import ModelWriter, setup_of_model, setup_of_run
from penname.generate.by_pat import PaTWriter, can_write
from penname.generate.request import Request, Written
from penname.session import stage_names
from penname.session.fine_tune import PROMPT_FILE


class Writer:
    """Writes for users; its model is loaded once, at the first text.

    model: the folder of a run, or of a model that penname trained; else a model as it is, `bundled`, a folder or a hub
        id, which is prompted as by the method `rag`.
    method: which of the run's methods writes; if left out, the last one in the run's order that can.
    recipe: the run's, where it holds objects that were made in Python; as the run keeps it if left out.

    Use it in a `with` statement, or call `close`, to let go of the model. Raises UserError where the model is not
    there or was trained on other prompt templates.
    """

    def __init__(
        self, model: str | Path = "bundled", method: str | None = None, *, recipe: Recipe | None = None
    ) -> None:
        self.notes: tuple[str, ...] = ()
        self._writer: ModelWriter | PaTWriter
        folder = Path(model)
        if not (folder / "recipe.yaml").is_file():
            if method is not None:
                raise ArgumentError(
                    "method", f"found {method!r}, but {model} is no run, and only a run has methods to choose from"
                )
            if not (folder / PROMPT_FILE).is_file():
                self.notes = (f"{model} was not trained by penname: written as by the method rag",)
            self._writer = ModelWriter(setup_of_model(str(model)))
            return
        recipe = recipe or load_run_recipe(folder)
        able = _writers_of(folder, recipe)
        if not able:
            raise ArgumentError("model", f"{model}: no method of this run can write for a new user yet")
        chosen = method or able[-1]
        if chosen not in able:
            raise ArgumentError("method", f"found {method!r}, expected one of {', '.join(able)}")
        if method is None and len(able) > 1:
            self.notes = (f"written by the run's method {chosen}",)
        if chosen == "pat":
            self._writer = PaTWriter(folder, recipe)
        else:
            self._writer = ModelWriter(setup_of_run(folder, recipe, chosen))

    def write(
        self,
        prompt: str,
        documents: Path | Iterable[str | Document] = (),
        *,
        seed: int = 0,
        candidates: int | None = None,
        reasoning: str | None = None,
        query: str | None = None,
        item: str | None = None,
    ) -> Written:
        """One text for `prompt`, sampled as the model's texts were in its run's evaluation.

        documents: what the user wrote before, as texts or `Document`s, or a path: a JSONL file, a .txt or .md file, or
            a folder of these. Without any the text is written as for a new user.
        seed: of the sampling; the same one gives the same text.
        candidates: how many texts are written, of which the recipe's `evaluation.choose` takes one; as many as the
            recipe says if left out.
        reasoning: given in place of one that the model would write: that of an earlier text for the same user.
        query: what documents are retrieved by; the prompt if left out.
        item: for the method `pat`, the id of what the text is about.

        Raises UserError for a prompt or a query without text, or documents that cannot be read.
        """
        for name, text in (("prompt", prompt), ("query", query)):
            # Lone surrogates come from a terminal with another encoding.
            if text is not None and (not text.strip() or text != text.encode(errors="replace").decode()):
                raise ArgumentError(name, "found no text in UTF-8, expected some")
        request = Request(prompt, _documents(documents), query, item, seed, candidates, reasoning)
        return self._writer.write(request)

    def check_reasoning(self) -> None:
        """Raises UserError where the method cannot be given a reasoning."""
        self._writer.check_reasoning()

    def close(self) -> None:
        """Let go of the loaded model; the next text loads it again."""
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _documents(given: Path | Iterable[str | Document]) -> list[Document]:
    if isinstance(given, str):
        raise ArgumentError("documents", "found one text, expected a list of texts, or a Path of a file or folder")
    if isinstance(given, Path):
        if not given.exists():
            raise DataError(given, found="no such file or folder", expected="the user's documents")
        return load_profile(given)
    return [Document("user", one) if isinstance(one, str) else one for one in given]


def _writers_of(run: Path, recipe: Recipe) -> list[str]:
    """The run's methods that can write for a new user now; those with a model of their own last."""
    untrained = "rag" in recipe.method_rows and _is_evaluated(run, recipe, "rag") and not recipe.tune_generator
    plain = ["rag"] if untrained else []
    agents = ["pat"] if can_write(run, recipe) else []
    folders = {name: model_folder(run, row, recipe.expectation.iterations) for name, row in recipe.method_rows.items()}
    return [*plain, *agents, *(name for name, folder in folders.items() if (folder / PROMPT_FILE).is_file())]


def _is_evaluated(run: Path, recipe: Recipe, method: str) -> bool:
    return (run / stage_names.evaluation(recipe.evaluation.split, method) / "stage.json").is_file()
