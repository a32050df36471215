"""PaT: agents trained in alternation on new preference pairs, and the methods that ablate a part of it.

| method | differs from `pat` in |
|---|---|
| pat-no-documents | with `pat.documents`: the generator does not see the trajectories' documents |
| pat-no-style, pat-no-topic | one trajectory is missing; the summary of the other is the one its agent wrote alone |
| pat-no-reasoning | the generator sees the trajectories' documents in place of summaries |
| pat-no-dpo | the agents are not trained |
| pat-one-round | the summaries are those of the first round |
| pat-exact-topics | topic documents are on the exact topic only, without semantic backoff |
| pat-plain-reward | the agents are trained on pairs chosen by plain rewards |

All of them use the agents that `pat` trains, except the last and `pat-no-dpo`.
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
from penname.pat.agents import (
    UNTRAINED,
    Agents,
    PromptedExample,
    Summaries,
    agent_prompt,
    other_agent,
    refine,
    sample_summaries,
)
from penname.pat.contexts import Contexts, find_contexts
from penname.pat.differential_reward import Candidates, choose_pairs, differential_rewards
from penname.pat.generator import shared_generator
from penname.prompts.render import Prompt
from penname.runs.folder import read_stage, write_records
from penname.runs.shards import LazyItems, Record
from penname.session import stage_names
from penname.session.examples import PreparedExample
from penname.session.fine_tune import TrainingProgress, format_facts
from penname.session.session import Session

if TYPE_CHECKING:
    from penname.training.dpo import PreferencePair


def train_agents(session: Session, method: str) -> Agents:
    """The agents of a method after all iterations, each of which trains one agent and then the other on new pairs.

    session: the session of the run.
    method: a method whose agents are trained, `pat` or `pat-plain-reward`.

    That PaT trains its agents by DPO is known; the alternation is our reconstruction.
    """
    return session.cached(("agents", method), lambda: _train_agents(session, method))


def _train_agents(session: Session, method: str) -> Agents:
    agents: dict[AgentName, Path | None] = dict(UNTRAINED)
    differential = row_of(method).differential
    for iteration in range(1, session.recipe.pat.iterations + 1):
        for agent in AGENTS:
            prefix = stage_names.agent_iteration(method, iteration, agent)
            candidates_prefix = stage_names.agent_candidates(method, iteration, agent)
            rewards = _candidate_rewards(session, candidates_prefix, agent, agents, iteration)
            agents[agent] = _train_agent(session, prefix, agent, agents, rewards, differential)
    return agents


@dataclass(frozen=True)
class _Rounds:
    """What an agent is trained on: examples with their contexts, and both agents' summaries of each round."""

    examples: Sequence[PreparedExample]
    contexts: Mapping[str, Contexts]
    summaries: Sequence[Summaries]


def _candidate_rewards(
    session: Session, prefix: str, agent: AgentName, agents: Agents, iteration: int
) -> Sequence[Record]:
    """Candidate summaries of the last round by the agent, with the other agent's fixed, and the rewards of each."""
    settings, size = session.recipe.pat, session.recipe.shard_size
    generator = shared_generator(session)
    rounds = _rounds_in_training(session, prefix, agents)
    prompted = LazyItems(rounds.examples, lambda e: (e, _last_prompt(session, agent, e, rounds)))
    sample = partial(_sample_shard, agent=agent, model=agents[agent], iteration=iteration)
    stage = stage_names.candidates(prefix)
    summaries = session.shards(stage, prompted, size, sample, completions=settings.samples)
    by_id = {e.example_id: e for e in rounds.examples}
    candidates = LazyItems(summaries, partial(_candidates, session, agent, rounds, by_id))
    reward = partial(differential_rewards, generator=generator, agent=agent)
    texts = (settings.samples + 1) * settings.texts
    return session.shards(stage_names.rewards(prefix), candidates, size, reward, completions=texts)


def _sample_shard(
    session: Session, prompted: Sequence[PromptedExample], *, agent: AgentName, model: Path | None, iteration: int
) -> list[Record]:
    """The candidate summaries of each example. model: the agent's model; None for the recipe's."""
    settings = session.recipe.pat
    samples = sample_summaries(
        session,
        agent,
        model,
        prompted,
        purpose=f"candidates {iteration}",
        samples=settings.samples,
        temperature=settings.temperature,
    )
    return [{"example_id": own[0]["example_id"], "summaries": [r["summary"] for r in own]} for own in samples]


