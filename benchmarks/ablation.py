"""What each lever of self-training does, alone and together: `rest-em` and `rest-pg` with it against without.

A recipe (--recipe) is run for each lever and seed, in a folder each under --runs; what runs have in common is computed
once, and a run that was stopped goes on. The table says for each method the mean reward without levers and, for each
lever, the difference it makes with its 95 % interval and p (paired t-test over the examples, seeds taken as one,
Holm's correction over the levers). Whatever a lever trains on, the reward of the table is the recipe's own. A lever on
quantiles needs a recipe with one; of two levers on one setting the later counts among all together. Choose levers with
`--set evaluation.split=val`, and look at test once. The ratio is of all levers together over none, mean reward of
rest-pg.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from common import finish, parser, run
from rich.console import Console

from penname.evaluation.seeds import over_seeds
from penname.evaluation.significance import bootstrap_interval, holm, paired_t_test
from penname.evaluation.table import Results
from penname.experiments.results import results_of
from penname.experiments.sweep import Point, run_sweep
from penname.recipe_files import load_recipe
from penname.runs.progress import ConsoleProgress

NONE, ALL = "none", "all"
LEVERS: dict[str, list[str]] = {
    "quantile of each input": ["expectation.quantile_of=input"],
    "real texts kept": ["expectation.targets=0.5"],
    "advantages as weights": ["expectation.weights=advantage"],
    "no circles kept": ["expectation.max_repeated=0.05"],
    "16 samples": ["expectation.samples=16"],
    "authorship in the reward": ["reward.mixture={rouge1: 1, rougeL: 1, meteor: 1, authorship: 3}"],
    "style card as reasoning": ["reasoning.source=card"],
    "teacher shown the card": ["reasoning.source=teacher-with-card"],
}
METHODS = ("rest-em", "rest-pg")
PLAIN = [
    f"methods=[{', '.join(METHODS)}]",
    "expectation.quantile_of=task",
    "expectation.targets=0",
    "three_authors=null",
]
"""Without the levers that a recipe may have."""


def make_points(
    recipe: str, overrides: Sequence[str], seed: int, levers: Mapping[str, list[str]], runs: Path
) -> list[Point]:
    """A point without any lever, one with each, and one with all of them."""
    every = [change for changes in levers.values() for change in changes]
    settings = {NONE: [], **levers, ALL: every}
    points = []
    for name, changes in settings.items():
        loaded = load_recipe(recipe, [*overrides, f"seed={seed}", *changes])
        points.append(Point(name, loaded, runs / f"seed-{seed}" / name.replace(" ", "-")))
    return points


def rewards(results: Results, method: str, mixture: Mapping[str, float]) -> dict[str, float]:
    """Each example's reward by `mixture`, the weights of the metrics that the recipe's own reward mixes."""
    total = sum(mixture.values())
    return {
        example: sum(weight * (scored["metrics"][name] or 0.0) for name, weight in mixture.items()) / total
        for example, scored in results[method].items()
    }


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--recipe", default="quickstart")
    arguments.add_argument("--set", action="append", default=[], help="override a setting of the recipe")
    arguments.add_argument("--seeds", default="0,1")
    arguments.add_argument("--lever", action="append", help="one of the levers, several times; else all")
    arguments.add_argument("--runs", type=Path, default=Path("runs/ablation"))
    given = arguments.parse_args()
    quick = ["limit={train: 24, val: 4, test: 4}", "expectation.samples=2"] if given.quick else []
    levers = {name: LEVERS[name] for name in (given.lever or LEVERS)}
    seeds = [0] if given.quick else [int(seed) for seed in given.seeds.split(",")]
    mixture = load_recipe(given.recipe, [*PLAIN, *given.set]).reward.mixture
    by_lever: dict[str, list[Results]] = {}
    for seed in seeds:
        points = make_points(given.recipe, [*PLAIN, *quick, *given.set], seed, levers, given.runs)
        run_sweep(points, lambda folder: ConsoleProgress(Console(stderr=True), folder / "log.txt"), None, METHODS)
        for point in points:
            by_lever.setdefault(point.name, []).append(results_of([point.folder])[0])
    merged = {name: over_seeds(own) if len(own) > 1 else own[0] for name, own in by_lever.items()}
    table = {method: differences(merged, method, mixture) for method in METHODS}
    for method, rows in table.items():
        print(f"\n{method}: {rows.pop(NONE)['mean']:.4f} without levers")
        for name, row in rows.items():
            interval = f"{row['low']:+.4f} to {row['high']:+.4f}"
            print(f"  {name:24} {row['difference']:+.4f} ({interval}), p by Holm {row['p']:.3g}")
    all_rewards, none_rewards = (list(rewards(merged[name], "rest-pg", mixture).values()) for name in (ALL, NONE))
    finish(sum(all_rewards) / sum(none_rewards), 1.05, seeds=seeds, examples=len(none_rewards), table=table)


def differences(
    merged: Mapping[str, Results], method: str, mixture: Mapping[str, float]
) -> dict[str, dict[str, float]]:
    """For each lever the difference of mean reward it makes to `method`, its interval and p; `NONE` has the mean."""
    without = rewards(merged[NONE], method, mixture)
    found: dict[str, dict[str, float]] = {NONE: {"mean": sum(without.values()) / len(without)}}
    for name, results in merged.items():
        if name == NONE:
            continue
        own = rewards(results, method, mixture)
        a, b = zip(*((without[e], own[e]) for e in without if e in own), strict=True)
        test, (low, high) = paired_t_test(a, b), bootstrap_interval(a, b, seed=0)
        found[name] = {"difference": test.difference, "low": low, "high": high, "p": test.p}
    corrected = holm([row["p"] for name, row in found.items() if name != NONE])
    for row, p in zip((row for name, row in found.items() if name != NONE), corrected, strict=True):
        row["p"] = p
    return found


if __name__ == "__main__":
    run(main)
