"""What several candidates are worth and cost: reward and seconds of a text that is the consensus of 1, 4, 8 or 16.

Of a run (--run; else the quickstart is trained in runs/candidates first) each method writes 16 candidates for each
example, at temperature 0.7 with the run's decoding. The consensus is taken of the first 1, 4, 8 and 16 of them, which
is what each number would have written; beside it stands the best of them by the real reward, which nobody could choose.
Seconds are of writing and choosing, a number after the other in turn, for eight of the examples. The ratio is of mean
rewards over all methods: 8 candidates over 1. --figure draws both.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common import finish, parser, quiet_session, run, timed
from rich.console import Console

from penname.cli.app import ALL_METHODS
from penname.config import LimitConfig
from penname.experiments.run_recipe import load_run_recipe
from penname.experiments.train import model_folder, train_run
from penname.method_table import Method
from penname.pat.method_prompts import method_prompts
from penname.recipe_files import load_recipe
from penname.reporting import figures
from penname.runs.progress import ConsoleProgress
from penname.session.evaluate import choose_texts, group_by_example
from penname.session.examples import PreparedExample
from penname.session.session import Session

OWN_RUN = Path("runs/candidates")
NUMBERS = (1, 4, 8, 16)
TIMED = 8
TARGET = 1.05
TEMPERATURE = 0.7


class Writer:
    """Writes candidates by a run's method, and takes the consensus of them."""

    def __init__(self, folder: Path, session: Session, method: Method) -> None:
        recipe = session.recipe
        self._bench = session
        self._model = model_folder(folder, method, recipe.expectation.iterations) if method.trained else None
        self._reasons = method.reasoning
        self._prompts = None if method.trained else method_prompts(session, method, recipe.evaluation.split)

    def write(self, examples: Sequence[PreparedExample], number: int) -> list[list[dict[str, Any]]]:
        """`number` candidates of each example."""
        inputs = self._bench.generation_inputs(examples, with_reasoning=self._reasons, prompt_of=self._prompts)
        written = self._bench.generate(
            inputs,
            model=self._model,
            purpose="evaluation",
            samples=number,
            temperature=TEMPERATURE,
            top_p=self._bench.recipe.evaluation.top_p,
            with_reasoning=self._reasons,
        )
        return group_by_example(written, number)

    def choose(self, examples: Sequence[PreparedExample], candidates: Sequence[Sequence[dict[str, Any]]]) -> list[Any]:
        """The consensus of each example's candidates."""
        return choose_texts(self._bench, [(e, list(own)) for e, own in zip(examples, candidates, strict=True)])

    def write_and_choose(self, examples: Sequence[PreparedExample], number: int) -> None:
        self.choose(examples, self.write(examples, number))


def quality(session: Session, writer: Writer, examples: Sequence[PreparedExample]) -> dict[str, list[float]]:
    """Mean reward of the consensus, and of the best candidate, by `NUMBERS`."""
    every = writer.write(examples, NUMBERS[-1])
    flat = [(e, r) for e, own in zip(examples, every, strict=True) for r in own]
    scores = session.score(list(session.recipe.reward.mixture), [e for e, _ in flat], [r["response"] for _, r in flat])
    reward = {id(r): (score and score["reward"]) or 0.0 for (_, r), score in zip(flat, scores, strict=True)}
    found: dict[str, list[float]] = {"consensus": [], "best": []}
    for number in NUMBERS:
        first = [own[:number] for own in every]
        found["consensus"].append(_mean([reward[id(r)] for r in writer.choose(examples, first)]))
        found["best"].append(_mean([max(reward[id(r)] for r in own) for own in first]))
    return found


def seconds(writer: Writer, examples: Sequence[PreparedExample]) -> list[float]:
    """Seconds a text of writing and choosing, by `NUMBERS`; the model is loaded before."""
    writer.write(examples[:1], 1)
    return [timed(writer.write_and_choose, examples, number)[0] / len(examples) for number in NUMBERS]


def draw(rewards: Mapping[str, Sequence[float]], times: Mapping[str, Sequence[float]], path: Path) -> None:
    """Two pictures beside `path`: NAME-reward and NAME-seconds."""
    ticks = [str(number) for number in NUMBERS]
    for name, values in (("reward", rewards), ("seconds", times)):
        labels = ("candidates", f"{name} of a text")
        figures.save(figures.curves(dict(values), ticks, labels), path.with_name(f"{path.stem}-{name}{path.suffix}"))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--run", type=Path, help="a finished run")
    arguments.add_argument("--examples", type=int, help="of its evaluation split; all if left out, 2 with --quick")
    arguments.add_argument("--figure", type=Path, help="an SVG or PNG file to draw beside")
    given = arguments.parse_args()
    folder = given.run or (OWN_RUN.with_name("candidates-quick") if given.quick else OWN_RUN)
    if given.run is None:
        quick = ["limit={train: 8, test: 2}", "methods=[rag, sft]"]
        changes = [*(quick if given.quick else [ALL_METHODS]), "three_authors=null"]
        train_run(load_recipe("quickstart", changes), folder, ConsoleProgress(Console(stderr=True)))
    recipe = load_run_recipe(folder)
    recipe = recipe.model_copy(update={"evaluation": recipe.evaluation.model_copy(update={"choose": "consensus"})})
    most = given.examples or (2 if given.quick else None)
    if most:
        recipe = recipe.model_copy(update={"limit": LimitConfig(train=recipe.limit.train, val=most, test=most)})
    rewards: dict[str, list[float]] = {}
    best: dict[str, list[float]] = {}
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        session = quiet_session(recipe, Path(scratch))
        examples = session.prepare_fitting(recipe.evaluation.split)
        for method, row in recipe.method_rows.items():
            writer = Writer(folder, session, row)
            found = quality(session, writer, examples)
            rewards[method], best[method] = found["consensus"], found["best"]
            times[method] = seconds(writer, examples[:TIMED])
            print(method, {"reward": rewards[method], "best": best[method], "seconds": times[method]}, flush=True)
    if given.figure:
        draw(rewards, times, given.figure)
    one, eight = (sum(own[NUMBERS.index(n)] for own in rewards.values()) for n in (1, 8))
    finish(eight / one, TARGET, examples=len(examples), candidates=NUMBERS, reward=rewards, best=best, seconds=times)


if __name__ == "__main__":
    run(main)
