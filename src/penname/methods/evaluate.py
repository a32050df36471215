"""Writing for a split's inputs at inference temperature, and scoring what was written (REST-PG section 4.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from penname.evaluation.repetition import repeated_share
from penname.extensions import short_name
from penname.methods.choice import choose
from penname.methods.workbench import Prepared, Split, Workbench, part_name
from penname.prompts.render import Prompt
from penname.rewards.mixture import AUTHORSHIP
from penname.runs.store import Record, read_stage

Each = TypeVar("Each")
EVALUATION = 0
"""Stands for the iteration in the seeds of evaluation."""


@dataclass(frozen=True)
class Given:
    """Reasonings by example id, and what the stages of an evaluation with them are called by."""

    name: str
    reasonings: Mapping[str, str]


def evaluate_method(
    bench: Workbench,
    method: str,
    model: Path | None,
    split: Split,
    prompt_of: Callable[[Prepared], Prompt] | None = None,
    *,
    with_reasoning: bool,
    history: int | None = None,
    given: Given | None = None,
) -> list[Record]:
    """Per-example outputs and metrics of one method; they stay in the run.

    A malformed completion has no response: it scores 0 in every metric, and is counted. Of several texts of an example
    (evaluation.texts) the first one is its output, and metrics and new tokens are their means; each is chosen from
    evaluation.candidates, all of which count as new tokens. prompt_of: as
    `Workbench.write` takes it; history: as `Workbench.examples` takes it. With evaluation.reuse_reasoning a user's
    first prompt is answered first, and the reasoning of its first text, if it has any, is given for the others.

    given: reasonings to be given in place of those that the model would write; only their examples are evaluated.
    """
    examples = bench.prepare_fitting(split, history)
    name = f"evaluation/{part_name(split, history)}/{method}"
    if given is not None:
        examples = [e for e in examples if e.example_id in given.reasonings]
        name = f"evaluation/{split}-{given.name}/{method}"

    reuse = with_reasoning and bench.recipe.evaluation.reuse_reasoning and given is None
    firsts = list({_user(e): e for e in reversed(examples)}.values())[::-1] if reuse else examples

    always = given.reasonings if given is not None else None

    rows, texts = bench.recipe.generator.rows, bench.recipe.evaluation.texts
    completions = bench.recipe.evaluation.completions

    def write(part: Sequence[Prepared], reasonings: Mapping[str, str] | None = always) -> list[Record]:
        return write_as_evaluated(
            bench,
            model,
            part,
            completions,
            with_reasoning=with_reasoning,
            prompt_of=prompt_of,
            reasonings=reasonings,
        )

    def write_all() -> list[list[Record]]:
        """Each example's candidates, those of its first text first."""
        written = bench.run.shards(f"{name}/responses", firsts, rows, write, completions=completions)
        if not reuse:
            return by_example(written, completions)
        user = {e.example_id: _user(e) for e in firsts}
        begun = [own[0] for own in by_example(written, completions)]
        known = {user[r["example_id"]]: r["reasoning"] for r in begun if r["response"] and r["reasoning"]}
        others = [e for e in examples if e.example_id not in user]
        go_on = partial(write, reasonings={e.example_id: known[_user(e)] for e in others if _user(e) in known})
        rest = bench.run.shards(f"{name}/responses-reused", others, rows, go_on, completions=completions)
        found = {own[0]["example_id"]: own for own in by_example([*written, *rest], completions)}
        return [found[e.example_id] for e in examples]

    def score(part: Sequence[list[Record]]) -> list[Record]:
        by_id = {e.example_id: e for e in examples}
        chosen = _choose(bench, part, by_id)
        scored = by_example(_score(bench, [r for own in chosen for r in own], by_id), texts)
        return [
            {
                "example_id": own[0]["example_id"],
                "task": own[0]["task"],
                "method": method,
                "history": by_id[own[0]["example_id"]].history,
                "response": own[0]["response"] or "",
                "reasoning": own[0]["reasoning"],
                "metrics": _means(scores),
                "malformed": own[0]["response"] is None,
                "finish_reason": own[0]["finish_reason"],
                "new_tokens": sum(r["new_tokens"] for r in candidates) / texts,
                "texts_malformed": sum(r["response"] is None for r in own),
                "texts_unfinished": sum(r["finish_reason"] == "length" for r in own),
                "texts_without_reasoning": sum(with_reasoning and not r["reasoning"] for r in own),
                "repeated": sum(repeated_share(r["response"] or r["completion"]) for r in own) / texts,
            }
            | ({"first_metrics": scores[0]} if texts > 1 else {})
            for own, candidates, scores in zip(chosen, part, scored, strict=True)
        ]

    def stage(folder: Path) -> Record:
        written = write_all()
        scored = bench.run.shards(f"{name}/metrics", written, rows, score)
        return {
            "examples": len(scored),
            "malformed": sum(r["texts_malformed"] for r in scored),
            "without_reasoning": sum(r["texts_without_reasoning"] for r in scored),
            "unfinished": sum(r["texts_unfinished"] for r in scored),
            "repeated": _mean(r["repeated"] for r in scored),
            "mean_new_tokens": _mean(r["new_tokens"] for r in scored),
            "mean_reward": _mean(r["metrics"]["reward"] for r in scored),
        }

    facts = bench.run.stage(name, stage)
    bench.run.progress.say(
        f"{name}: mean reward {facts['mean_reward']:.4f}; of {facts['examples'] * texts} "
        f"{facts['malformed']} malformed, {facts['unfinished']} unfinished"
        f"{', {} without reasoning'.format(facts['without_reasoning']) if with_reasoning else ''}; "
        f"{facts['mean_new_tokens']:.0f} tokens each, {facts['repeated']:.0%} of eight-word sequences repeated"
    )
    return list(read_stage(bench.run.path(f"{name}/metrics")))


