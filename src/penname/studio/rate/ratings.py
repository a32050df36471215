"""Ratings in a run's folder: the key of the pairs, and the answers, as `penname judge-humans import` takes them."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from penname.errors import UserError
from penname.file_locks import lock
from penname.reporting.human_evaluation import CHOICES
from penname.runs.folder import Record, read_json, write_text
from penname.serve.errors import ApiError
from penname.studio.runs import Run, find_runs

FOLDER = "ratings"
_KEY, _ANSWERS = ".key.json", ".answers.json"
_ID = re.compile(r"[0-9a-f]{12}")


@dataclass(frozen=True)
class Rating:
    """A person's choices between texts of two methods of a run.

    id: tells it from others, and tells nothing of the methods.
    of: the run.
    """

    id: str
    of: Run

    @property
    def run(self) -> Path:
        """The run's folder."""
        return self.of.folder

    @property
    def key_file(self) -> Path:
        """Says which method wrote each text, and how it scored; whoever rates does not see it."""
        return self.run / FOLDER / f"{self.id}{_KEY}"

    @property
    def answers_file(self) -> Path:
        """The choices."""
        return self.run / FOLDER / f"{self.id}{_ANSWERS}"

    @property
    def key(self) -> Record:
        """The key, with the `split` and the `methods`. Raises UserError where it is damaged."""
        key = read_json(self.key_file)
        if not isinstance(key.get("pairs"), dict) or not isinstance(key.get("methods"), list):
            raise UserError(f"{self.key_file}: damaged (found no pairs)")
        return key

    @property
    def answered(self) -> Record:
        """Who answers, and the choices by the pairs' numbers, the latest last. Raises UserError where it is damaged."""
        found = read_json(self.answers_file)
        answers = found.get("answers")
        if not isinstance(answers, dict) or any(choice not in CHOICES for choice in answers.values()):
            raise UserError(f"{self.answers_file}: damaged (found no answers)")
        return found

    def answer(self, number: str, choice: str) -> None:
        """Keep a choice, unless the pair has one: that of another tab, or of the first of two taps."""

        def add(answers: dict[str, str]) -> None:
            answers.setdefault(number, choice)

        self._change(add)

    def undo(self) -> None:
        """Forget the latest choice."""
        self._change(lambda answers: answers and answers.popitem())

    def _change(self, change: Callable[[dict[str, str]], object]) -> None:
        with _held(self.run / FOLDER):
            kept = self.answered
            change(kept["answers"])
            write_text(self.answers_file, json.dumps(kept, indent=1))


def new_rating(run: Run, key: Record, annotator: str) -> Rating:
    """Begin a rating. key: of its pairs; annotator: who rates. Raises UserError where the folder cannot be written."""
    rating = Rating(secrets.token_hex(6), run)
    try:
        with _held(rating.run / FOLDER):
            write_text(rating.key_file, json.dumps(key, indent=1))
            kept = {"export": key["export"], "annotator": annotator, "answers": {}}
            write_text(rating.answers_file, json.dumps(kept, indent=1))
    except OSError as error:
        raise UserError(f"{rating.run / FOLDER}: found a folder that cannot be written ({error.strerror})") from error
    return rating


def ratings_of(runs: Path) -> list[Rating]:
    """The ratings of the runs in a folder, the latest first."""
    found: list[tuple[float, Rating]] = []
    for run in find_runs(runs):
        for file in (run.folder / FOLDER).glob(f"*{_ANSWERS}"):
            with suppress(OSError):
                found.append((file.stat().st_mtime, Rating(file.name.removesuffix(_ANSWERS), run)))
    return [rating for _, rating in sorted(found, key=lambda one: -one[0])]


def find_rating(runs: Path, rating: str) -> Rating:
    """A rating by its id. Raises ApiError (404)."""
    for run in find_runs(runs) if _ID.fullmatch(rating) else ():
        if (found := Rating(rating, run)).answers_file.is_file():
            return found
    raise ApiError(404, "found no such rating, expected one of the list at Rate", "not_found")


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold a folder of ratings, so that one change comes after the other, whichever process makes it."""
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("ab") as handle:
        lock(handle)
        yield