def _candidates(
    session: Session, agent: AgentName, rounds: _Rounds, by_id: Mapping[str, PreparedExample], record: Record
) -> Candidates:
    """The candidate summaries in a record of `_sample_shard`. by_id: the examples."""
    example_id, other = record["example_id"], other_agent(agent)
    return Candidates(
        by_id[example_id],
        rounds.contexts[example_id],
        record["summaries"],
        {other: rounds.summaries[-1][example_id][other]},
        _baseline_summary(session, agent, example_id, rounds),
    )


def _rounds_in_training(session: Session, prefix: str, agents: Agents) -> _Rounds:
    """The examples that an agent is trained on, with their contexts and both agents' summaries of all rounds."""
    train, contexts = session.prepare_fitting("train"), find_contexts(session, "train")
    count = min(len(train), session.recipe.pat.examples or len(train))
    chosen = random.Random(f"{session.recipe.seed}-agents").sample(train, count)
    stage = stage_names.training_summaries(prefix, trained=any(agents.values()))
    return _Rounds(chosen, contexts, refine(session, stage, agents, chosen, contexts, session.recipe.pat.rounds))


def _last_prompt(session: Session, agent: AgentName, example: PreparedExample, rounds: _Rounds) -> Prompt:
    """The agent's prompt in the last round."""
    previous = rounds.summaries[-2] if len(rounds.summaries) > 1 else {}
    other_summary = previous.get(example.example_id, {}).get(other_agent(agent))
    return agent_prompt(session, agent, example, rounds.contexts[example.example_id], other_summary)


def _baseline_summary(session: Session, agent: AgentName, example_id: str, rounds: _Rounds) -> str | None:
    """The summary that a candidate's reward is compared with; None to compare with a prompt without the trajectory."""
    if session.recipe.pat.differential == "left out":
        return None
    return rounds.summaries[-2][example_id][agent]


def _train_agent(
    session: Session, prefix: str, agent: AgentName, agents: Agents, rewards: Sequence[Record], differential: bool
) -> Path | None:
    """The agent's model after DPO on its preference pairs; without any pair, the agent stays as it was."""
    pairs_stage, stage = stage_names.pairs(prefix), stage_names.training(prefix)
    session.run.stage(pairs_stage, partial(_choose_pairs, session, prefix, rewards, differential))
    chosen = list(read_stage(session.run.path(pairs_stage)))
    if not chosen:
        session.run.progress.say(f"{prefix}: no pair to train on; the agent stays as it was")
        return agents[agent]
    session.run.stage(stage, partial(_train_on_pairs, session, prefix, agent, agents, chosen))
    shutil.rmtree(session.run.path(stage) / "checkpoints", ignore_errors=True)
    return session.run.path(stage) / "model"


def _choose_pairs(session: Session, prefix: str, rewards: Sequence[Record], differential: bool, folder: Path) -> Record:
    pairs, counts = choose_pairs(rewards, session.recipe.pat.margin, differential=differential)
    write_records(folder / "pairs.parquet", pairs)
    session.run.progress.say(f"{prefix}: {format_facts(counts)}")
    return counts


def _train_on_pairs(
    session: Session, prefix: str, agent: AgentName, agents: Agents, chosen: Sequence[Record], folder: Path
) -> Record:
    from penname.training.checkpoints import write_end_and_template
    from penname.training.dpo import train_dpo  # imports trl, which takes seconds

    settings = session.recipe.pat.dpo
    pairs = _pairs(session, agent, chosen, _rounds_in_training(session, prefix, agents))
    session.release()
    start = str(agents[agent]) if agents[agent] else locate_model(session.recipe.agent(agent).model)
    progress = TrainingProgress(session.run, stage_names.training(prefix), settings.steps(len(pairs)))
    result = train_dpo(start, pairs, settings, folder, session.recipe.seed, progress.on_step, session.processes)
    session.run.progress.finish(f"loss {result.first_loss:.3f} to {result.last_loss:.3f}")
    renderer = session.agent_renderer(session.recipe.agent(agent))
    write_end_and_template(folder / "model", renderer.stop_ids, renderer.end, renderer.exported_template)
    return asdict(result)


def _pairs(session: Session, agent: AgentName, chosen: Sequence[Record], rounds: _Rounds) -> list[PreferencePair]:
    """The chosen preference pairs as token ids, each with the agent's prompt in the last round."""
    from penname.training.dpo import PreferencePair

    by_id = {e.example_id: e for e in rounds.examples}
    renderer = session.agent_renderer(session.recipe.agent(agent))
    return [
        PreferencePair(
            _last_prompt(session, agent, by_id[r["example_id"]], rounds).tokens,
            renderer.target(r["chosen"]),
            renderer.target(r["rejected"]),
        )
        for r in chosen
    ]
