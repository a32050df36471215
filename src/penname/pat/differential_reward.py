"""The differential reward: how much a summary improves the text that is generated with it.

That PaT rewards its agents this way, and trains them by DPO, is known; both baselines implemented here, and the choice
of preference pairs, are our reconstruction. All summaries of an input have the same baseline, so differential rewards
rank them like plain rewards. The difference is which inputs give training pairs: none where the best summary has no
gain over the baseline.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from penname.method_table import AgentName
from penname.pat.contexts import Contexts
from penname.pat.prompts import response_prompt
from penname.prompts.render import Prompt
from penname.runs.folder import Record
from penname.session.evaluate import generate_as_evaluated, group_by_example
from penname.session.examples import PreparedExample
from penname.session.session import GenerationInput, Session


@dataclass(frozen=True)
class Candidates:
    """Candidate summaries of an example by one agent.

    other_summaries: the other agents' summaries in the generator's prompt.
    baseline_summary: what replaces a candidate for the baseline: the summary of the previous round, or None to omit the
        trajectory from the prompt.
    """

    example: PreparedExample
    contexts: Contexts
    summaries: Sequence[str]
    other_summaries: Mapping[AgentName, str]
    baseline_summary: str | None


def differential_rewards(
    session: Session, candidates: Sequence[Candidates], *, generator: Path | None, agent: AgentName
) -> list[Record]:
    """A record for each candidate summary, with `reward`, `differential` and `noise`.

    `reward` is the mean reward of the generator's texts with the summary, and `differential` is its gain over the
    baseline; either is None where the judge failed. `noise` is the standard error of `reward`, None for a single text.
    The texts of an example are sampled with the same seeds for each summary.

    session: the session of the run.
    candidates: the candidate summaries of each example.
    generator: the folder of the generator's model; None for the recipe's.
    agent: the agent that wrote the summaries.
    """
    prompted = [(c, text) for c in candidates for text in (c.baseline_summary, *c.summaries)]
    rewards = iter(_rewards(session, generator, agent, prompted))
    records = []
    for c in candidates:
        baseline, _ = next(rewards)
        for number, summary in enumerate(c.summaries):
            reward, noise = next(rewards)
            records.append(
                {
                    "example_id": c.example.example_id,
                    "sample": number,
                    "summary": summary,
                    "reward": reward,
                    "differential": None if reward is None or baseline is None else reward - baseline,
                    "noise": noise,
                }
            )
    return records


def _rewards(
    session: Session, generator: Path | None, agent: AgentName, prompted: Sequence[tuple[Candidates, str | None]]
) -> list[tuple[float | None, float | None]]:
    """The mean reward of the generator's texts with each summary, and its standard error.

    A malformed completion has a reward of 0.
    """
    texts = session.recipe.pat.texts
    inputs = [GenerationInput(c.example, _prompt(session, agent, c, summary)) for c, summary in prompted]
    texts_written = generate_as_evaluated(session, inputs, model=generator, samples=texts, with_reasoning=False)
    examples = [c.example for c, _ in prompted for _ in range(texts)]
    scores = session.score(list(session.recipe.reward.mixture), examples, [r["response"] for r in texts_written])
    rewards = [0.0 if score is None else score["reward"] for score in scores]
    return [_mean_and_error(of_summary) for of_summary in group_by_example(rewards, texts)]


def _mean_and_error(rewards: Sequence[float | None]) -> tuple[float | None, float | None]:
    """The mean and standard error of the rewards that are not None; each is None where there are too few."""
    present = [reward for reward in rewards if reward is not None]
    error = statistics.stdev(present) / len(present) ** 0.5 if len(present) > 1 else None
    return (statistics.fmean(present) if present else None), error


def _prompt(session: Session, agent: AgentName, candidates: Candidates, summary: str | None) -> Prompt:
    summaries: dict[AgentName, str | None] = {
        "style": None,
        "topic": None,
        **candidates.other_summaries,
        agent: summary,
    }
    documents = session.recipe.pat.documents
    return response_prompt(
        session, candidates.example, candidates.contexts, summaries["style"], summaries["topic"], documents=documents
    )


def choose_pairs(rewards: Sequence[Record], margin: float, *, differential: bool) -> tuple[list[Record], Record]:
    """The preference pair of each input, its best and worst summary, and counts of the inputs without a pair.

    rewards: records of `differential_rewards`.
    margin: the smallest difference between the rewards of a pair.
    differential: whether to drop pairs whose best summary has no gain over the baseline.

    Summaries that are empty or have no reward are in no pair, so some inputs have too few.

    The counts also show how much of the differences may be chance: `spread` is the standard deviation of the rewards of
    an input's summaries, and `noise` the standard error of such a reward, both averaged over the inputs. Where they
    are similar, pairs are chosen by chance, and `pat.texts` should be increased.
    """
    by_input: dict[str, list[Record]] = {}
    for record in rewards:
        by_input.setdefault(record["example_id"], []).append(record)
    pairs, too_few, too_close, no_gain = [], 0, 0, 0
    noises: list[float] = []
    spreads: list[float] = []
    for example_id, records in by_input.items():
        scored = [r for r in records if r["summary"] and r["reward"] is not None]
        ranked = sorted(scored, key=lambda r: (-r["reward"], r["sample"]))
        noises += [r["noise"] for r in ranked if r["noise"] is not None]
        if len(ranked) > 1:
            spreads.append(statistics.stdev(r["reward"] for r in ranked))
        if len(ranked) < 2:
            too_few += 1
        elif ranked[0]["reward"] - ranked[-1]["reward"] < max(margin, 1e-9):
            too_close += 1
        elif differential and (ranked[0]["differential"] is None or ranked[0]["differential"] <= 0):
            no_gain += 1
        else:
            best, worst = ranked[0], ranked[-1]
            pairs.append(
                {
                    "example_id": example_id,
                    "chosen": best["summary"],
                    "rejected": worst["summary"],
                    "difference": best["reward"] - worst["reward"],
                    "differential": best["differential"],
                }
            )
    counts = {"inputs": len(by_input), "pairs": len(pairs)}
    counts |= {"too_few": too_few, "too_close": too_close, "adding_nothing": no_gain}
    means = {name: statistics.fmean(values) for name, values in (("spread", spreads), ("noise", noises)) if values}
    return pairs, counts | means
