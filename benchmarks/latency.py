"""What reasoning adds to the time of a text, one prompt at a time, and how much less that is where a user's is reused.

Of a run (--run; else the quickstart is trained on 168 examples in runs/latency first) `rest-em` writes without
reasoning, `rest-pg` with it, and `rest-pg` again with the reasoning that it wrote for another prompt of the same user
(as `penname generate --reuse-reasoning` and `evaluation.reuse_reasoning` do). Prompts are of users who have two or more
in the test split, less each user's first, for which the reused reasoning is written. The ratio is of the medians of
seconds: reused over none. The gain that reuse must keep is that of `rest-pg` over the untrained model, `rag`, on the
same prompts.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from common import finish, median, parser, quiet_session, run, timed
from rich.console import Console

from penname.config import LimitConfig, Recipe
from penname.errors import UserError
from penname.evaluation.significance import bootstrap_interval
from penname.experiments.run_recipe import load_run_recipe
from penname.experiments.train import model_folder, train_run
from penname.method_table import METHODS
from penname.recipe_files import load_recipe
from penname.runs.progress import ConsoleProgress
from penname.session.examples import PreparedExample
from penname.session.session import Session

OWN_RUN = Path("runs/latency")
OWN_LIMIT = "limit={train: 168, test: 40}"
"""Four times as many as the quickstart trains on, where `rest-pg` gains nothing on some machines."""
USERS, PROMPTS = 20, 2
"""At most so many users, and so many prompts of each."""
TARGET = 1.3


class Side:
    """A method's model, loaded, and how long and how good its texts are."""

    def __init__(self, run: Path, recipe: Recipe, method: str, scratch: Path) -> None:
        self._bench = quiet_session(recipe, scratch)
        self._bench.run.progress.start(method, 1, "texts")
        folder = model_folder(run, METHODS[method], recipe.expectation.iterations)
        self._model = None if method == "rag" else folder
        self._reasons = method == "rest-pg"
        self.seconds: list[float] = []
        self.rewards: list[float] = []
        self.tokens: list[int] = []

    def write(self, example: PreparedExample, reasoning: str | None = None) -> dict[str, Any]:
        settings = self._bench.recipe.evaluation
        given = {} if reasoning is None else {example.example_id: reasoning}
        inputs = self._bench.generation_inputs([example], with_reasoning=self._reasons, reasonings=given)
        (record,) = self._bench.generate(
            inputs,
            model=self._model,
            purpose="evaluation",
            samples=1,
            temperature=settings.temperature,
            top_p=settings.top_p,
            with_reasoning=self._reasons,
        )
        return record

    def measure(self, example: PreparedExample, reasoning: str | None = None) -> None:
        taken, record = timed(self.write, example, reasoning)
        (scores,) = self._bench.score(list(self._bench.recipe.reward.mixture), [example], [record["response"]])
        self.seconds.append(taken)
        self.tokens.append(record["new_tokens"])
        self.rewards.append(0.0 if scores is None else scores["reward"] or 0.0)


def users_prompts(session: Session) -> list[list[PreparedExample]]:
    """The prompts of each user who has two or more."""
    users: dict[tuple[str, str], list[PreparedExample]] = {}
    for example in session.prepare_fitting("test"):
        users.setdefault((example.task, example.user_id), []).append(example)
    return [own for own in users.values() if len(own) > 1]


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--run", type=Path, help="a finished run of rest-em and rest-pg")
    given = arguments.parse_args()
    # After six examples no sample of rest-pg had a response to train on.
    quick = ["limit={train: 32, test: 2}", "expectation.samples=2", "shard_size=32"]
    changes = [*(quick if given.quick else [OWN_LIMIT]), "methods=[rest-em, rest-pg]", "three_authors=null"]
    folder = given.run or (OWN_RUN.with_name("latency-quick") if given.quick else OWN_RUN)
    if given.run is None:
        train_run(load_recipe("quickstart", changes), folder, ConsoleProgress(Console(stderr=True)))
    recipe = load_run_recipe(folder).model_copy(update={"limit": LimitConfig()})
    with tempfile.TemporaryDirectory() as scratch:
        none, reasoned, reused, untrained = (
            Side(folder, recipe, method, Path(scratch)) for method in ("rest-em", "rest-pg", "rest-pg", "rag")
        )
        prompts = users_prompts(quiet_session(recipe, Path(scratch)))
        if not prompts:
            raise UserError(f"{folder}: every user has one test example, expected users with two or more")
        none.write(prompts[0][0])  # the engines are warm before anything is timed
        for first, *others in prompts[: 1 if given.quick else USERS]:
            kept = reasoned.write(first)["reasoning"]
            if not kept:
                continue
            reused.write(first, kept)
            for example in others[: 1 if given.quick else PROMPTS]:
                for side, reasoning in ((none, None), (reasoned, None), (reused, kept), (untrained, None)):
                    side.measure(example, reasoning)
    if not none.seconds:
        raise UserError(f"{folder}: rest-pg wrote no reasoning that could be reused")
    sides = {"no_reasoning": none, "reasoning": reasoned, "reused": reused, "untrained": untrained}
    rewards = {name: sum(side.rewards) / len(side.rewards) for name, side in sides.items()}
    gain = rewards["reasoning"] - rewards["untrained"]
    finish(
        median(reused.seconds) / median(none.seconds),
        TARGET,
        at_most=True,
        ratio_with_reasoning=round(median(reasoned.seconds) / median(none.seconds), 4),
        prompts=len(none.seconds),
        seconds={name: round(median(side.seconds), 3) for name, side in sides.items()},
        tokens={name: round(sum(side.tokens) / len(side.tokens), 1) for name, side in sides.items()},
        rewards={name: round(reward, 4) for name, reward in rewards.items()},
        reused_over_reasoning=[round(end, 4) for end in bootstrap_interval(reasoned.rewards, reused.rewards, seed=0)],
        gain_kept=round((rewards["reused"] - rewards["untrained"]) / gain, 3) if gain > 0 else None,
    )


if __name__ == "__main__":
    run(main)
