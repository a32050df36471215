"""PaT: agents trained in alternation on fresh pairs, and the methods that leave a part of it out.

| method | differs from `pat` in |
|---|---|
| pat-no-documents | with `pat.documents`: the generator is not shown the trajectories' documents |
| pat-no-style, pat-no-topic | nothing of the one trajectory is shown; the other's summary is that of its agent alone |
| pat-no-reasoning | the generator is shown the trajectories' documents in place of summaries |
| pat-no-dpo | agents as they are |
| pat-one-round | summaries of the first round |
| pat-exact-topics | topic documents on the very topic only, without semantic backoff |
| pat-plain-reward | agents trained on pairs that are chosen by plain rewards |

All but the last and `pat-no-dpo` have the agents that `pat` trains.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from penname.engines.models import locate_model
from penname.method_table import AGENTS, AgentName, row_of
from penname.pat.agents import UNTRAINED, Agents, Summaries, agent_prompt, other, refine, sample_summaries
from penname.pat.contexts import Contexts, find_contexts
from penname.pat.differential_reward import Candidates, choose_pairs, differential_rewards
from penname.pat.generator import shared_generator
from penname.prompts.render import Prompt
from penname.runs.folder import Record, read_stage, write_records
from penname.session import stage_names
from penname.session.examples import Prepared
from penname.session.fine_tune import ShownTraining, told_facts
from penname.session.session import Session

if TYPE_CHECKING:
    from penname.training.dpo import Pair


def train_agents(session: Session, method: str) -> Agents:
    """The agents of `method` after all iterations; each trains one and then the other, on pairs that are drawn anew."""
    return session.once(("agents", method), lambda: _train_agents(session, method))


def _train_agents(session: Session, method: str) -> Agents:
    agents: dict[AgentName, Path | None] = dict(UNTRAINED)
    differential = row_of(method).differential
    for iteration in range(1, session.recipe.pat.iterations + 1):
        for agent in AGENTS:
            place = stage_names.agent_iteration(method, iteration, agent)
            # What agents as they are write and get does not depend on how pairs are chosen.
            drawn = place if any(agents.values()) else stage_names.agent_iteration("pat", iteration, agent)
            rewards = _reward_candidates(session, drawn, agent, agents, iteration)
            agents[agent] = _train_agent(session, place, agent, agents, rewards, differential)
    return agents


@dataclass(frozen=True)
class _Rounds:
    """What an agent learns from: examples with their contexts, and all agents' summaries of each round."""

    examples: Sequence[Prepared]
    contexts: Mapping[str, Contexts]
    summaries: Sequence[Summaries]


def _reward_candidates(
    session: Session, place: str, agent: AgentName, agents: Agents, iteration: int
) -> Sequence[Record]:
    """Summaries of the last round by the agent, the other agent's fixed, and what each is worth."""
    settings, size = session.recipe.pat, session.recipe.shard_size
    generator = shared_generator(session)
    rounds = _rounds_in_training(session, place, agents)
    draw = partial(_draw_shard, session, agent, agents[agent], rounds, iteration)
    stage = stage_names.candidates(place)
    drawn = session.run.shards(stage, rounds.examples, size, draw, completions=settings.samples)
    reward = partial(_reward_shard, session, generator, agent, rounds)
    texts = (settings.samples + 1) * settings.texts
    return session.run.shards(stage_names.rewards(place), drawn, size, reward, completions=texts)


def _draw_shard(
    session: Session,
    agent: AgentName,
    model: Path | None,
    rounds: _Rounds,
    iteration: int,
    examples: Sequence[Prepared],
) -> list[Record]:
    """For each example the summaries that are compared. model: the agent's, None for the one as it is."""
    settings = session.recipe.pat
    rows = sample_summaries(
        session,
        agent,
        model,
        examples,
        [_last_prompt(session, agent, e, rounds) for e in examples],
        purpose=f"candidates {iteration}",
        samples=settings.samples,
        temperature=settings.temperature,
    )
    return [{"example_id": row[0]["example_id"], "summaries": [r["summary"] for r in row]} for row in rows]


