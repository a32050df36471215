"""Writes for users with a run or a model, which is loaded once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

from penname.config import Recipe
from penname.data.profiles import load_profile
from penname.data.records import Document
from penname.errors import ArgumentError, DataError
from penname.experiments.run_recipe import load_run_recipe
from penname.experiments.train import model_folder
from penname.generate.by_model import ModelWriter, setup_of_model, setup_of_run
from penname.generate.by_pat import PaTWriter, can_write
from penname.generate.request import TextRequest, Written
from penname.session import stage_names
from penname.session.fine_tune import PROMPT_FILE


class Writer:
    """Writes for users; its model is loaded once, for the first text.

    model: the folder of a run or of a model that penname trained; or another model (`bundled`, a folder or a hub id),
        which is prompted like the method `rag`.
    method: the method of the run that writes; by default the last one in the run's order that can.
    recipe: the recipe of the run, needed only if it contains objects that were made in Python; by default the recipe
        that the run keeps.

    Use it in a `with` statement, or call `close`, to release the model. Raises UserError if the model is missing or was
    trained with other prompt templates.
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
                self.notes = (f"{model} was not trained by penname: it is prompted like the method rag",)
            self._writer = ModelWriter(setup_of_model(str(model)))
            return
        recipe = recipe or load_run_recipe(folder)
        available = _available_methods(folder, recipe)
        if not available:
            raise ArgumentError("model", f"{model}: no method of this run can write for a new user yet")
        chosen = method or available[-1]
        if chosen not in available:
            raise ArgumentError("method", f"found {method!r}, expected one of {', '.join(available)}")
        if method is None and len(available) > 1:
            self.notes = (f"written by the run's method {chosen}",)
        if recipe.method_rows[chosen].writes_summaries:
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
        """Write one text, sampled as in the evaluation of the model's run.

        prompt: what to write.
        documents: what the user wrote before, as texts or `Document`s, or as a path: a JSONL file, a document (.txt,
            .md, .docx, .pdf, .html, .rtf or .epub), or a folder of documents. Without documents the text is
            written as for a new user.
        seed: seed of the sampling; the same seed gives the same text.
        candidates: the number of texts to sample, one of which is chosen by the recipe's `evaluation.choose`; by
            default the recipe's number.
        reasoning: a reasoning to use in place of the model's own, such as that of an earlier text for the same user.
        query: the query for retrieving documents; by default the prompt.
        item: for the method `pat`, the id of the item that the text is about.

        Raises UserError for a prompt or a query without text, or documents that cannot be read.
        """
        if candidates is not None and candidates < 1:
            raise ArgumentError("candidates", f"found {candidates}, expected 1 or more")
        for name, text in (("prompt", prompt), ("query", query)):
            if text is None:
                continue
            if not text.strip():
                found = "only white space" if text else "an empty text"
                raise ArgumentError(name, f"found {found}, expected a text")
            # A terminal with another encoding gives unpaired surrogates.
            if text != text.encode(errors="replace").decode():
                raise ArgumentError(name, "found characters that are not UTF-8, expected a text in UTF-8")
        notes: list[str] = []
        request = TextRequest(prompt, read_documents(documents, notes), query, item, seed, candidates, reasoning)
        written = self._writer.write(request)
        return replace(written, notes=(*notes, *written.notes))

    def check_reasoning(self) -> None:
        """Raise UserError if the method cannot be given a reasoning."""
        self._writer.check_reasoning()

    def close(self) -> None:
        """Release the loaded model; the next text loads it again."""
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def model_writers(model: str | Path, methods: Sequence[str] = ()) -> dict[str, ModelWriter]:
    """Writers with one model each, by the names of their methods, whose models are loaded for their first text.

    They keep nothing of users' documents on disk.

    model: see `Writer`.
    methods: methods of the run; empty for the last one in its order that can write and has one model. `pat`, which has
        several, is passed over: see `cold_start_recipe`.

    Raises UserError as `Writer` does.
    """
    folder = Path(model)
    if not (folder / "recipe.yaml").is_file():
        if methods:
            raise ArgumentError("method", f"found {methods[0]!r}, but {model} is no run, and only a run has methods")
        return {"rag": ModelWriter(setup_of_model(str(model)), cached=False)}
    recipe = load_run_recipe(folder)
    available = _available_methods(folder, recipe)
    if not available:
        raise ArgumentError("model", f"{model}: no method of this run can write for a new user yet")
    if unknown := [name for name in methods if name not in available]:
        raise ArgumentError("method", f"found {unknown[0]!r}, expected one of {', '.join(available)}")
    with_one = _with_one_model(recipe, methods or available)
    chosen = with_one if methods else with_one[-1:]
    return {name: ModelWriter(setup_of_run(folder, recipe, name), cached=False) for name in chosen}


def methods_to_write_with(run: Path, recipe: Recipe) -> list[str]:
    """The methods of a run that `model_writers` can be asked for; none before one is trained.

    run: the run's folder.
    recipe: its recipe.
    """
    found = _with_one_model(recipe, _available_methods(run, recipe))
    return found if any(recipe.method_rows[name].trained for name in found) else []


def _with_one_model(recipe: Recipe, methods: Sequence[str]) -> list[str]:
    """Those of some methods that write with one model; `pat` writes with several."""
    return [name for name in methods if not recipe.method_rows[name].writes_summaries]


def cold_start_recipe(model: str | Path) -> Recipe | None:
    """The recipe of a run with PaT, which writes for users without documents; None for other runs and models."""
    folder = Path(model)
    if not (folder / "recipe.yaml").is_file():
        return None
    recipe = load_run_recipe(folder)
    return recipe if can_write(folder, recipe) else None


def read_documents(documents: Path | Iterable[str | Document], notes: list[str]) -> list[Document]:
    """A user's documents.

    documents: see `Writer.write`.
    notes: what is said of their files is appended.

    Raises UserError for documents that cannot be read.
    """
    if isinstance(documents, str):
        raise ArgumentError("documents", "found one text, expected a list of texts, or a Path of a file or folder")
    if isinstance(documents, Path):
        if not documents.exists():
            raise DataError(documents, found="no such file or folder", expected="the user's documents")
        return load_profile(documents, say=notes.append)
    given = list(documents) if isinstance(documents, Iterable) else [documents]
    for document in given:
        if not isinstance(document, str | Document):
            raise ArgumentError("documents", f"found {type(document).__name__}, expected texts, Documents or a Path")
    return [Document("user", document) if isinstance(document, str) else document for document in given]


def _available_methods(run: Path, recipe: Recipe) -> list[str]:
    """The run's methods that can already write for a new user, those with a model of their own last."""
    untrained = "rag" in recipe.method_rows and _is_evaluated(run, recipe, "rag") and not recipe.tune_generator
    plain = ["rag"] if untrained else []
    agents = ["pat"] if can_write(run, recipe) else []
    folders = {name: model_folder(run, row, recipe.expectation.iterations) for name, row in recipe.method_rows.items()}
    return [*plain, *agents, *(name for name, folder in folders.items() if (folder / PROMPT_FILE).is_file())]


def _is_evaluated(run: Path, recipe: Recipe, method: str) -> bool:
    return (run / stage_names.evaluation(recipe.evaluation.split, method) / "stage.json").is_file()
