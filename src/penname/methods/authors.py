"""What the reward `authorship` needs of a run: the model that is fitted on its train split, and users' documents."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from penname.config import Recipe, Split
from penname.data.sources import Examples
from penname.errors import UserError
from penname.rewards.authorship import AuthorshipModel, chosen_documents, fit_authorship
from penname.rewards.mixture import AUTHORSHIP
from penname.runs.store import Record, Run, read_stage, write_records

MODEL_FILE = "authorship.npz"
"""In the stage's folder, and beside each model of a run that needs it to choose among candidates."""

Documents = dict[tuple[str, str], tuple[str, ...]]
"""By task and user."""


class Authors:
    """Users' documents and the authorship model of a run; nothing is read or fitted where no reward asks for it.

    load: the examples of a split, as the recipe's data has them.
    """

    def __init__(self, recipe: Recipe, run: Run, load: Callable[[Split], Examples]) -> None:
        self._recipe = recipe
        self._run = run
        self._load = load
        self._model: AuthorshipModel | None = None
        self._documents: Documents = {}
        self.needed = AUTHORSHIP in recipe.rewards_in_use()

    def documents_of(self, task: str, user: str) -> tuple[str, ...]:
        """Some of the user's own, none where the split is not known yet or has no such user."""
        return self._documents.get((task, user), ())

    def know(self, task: str, user: str, documents: list[str]) -> None:
        """Take in a user who is in no split."""
        self._documents[task, user] = tuple(chosen_documents(documents, user, self._recipe.seed))

    def know_split(self, split: Split) -> None:
        """Take in the users of a split, if a reward asks for them."""
        if self.needed:
            self._documents |= self._of_split(split)

    def model(self) -> AuthorshipModel:
        """The model, fitted on the documents of the train split's users, once a run.

        Raises UserError where they are too few.
        """
        if self._model is None:
            stage = f"{AUTHORSHIP}/model"
            self._run.stage(stage, self._fit)
            self._model = AuthorshipModel.load(self._run.path(stage) / MODEL_FILE)
        return self._model

    def _fit(self, folder: Path) -> Record:
        users = self._of_split("train")
        try:
            fitted = fit_authorship({f"{task} {user}": own for (task, user), own in users.items()}, self._recipe.seed)
        except ValueError as error:
            raise UserError(f"reward authorship, train split: {error}") from None
        fitted.save(folder / MODEL_FILE)
        return {"users": len(users)}

    def _of_split(self, split: Split) -> Documents:
        name = f"{AUTHORSHIP}/{split}"

        def stage(folder: Path) -> Record:
            found: dict[tuple[str, str], dict[str, None]] = {}
            for e in self._load(split):
                found.setdefault((e.task, e.user_id), {}).update(dict.fromkeys(d.text for d in e.profile))
            seed = self._recipe.seed
            records = [
                {"task": task, "user_id": user, "documents": chosen_documents(list(own), user, seed)}
                for (task, user), own in found.items()
            ]
            write_records(folder / "users.parquet", records)
            return {"users": len(records)}

        self._run.stage(name, stage)
        return {(r["task"], r["user_id"]): tuple(r["documents"]) for r in read_stage(self._run.path(name))}
