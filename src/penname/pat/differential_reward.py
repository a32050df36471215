"""The differential reward: what a summary adds to the text that is written with it.

That PaT rewards its agents so, and trains them by DPO, is known; both readings of it here, and how pairs are chosen,
are our reconstruction. Of one input all summaries are measured from the same point, so either reading orders them as
their plain rewards do; what differs is which inputs teach at all: one whose best summary adds nothing does not.
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
from penname.session.evaluate import by_example, write_as_evaluated
from penname.session.examples import Prepared
from penname.session.session import Session


@dataclass(frozen=True)
class Candidates:
    """An example's summaries by one agent, to be compared.

    others: what the generator is told beside them. start: what it is told in place of one of them where the reward is
    measured from: None where the trajectory is left out, or the summary of the round before.
    """

    example: Prepared
    contexts: Contexts
    summaries: Sequence[str]
    others: Mapping[AgentName, str]
    start: str | None


def differential_rewards(
    session: Session, generator: Path | None, agent: AgentName, candidates: Sequence[Candidates]
) -> list[Record]:
    """For each candidate `reward`, what the generator's texts with it get, and `differential`, less those without it.

    Either is None where a judge could not say. An example's texts are drawn with the same seeds for each candidate.
    `noise` is the standard error of `reward` from the texts it is the mean of, None where that is one text.
    """
    told = [(c, text) for c in candidates for text in (c.start, *c.summaries)]
    rewards = iter(_rewards(session, generator, agent, told))
    records = []
    for c in candidates:
        start, _ = next(rewards)
        for number, summary in enumerate(c.summaries):
            reward, noise = next(rewards)
            records.append(
                {
                    "example_id": c.example.example_id,
                    "sample": number,
                    "summary": summary,
                    "reward": reward,
                    "differential": None if reward is None or start is None else reward - start,
                    "noise": noise,
                }
            )
    return records


def _rewards(
    session: Session, generator: Path | None, agent: AgentName, told: Sequence[tuple[Candidates, str | None]]
) -> list[tuple[float | None, float | None]]:
    """The mean reward of what the generator writes, told each summary, and its standard error.

    A text that was not written has a reward of 0.
    """
    texts = session.recipe.pat.texts
    prompts = iter([_prompt(session, agent, c, summary) for c, summary in told])
    written = write_as_evaluated(
        session,
        generator,
        [c.example for c, _ in told],
        texts,
        with_reasoning=False,
        prompt_of=lambda example: next(prompts),  # an example stands there once for each of its summaries
    )
    examples = [c.example for c, _ in told for _ in range(texts)]
    scores = session.score(list(session.recipe.reward.mixture), examples, [r["response"] for r in written])
    rewards = [0.0 if score is None else score["reward"] for score in scores]
    return [_mean_and_error(own) for own in by_example(rewards, texts)]


def _mean_and_error(rewards: Sequence[float | None]) -> tuple[float | None, float | None]:
    """Of the rewards that a judge could say; None where there are too few for it."""
    present = [reward for reward in rewards if reward is not None]
    error = statistics.stdev(present) / len(present) ** 0.5 if len(present) > 1 else None
    return (statistics.fmean(present) if present else None), error


def _prompt(session: Session, agent: AgentName, candidates: Candidates, summary: str | None) -> Prompt:
    told: dict[AgentName, str | None] = {"style": None, "topic": None, **candidates.others, agent: summary}
    documents = session.recipe.pat.documents
    return response_prompt(
        session, candidates.example, candidates.contexts, told["style"], told["topic"], documents=documents
    )


def choose_pairs(rewards: Sequence[Record], margin: float, *, differential: bool) -> tuple[list[Record], Record]:
    """For each input its best and its worst summary, and what was dropped.

    A pair is dropped whose rewards are less than `margin` apart; with `differential` also one whose best summary adds
    nothing. Summaries that are empty or have no reward are in no pair, so some inputs have too few.

    The counts also tell how much of what sets summaries apart can be chance: `spread`, the standard deviation between
    the rewards of an input's summaries, and `noise`, the standard error of such a reward from its few texts, both as
    means over the inputs. Where they are alike, pairs are chosen by chance, and `pat.texts` is to be raised.
    """
    of_input: dict[str, list[Record]] = {}
    for record in rewards:
        of_input.setdefault(record["example_id"], []).append(record)
    pairs, few, close, useless = [], 0, 0, 0
    noises: list[float] = []
    spreads: list[float] = []
    for example_id, records in of_input.items():
        known = [r for r in records if r["summary"] and r["reward"] is not None]
        written = sorted(known, key=lambda r: (-r["reward"], r["sample"]))
        noises += [r["noise"] for r in written if r["noise"] is not None]
        if len(written) > 1:
            spreads.append(statistics.stdev(r["reward"] for r in written))
        if len(written) < 2:
            few += 1
        elif written[0]["reward"] - written[-1]["reward"] < max(margin, 1e-9):
            close += 1
        elif differential and (written[0]["differential"] is None or written[0]["differential"] <= 0):
            useless += 1
        else:
            best, worst = written[0], written[-1]
            pairs.append(
                {
                    "example_id": example_id,
                    "chosen": best["summary"],
                    "rejected": worst["summary"],
                    "apart": best["reward"] - worst["reward"],
                    "adds": best["differential"],
                }
            )
    counts = {"inputs": len(of_input), "pairs": len(pairs)}
    counts |= {"too_few": few, "too_close": close, "adding_nothing": useless}
    told = {name: statistics.fmean(own) for name, own in (("spread", spreads), ("noise", noises)) if own}
    return pairs, counts | told