def _reward_shard(
    session: Session, generator: Path | None, agent: AgentName, rounds: _Rounds, drawn: Sequence[Record]
) -> list[Record]:
    by_id = {e.example_id: e for e in rounds.examples}
    candidates = [
        Candidates(
            by_id[record["example_id"]],
            rounds.contexts[record["example_id"]],
            record["summaries"],
            {other(agent): rounds.summaries[-1][record["example_id"]][other(agent)]},
            _start(session, agent, record["example_id"], rounds),
        )
        for record in drawn
    ]
    return differential_rewards(session, generator, agent, candidates)


def _rounds_in_training(session: Session, place: str, agents: Agents) -> _Rounds:
    """The examples that agents learn from, with their contexts and the agents' summaries of all rounds."""
    train, contexts = session.prepare_fitting("train"), find_contexts(session, "train")
    most = min(len(train), session.recipe.pat.examples or len(train))
    chosen = random.Random(f"{session.recipe.seed}-agents").sample(train, most)
    stage = stage_names.training_summaries(place, trained=any(agents.values()))
    return _Rounds(chosen, contexts, refine(session, stage, agents, chosen, contexts, session.recipe.pat.rounds))


def _last_prompt(session: Session, agent: AgentName, example: Prepared, rounds: _Rounds) -> Prompt:
    """The agent's prompt of the last round."""
    before = rounds.summaries[-2] if len(rounds.summaries) > 1 else {}
    theirs = before.get(example.example_id, {}).get(other(agent))
    return agent_prompt(session, agent, example, rounds.contexts[example.example_id], theirs)


def _start(session: Session, agent: AgentName, example_id: str, rounds: _Rounds) -> str | None:
    """What a summary's reward is measured from."""
    if session.recipe.pat.differential == "left out":
        return None
    return rounds.summaries[-2][example_id][agent]


def _train_agent(
    session: Session, place: str, agent: AgentName, agents: Agents, rewards: Sequence[Record], differential: bool
) -> Path | None:
    """The agent's model after DPO on its pairs; where there is none, the agent stays as it was."""
    of_pairs, stage = stage_names.pairs(place), stage_names.training(place)
    session.run.stage(of_pairs, partial(_choose_pairs, session, place, rewards, differential))
    chosen = list(read_stage(session.run.path(of_pairs)))
    if not chosen:
        session.run.progress.say(f"{place}: no pair to train on; the agent stays as it was")
        return agents[agent]
    session.run.stage(stage, partial(_train_on_pairs, session, place, agent, agents, chosen))
    shutil.rmtree(session.run.path(stage) / "checkpoints", ignore_errors=True)
    return session.run.path(stage) / "model"


def _choose_pairs(session: Session, place: str, rewards: Sequence[Record], differential: bool, folder: Path) -> Record:
    pairs, counts = choose_pairs(rewards, session.recipe.pat.margin, differential=differential)
    write_records(folder / "pairs.parquet", pairs)
    session.run.progress.say(f"{place}: {told_facts(counts)}")
    return counts


def _train_on_pairs(
    session: Session, place: str, agent: AgentName, agents: Agents, chosen: Sequence[Record], folder: Path
) -> Record:
    from penname.training.dpo import train_dpo  # with trl, which takes seconds

    settings = session.recipe.pat.dpo
    pairs = _pairs(session, agent, chosen, _rounds_in_training(session, place, agents))
    session.release()
    start = str(agents[agent]) if agents[agent] else locate_model(session.recipe.agent(agent).model)
    shown = ShownTraining(session.run, stage_names.training(place), settings.steps(len(pairs)))
    result = train_dpo(start, pairs, settings, folder, session.recipe.seed, shown.on_step)
    session.run.progress.finish(f"loss {result.first_loss:.3f} to {result.last_loss:.3f}")
    return asdict(result)


def _pairs(session: Session, agent: AgentName, chosen: Sequence[Record], rounds: _Rounds) -> list[Pair]:
    """The chosen pairs as token ids, each behind the agent's prompt of the last round."""
    from penname.training.dpo import Pair

    by_id = {e.example_id: e for e in rounds.examples}
    renderer = session.agent_renderer(session.recipe.agent(agent))
    return [
        Pair(
            _last_prompt(session, agent, by_id[r["example_id"]], rounds).tokens,
            renderer.target(r["chosen"]),
            renderer.target(r["rejected"]),
        )
        for r in chosen
    ]
