"""Users' documents in a run, for the reward `authorship`, which is fitted on them, and for style cards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from penname.config import Recipe, Split
from penname.data.sources import Examples
from penname.errors import UserError
from penname.rewards.authorship import AuthorshipModel, chosen_documents, fit_authorship
from penname.rewards.mixture import AUTHORSHIP
from penname.runs.folder import Record, RunFolder, read_stage, write_records
from penname.session import stage_names
from penname.session.stage_names import AUTHORSHIP_MODEL
from penname.session.style_card import Others, measure_others, style_card

MODEL_FILE = "authorship.npz"
"""In the folder of the stage that fits it, and beside each model of a run that needs it to choose among candidates."""

Documents = dict[tuple[str, str], tuple[str, ...]]
"""By task and user."""


class Authors:
    """Users' documents, style cards and the authorship model of a run.

    load: loads the examples of a split from the recipe's data.

    Nothing is read or fitted unless a reward or the reasoning needs it.
    """

    def __init__(self, recipe: Recipe, run: RunFolder, load: Callable[[Split], Examples]) -> None:
        self._recipe = recipe
        self._run = run
        self._load = load
        self._model: AuthorshipModel | None = None
        self._documents: Documents = {}
        self._others: Others | None = None
        self.needed = AUTHORSHIP in recipe.rewards_in_use() or recipe.reasoning.with_card

    def documents_of(self, task: str, user: str) -> tuple[str, ...]:
        """A sample of the user's documents; none where the user's split is not loaded yet or has no such user."""
        return self._documents.get((task, user), ())

    def know(self, task: str, user: str, documents: list[str]) -> None:
        """Add a user who is in no split."""
        self._documents[task, user] = tuple(chosen_documents(documents, user, self._recipe.seed))

    def know_split(self, split: Split) -> None:
        """Add the users of a split, if they are needed."""
        if self.needed:
            self._documents |= self._of_split(split)

    def model(self) -> AuthorshipModel:
        """The authorship model, fitted once a run on the documents of the train split's users.

        Raises UserError where they are too few.
        """
        if self._model is None:
            self._run.stage(AUTHORSHIP_MODEL, self._fit)
            self._model = AuthorshipModel.load(self._run.path(AUTHORSHIP_MODEL) / MODEL_FILE)
        return self._model

    def card_of(self, task: str, user: str) -> str:
        """The user's style card, in comparison to the users of the train split; empty without documents."""
        if self._others is None:
            self._others = measure_others(self._of_split("train").values())
        return style_card(self.documents_of(task, user), self._others)

    def _fit(self, folder: Path) -> Record:
        users = self._of_split("train")
        try:
            fitted = fit_authorship(
                {f"{task} {user}": texts for (task, user), texts in users.items()}, self._recipe.seed
            )
        except ValueError as error:
            raise UserError(f"reward authorship, train split: {error}") from None
        fitted.save(folder / MODEL_FILE)
        return {"users": len(users)}

    def _of_split(self, split: Split) -> Documents:
        name = stage_names.users(split)

        def stage(folder: Path) -> Record:
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
                    "documents": chosen_documents(without_outputs(texts, outputs[task, user]), user, seed),
                }
                for (task, user), texts in documents.items()
            ]
            write_records(folder / "users.parquet", records)
            return {"users": len(records)}

        self._run.stage(name, stage)
        return {(r["task"], r["user_id"]): tuple(r["documents"]) for r in read_stage(self._run.path(name))}


def without_outputs(documents: Iterable[str], outputs: Sequence[str]) -> list[str]:
    """The documents that contain none of the outputs and are contained in none.

    An example's expected output can be a document of the user's other examples, where it must not be seen.
    """
    nonempty = [output for output in outputs if output.strip()]
    return [text for text in documents if not any(output in text or text in output for output in nonempty)]