def _choose(
    bench: Workbench, candidates: Sequence[Sequence[Record]], by_id: Mapping[str, Prepared]
) -> list[list[Record]]:
    """Each example's texts: of each run of evaluation.candidates completions the chosen one."""
    number = bench.recipe.evaluation.candidates
    groups = [group for own in candidates for group in by_example(own, number)]
    return by_example(choose_texts(bench, groups, by_id), bench.recipe.evaluation.texts)


def choose_texts(bench: Workbench, groups: Sequence[Sequence[Record]], by_id: Mapping[str, Prepared]) -> list[Record]:
    """Of each group of candidates, as `Workbench.write` gives them, the one that evaluation.choose says."""
    if all(len(group) == 1 for group in groups):
        return [group[0] for group in groups]
    items = [
        [None if (text := r["response"]) is None else bench.reward_input(by_id[r["example_id"]], text) for r in group]
        for group in groups
    ]
    chosen = choose(items, bench.recipe.evaluation.choose, bench.reward, bench.rewards([AUTHORSHIP])[AUTHORSHIP])
    return [group[i] for group, i in zip(groups, chosen, strict=True)]


def by_example(of_texts: Iterable[Each], texts: int) -> list[list[Each]]:
    """What `Workbench.write` gave, in groups of so many: those of an example, or the candidates for one text."""
    every = list(of_texts)
    return [every[start : start + texts] for start in range(0, len(every), texts)]


def shown_metrics(record: Record) -> dict[str, float | None]:
    """How the text scored that a record of `evaluate_method` holds: its `metrics` are means over all texts."""
    found: dict[str, float | None] = record["first_metrics"] if "first_metrics" in record else record["metrics"]
    return found


def _means(scores: Sequence[dict[str, float | None]]) -> dict[str, float | None]:
    """Of each metric over the texts for which it could be told."""
    present = {name: [v for own in scores if (v := own[name]) is not None] for name in scores[0]}
    return {name: sum(values) / len(values) if values else None for name, values in present.items()}


def _user(example: Prepared) -> tuple[str, str]:
    """Whose profile it is: users of different tasks are different ones, also where they are named alike."""
    return example.task, example.user_id


def mean_reward(bench: Workbench, model: Path, examples: Sequence[Prepared], *, with_reasoning: bool) -> float:
    """Mean reward of `model` on `examples`, as an evaluation would find it."""
    by_id = {e.example_id: e for e in examples}
    completions = bench.recipe.evaluation.completions
    written = write_as_evaluated(bench, model, examples, completions, with_reasoning=with_reasoning)
    chosen = _choose(bench, by_example(written, completions), by_id)
    scores = _score(bench, [r for own in chosen for r in own], by_id)
    bench.release()
    return _mean(s["reward"] for s in scores)


def _mean(rewards: Iterable[float | None]) -> float:
    """Over the rewards there are; 0 where there are none."""
    present = [reward for reward in rewards if reward is not None]
    return sum(present) / max(1, len(present))


def write_as_evaluated(
    bench: Workbench,
    model: Path | None,
    examples: Sequence[Prepared],
    samples: int,
    *,
    with_reasoning: bool,
    prompt_of: Callable[[Prepared], Prompt] | None = None,
    reasonings: Mapping[str, str] | None = None,
) -> list[Record]:
    """`Workbench.write` with the temperature, top-p and random seeds of evaluation."""
    settings = bench.recipe.evaluation
    return bench.write(
        model,
        examples,
        iteration=EVALUATION,
        samples=samples,
        temperature=settings.temperature,
        top_p=settings.top_p,
        with_reasoning=with_reasoning,
        prompt_of=prompt_of,
        reasonings=reasonings,
    )


def _score(bench: Workbench, written: Sequence[Record], by_id: dict[str, Prepared]) -> list[dict[str, float | None]]:
    recipe = bench.recipe
    names = list(dict.fromkeys([*recipe.reward.mixture, *recipe.evaluation.metrics]))
    nothing: dict[str, float | None] = dict.fromkeys(["reward", *map(short_name, names)], 0.0)
    scores = bench.score(names, [by_id[r["example_id"]] for r in written], [r["response"] for r in written])
    return [nothing if values is None else values for values in scores]
