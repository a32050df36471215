"""REST-PG's claims where the right answers are known: the recipe `control`, three seeds, each claim with its test.

Writes the corpus and its model first where they are not there yet (`penname data control`). Each seed is a run of the
recipe and its variants, which take over from it whatever is alike; started again, all go on where they were stopped.
Seeds run beside each other, each on a thread of its own, as the model is too small for two; the tables are printed anew
whenever one is done. All trainings have the same number of optimizer steps, so no method is better for a longer one.
What is compared is an example's mean reward over the seeds, by a two-tailed paired t-test over the test examples. The
ratio is the share of the claims that hold. With --quick everything is too small to show anything.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from common import QUICK_CONTROL, control_corpus, finish, on_control, parser, run
from rich.console import Console
from rich.table import Table

from penname.data.control_rules import TRAITS, traits_of
from penname.evaluation.seeds import over_seeds
from penname.evaluation.significance import ALPHA, bootstrap_interval, paired_t_test
from penname.evaluation.table import Results
from penname.experiments.results import results_of
from penname.experiments.train import train_run
from penname.method_table import METHODS
from penname.recipe_files import load_recipe
from penname.runs.folder import read_stage
from penname.runs.progress import ConsoleProgress
from penname.session import stage_names

FEW_INPUTS = "limit.train=125"
AS_IT_IS, ONCE, PREVIOUS = "as it is", "one iteration", "from the checkpoint"
SHUFFLED, LONGER = "others' profiles", "as many steps as all of rest-pg"
FEW, FEW_PREVIOUS = "few inputs", "few inputs, from the checkpoint"


@dataclass(frozen=True)
class Variant:
    """What is set beside the recipe, and of which methods; methods None: of all. times: so many times its steps."""

    settings: Sequence[str] = ()
    methods: list[str] | None = None
    times: int = 1


VARIANTS = {
    AS_IT_IS: Variant(),
    ONCE: Variant(["expectation.iterations=1"], ["rest-em", "rest-pg"]),
    PREVIOUS: Variant(["expectation.start_from=previous"], ["rest-pg"]),
    SHUFFLED: Variant(["evaluation.shuffled=1"], ["sft", "rest-pg"]),
    LONGER: Variant([], ["sft", "sft-reasoning"], times=4),
    FEW: Variant([FEW_INPUTS], ["rest-pg"]),
    FEW_PREVIOUS: Variant([FEW_INPUTS, "expectation.start_from=previous"], ["rest-pg"]),
}


@dataclass(frozen=True)
class Claim:
    """What the paper says: `better` is above `worse`, each a variant and a method."""

    text: str
    better: tuple[str, str]
    worse: tuple[str, str]


CLAIMS = (
    Claim("rest-pg over rest-em", (AS_IT_IS, "rest-pg"), (AS_IT_IS, "rest-em")),
    Claim("rest-pg over sft-reasoning", (AS_IT_IS, "rest-pg"), (AS_IT_IS, "sft-reasoning")),
    Claim("rest-pg over sft-reasoning of all its steps", (AS_IT_IS, "rest-pg"), (LONGER, "sft-reasoning")),
    Claim("rest-pg over sft of all its steps", (AS_IT_IS, "rest-pg"), (LONGER, "sft")),
    Claim("three iterations over one (rest-pg)", (AS_IT_IS, "rest-pg"), (ONCE, "rest-pg")),
    Claim("from base over from the checkpoint", (AS_IT_IS, "rest-pg"), (PREVIOUS, "rest-pg")),
    Claim("the same with 125 inputs", (FEW, "rest-pg"), (FEW_PREVIOUS, "rest-pg")),
    Claim("a shuffled profile costs (sft)", (AS_IT_IS, "sft"), (SHUFFLED, "sft")),
    Claim("a shuffled profile costs (rest-pg)", (AS_IT_IS, "rest-pg"), (SHUFFLED, "rest-pg")),
)
LITTLE = Claim("reasoning data alone helps little", (AS_IT_IS, "sft-reasoning"), (AS_IT_IS, "sft"))
"""Holds where its interval ends below half of what `rest-pg` is above `sft`: our reading of little."""
QUICK = [
    # Until Figure 8's template is known by heart.
    *("limit={train: 20, test: 16}", "training.max_steps=200", "training.learning_rate=3e-3"),
    *("expectation.iterations=2", "expectation.samples=2", "expectation.threshold=0"),
]


@dataclass(frozen=True)
class Found:
    """Means of both sides, the difference with its 95 % interval, and p."""

    better: float
    worse: float
    difference: float
    interval: tuple[float, float]
    p: float


def folder_of(folder: Path, variant: str, seed: int) -> Path:
    return folder / variant.replace(" ", "-").replace("'", "").replace(",", "") / f"seed-{seed}"


def train_seed(folder: Path, corpus: Path, seed: int, overrides: Sequence[str]) -> int:
    """Train and evaluate the recipe and its variants with this seed, which is returned."""
    done = {}
    for name, variant in VARIANTS.items():
        recipe = load_recipe("control", [*on_control(corpus, corpus / "model", seed), *overrides, *variant.settings])
        assert recipe.training.max_steps is not None, "without a number of steps no training is as long as another"
        training = recipe.training.model_copy(update={"max_steps": variant.times * recipe.training.max_steps})
        recipe = recipe.model_copy(update={"training": training})
        own = folder_of(folder, name, seed)
        own.mkdir(parents=True, exist_ok=True)
        with ConsoleProgress(Console(quiet=True), own / "log.txt") as progress:
            train_run(recipe, own, progress, done, variant.methods)
        done[own] = recipe
    return seed


def results_over(folder: Path, seeds: Sequence[int]) -> dict[str, Results]:
    """Each variant's results, the mean over seeds."""
    return {name: over_seeds([results_of([folder_of(folder, name, seed)])[0] for seed in seeds]) for name in VARIANTS}


