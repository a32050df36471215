"""Users' documents in a run, for the reward `authorship`, which is fitted on them, and for style cards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from penname.config import Recipe, Split
from penname.data.sources import Examples
from penname.errors import UserError
from penname.rewards.authorship import AuthorshipModel, fit_authorship, sample_documents
from penname.rewards.mixture import AUTHORSHIP
from penname.runs.folder import Record, RunFolder, read_stage, write_records
from penname.session import stage_names
from penname.session.stage_names import AUTHORSHIP_MODEL
from penname.session.style_card import PopulationStatistics, population_statistics, style_card

MODEL_FILE = "authorship.npz"
"""File of the authorship model, in the folder of its stage and beside each model whose candidates are chosen by it."""

DocumentsByUser = dict[tuple[str, str], tuple[str, ...]]
"""Users' documents, by task and user id."""


class Users:
    """Users' documents, style cards and the authorship model of a run.

    recipe: the run's recipe.
    run: the run's folder.
    load: loads the examples of a split from the recipe's data.

    Nothing is loaded or fitted unless a reward or the reasoning needs it, which `needed` says.
    """

    def __init__(self, recipe: Recipe, run: RunFolder, load: Callable[[Split], Examples]) -> None:
        self._recipe = recipe
        self._run = run
        self._load = load
        self._model: AuthorshipModel | None = None
        self._population: PopulationStatistics | None = None
        self.needed = AUTHORSHIP in recipe.rewards_in_use() or recipe.reasoning.with_card

    def sample(self, user: str, documents: list[str]) -> tuple[str, ...]:
        """A sample of the documents of a user who is in none of the splits."""
        return tuple(sample_documents(documents, user, self._recipe.seed))

    def model(self) -> AuthorshipModel:
        """The authorship model, fitted once in a run on the documents of the train split's users.

        Raises UserError where there are too few of them.
        """
        if self._model is None:
            self._run.stage(AUTHORSHIP_MODEL, self._fit)
            self._model = AuthorshipModel.load(self._run.path(AUTHORSHIP_MODEL) / MODEL_FILE)
        return self._model

    def style_card(self, documents: Sequence[str]) -> str:
        """The style card of a user with these documents, in comparison with the train split's; empty without any."""
        if self._population is None:
            self._population = population_statistics(self.of_split("train").values())
        return style_card(documents, self._population)

    def _fit(self, folder: Path) -> Record:
        users = self.of_split("train")
        try:
            fitted = fit_authorship(
                {f"{task} {user}": texts for (task, user), texts in users.items()}, self._recipe.seed
            )
        except ValueError as error:
            raise UserError(f"reward authorship, train split: {error}") from None
        fitted.save(folder / MODEL_FILE)
        return {"users": len(users)}

    def of_split(self, split: Split) -> DocumentsByUser:
        """A sample of the documents of each user in a split, without the expected outputs."""
        name = stage_names.users(split)
        self._run.stage(name, partial(self._collect, split))
        return {(r["task"], r["user_id"]): tuple(r["documents"]) for r in read_stage(self._run.path(name))}

    def _collect(self, split: Split, folder: Path) -> Record:
        """Write each user's documents, a sample of those that contain no expected output of the user."""
        documents: dict[tuple[str, str], dict[str, None]] = {}
        outputs: dict[tuple[str, str], list[str]] = {}
        for e in self._load(split):
            documents.setdefault((e.task, e.user_id), {}).update(dict.fromkeys(d.text for d in e.profile))
            outputs.setdefault((e.task, e.user_id), []).append(e.output or "")
        seed = self._recipe.seed
        records = [
            {
                "task": task,
                "user_id": user,
                "documents": sample_documents(without_outputs(texts, outputs[task, user]), user, seed),
            }
            for (task, user), texts in documents.items()
        ]
        write_records(folder / "users.parquet", records)
        return {"users": len(records)}


def without_outputs(documents: Iterable[str], outputs: Sequence[str]) -> list[str]:
    """The documents that contain none of the outputs and are contained in none of them.

    The expected output of one example can be a document in the profile of another, where it must not be used.

    documents: texts of a user.
    outputs: expected outputs of the user's examples.
    """
    nonempty = [output for output in outputs if output.strip()]
    return [text for text in documents if not any(output in text or text in output for output in nonempty)]
