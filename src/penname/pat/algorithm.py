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
from dataclasses import asdict
from pathlib import Path

from penname.engines.models import locate_model
from penname.method_table import AGENTS, AgentName, row_of
from penname.pat.agents import UNTRAINED, Agents, Summaries, agent_prompt, other, refine, sample_summaries
from penname.pat.contexts import Contexts, find_contexts
from penname.pat.differential_reward import Candidates, choose_pairs, differential_rewards
from penname.pat.generator import shared_generator
from penname.prompts.render import Prompt
from penname.runs.folder import Record, read_stage, write_records
from penname.session.examples import Prepared
from penname.session.fine_tune import told_facts
from penname.session.session import Session


def train_agents(session: Session, method: str) -> Agents:
    """The agents of `method` after all iterations; each trains one and then the other, on pairs that are drawn anew."""
    return session.once(("agents", method), lambda: _train_agents(session, method))


def _train_agents(session: Session, method: str) -> Agents:
    agents: dict[AgentName, Path | None] = dict(UNTRAINED)
    differential = row_of(method).differential
    for iteration in range(1, session.recipe.pat.iterations + 1):
        for agent in AGENTS:
            stage = f"{method}/iteration-{iteration}/{agent}"
            # What agents as they are write and get does not depend on how pairs are chosen.
            drawn = stage if any(agents.values()) else f"pat/iteration-{iteration}/{agent}"
            rewards = _reward_candidates(session, drawn, agent, agents, iteration)
            agents[agent] = _train_agent(session, stage, agent, agents, rewards, differential)
    return agents


def _reward_candidates(
    session: Session, stage: str, agent: AgentName, agents: Agents, iteration: int
) -> Sequence[Record]:
    """Summaries of the last round by the agent, the other agent's fixed, and what each is worth."""
    settings = session.recipe.pat
    generator = shared_generator(session)
    train, contexts, rounds = _rounds_in_training(session, stage, agents)
    last = rounds[-1]

    def draw(examples: Sequence[Prepared]) -> list[Record]:
        prompts = [_last_prompt(session, agent, e, contexts, rounds) for e in examples]
        rows = sample_summaries(
            session,
            agent,
            agents[agent],
            examples,
            prompts,
            purpose=f"candidates {iteration}",
            samples=settings.samples,
            temperature=settings.temperature,
        )
        return [{"example_id": row[0]["example_id"], "summaries": [r["summary"] for r in row]} for row in rows]

    def reward(drawn: Sequence[Record]) -> list[Record]:
        candidates = [
            Candidates(
                by_id[record["example_id"]],
                contexts[record["example_id"]],
                record["summaries"],
                {other(agent): last[record["example_id"]][other(agent)]},
                _start(session, agent, record["example_id"], rounds),
            )
            for record in drawn
        ]
        return differential_rewards(session, generator, agent, candidates)

    by_id = {e.example_id: e for e in train}
    size = session.recipe.shard_size
    drawn = session.run.shards(f"{stage}/candidates", train, size, draw, completions=settings.samples)
    texts = (settings.samples + 1) * settings.texts
    return session.run.shards(f"{stage}/rewards", drawn, size, reward, completions=texts)


def _rounds_in_training(
    session: Session, stage: str, agents: Agents
) -> tuple[list[Prepared], Mapping[str, Contexts], list[Summaries]]:
    """The examples that agents learn from, with their contexts and the agents' summaries of all rounds."""
    train, contexts = session.prepare_fitting("train"), find_contexts(session, "train")
    most = min(len(train), session.recipe.pat.examples or len(train))
    chosen = random.Random(f"{session.recipe.seed}-agents").sample(train, most)
    place = f"{stage}/summaries" if any(agents.values()) else "pat/summaries/untrained"
    return chosen, contexts, refine(session, place, agents, chosen, contexts, session.recipe.pat.rounds)


def _last_prompt(
    session: Session,
    agent: AgentName,
    example: Prepared,
    contexts: Mapping[str, Contexts],
    rounds: Sequence[Summaries],
) -> Prompt:
    """The agent's prompt of the last round."""
    theirs = rounds[-2][example.example_id].get(other(agent)) if len(rounds) > 1 else None
    return agent_prompt(session, agent, example, contexts[example.example_id], theirs)


def _start(session: Session, agent: AgentName, example_id: str, rounds: Sequence[Summaries]) -> str | None:
    """What a summary's reward is measured from."""
    if session.recipe.pat.differential == "left out":
        return None
    return rounds[-2][example_id][agent]


def _train_agent(
    session: Session, stage: str, agent: AgentName, agents: Agents, rewards: Sequence[Record], differential: bool
) -> Path | None:
    """The agent's model after DPO on its pairs; where there is none, the agent stays as it was."""
    recipe = session.recipe

    def choose(folder: Path) -> Record:
        pairs, counts = choose_pairs(rewards, recipe.pat.margin, differential=differential)
        write_records(folder / "pairs.parquet", pairs)
        session.run.progress.say(f"{stage}: " + told_facts(counts))
        return counts

    def work(folder: Path) -> Record:
        from penname.training.dpo import Pair, train_dpo  # with trl, which takes seconds

        train, contexts, rounds = _rounds_in_training(session, stage, agents)
        by_id = {e.example_id: e for e in train}
        renderer = session.agent_renderer(config)
        pairs = [
            Pair(
                _last_prompt(session, agent, by_id[r["example_id"]], contexts, rounds).tokens,
                renderer.target(r["chosen"]),
                renderer.target(r["rejected"]),
            )
            for r in chosen
        ]
        session.release()
        start = str(agents[agent]) if agents[agent] else locate_model(config.model)
        steps = recipe.pat.dpo.steps(len(pairs))
        progress = session.run.progress
        progress.start(f"{stage}/training", steps, "steps")

        def on_step(step: int, loss: float) -> None:
            progress.advance(1, 0, f"loss {loss:.3f}")
            session.run.tracker.log({f"{stage}/training/loss": loss}, step)

        result = train_dpo(start, pairs, recipe.pat.dpo, folder, recipe.seed, on_step)
        progress.finish(f"loss {result.first_loss:.3f} to {result.last_loss:.3f}")
        return asdict(result)

    config = recipe.agent(agent)
    session.run.stage(f"{stage}/pairs", choose)
    chosen = list(read_stage(session.run.path(f"{stage}/pairs")))
    if not chosen:
        session.run.progress.say(f"{stage}: no pair to train on; the agent stays as it was")
        return agents[agent]
    session.run.stage(f"{stage}/training", work)
    shutil.rmtree(session.run.path(f"{stage}/training") / "checkpoints", ignore_errors=True)
    return session.run.path(f"{stage}/training") / "model"