def test(claim: Claim, results: dict[str, Results]) -> Found:
    sides = [results[variant][method] for variant, method in (claim.worse, claim.better)]
    worse, better = ([float(side[i]["metrics"]["reward"] or 0.0) for i in sides[0]] for side in sides)
    tested = paired_t_test(worse, better)
    interval = bootstrap_interval(worse, better, 0)
    return Found(sum(better) / len(better), sum(worse) / len(worse), tested.difference, interval, tested.p)


def shares_of_traits(runs: Sequence[Path], method: str, field: str) -> list[float]:
    """For each trait the share of the runs' test examples whose response, or reasoning, shows the right value."""
    hits = []
    for folder in runs:
        right = {r["example_id"]: traits_of(r["output"]) for r in read_stage(folder / stage_names.data("test"))}
        for record in read_stage(folder / stage_names.metrics(stage_names.evaluation("test", method))):
            found = traits_of(record[field] or "")
            hits.append([found.get(trait) == right[record["example_id"]][trait] for trait in TRAITS])
    return [sum(of_trait) / len(hits) for of_trait in zip(*hits, strict=True)]


def show_traits(runs: Sequence[Path]) -> None:
    table = Table("right in", *TRAITS)
    for method in load_recipe("control").methods:
        for field in ("response", "reasoning") if METHODS[method].reasoning else ("response",):
            shares = shares_of_traits(runs, method, field)
            table.add_row(f"{method}, {field}", *(f"{share:.2f}" for share in shares))
    Console(width=120).print(table)


def show_claims(results: dict[str, Results], title: str) -> list[bool]:
    """Print each claim with its test; returns which hold."""
    gain = test(Claim("", (AS_IT_IS, "rest-pg"), (AS_IT_IS, "sft")), results).difference
    table = Table(title, "reward", "against", "difference", "95 % interval", "p", "holds")
    held = []
    for claim in (*CLAIMS, LITTLE):
        found = test(claim, results)
        higher = found.difference > 0 and found.p < ALPHA
        holds = found.interval[1] < gain / 2 if claim is LITTLE else higher
        held.append(holds)
        numbers = (f"{found.better:.3f}", f"{found.worse:.3f}", f"{found.difference:+.3f}")
        interval = f"{found.interval[0]:+.3f} to {found.interval[1]:+.3f}"
        table.add_row(claim.text, *numbers, interval, f"{found.p:.2g}", "yes" if holds else "no")
    Console(width=120).print(table)
    return held


def main() -> None:
    made = parser(__doc__)
    made.add_argument("--corpus", type=Path, default=Path("control"), help="folder of the corpus")
    made.add_argument("--run", type=Path, default=Path("runs/control-claims"), help="folder of the runs")
    made.add_argument("--seeds", type=int, default=3)
    made.add_argument("--set", action="append", default=[], help="override of the recipe, for all runs")
    given = made.parse_args()
    corpus, folder = (
        path.with_name(f"{path.name}-quick") if given.quick else path for path in (given.corpus, given.run)
    )
    control_corpus(corpus, **(QUICK_CONTROL if given.quick else {}))
    os.environ["OMP_NUM_THREADS"] = "1"
    seeds = range(1 if given.quick else given.seeds)
    overrides = [*(QUICK if given.quick else []), *given.set]
    done: list[int] = []
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        running = [pool.submit(train_seed, folder, corpus, seed, overrides) for seed in seeds]
        for trained in as_completed(running):
            done = sorted([*done, trained.result()])
            show_traits([folder_of(folder, AS_IT_IS, seed) for seed in done])
            results = results_over(folder, done)
            held = show_claims(results, f"claim, seeds {', '.join(map(str, done))}")
    finish(sum(held) / len(held), 1, claims=len(held), seeds=len(seeds), examples=len(results[AS_IT_IS]["sft"]))


if __name__ == "__main__":
    run(main)
