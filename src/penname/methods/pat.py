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

import hashlib
import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import lru_cache, partial
from pathlib import Path

from penname.config import Recipe
from penname.engines.models import locate_model
from penname.method_table import AGENTS, METHODS, AgentName, Method, row_of
from penname.methods.agents import (
    Agents,
    Summaries,
    agent_prompt,
    other,
    refine,
    sample_summaries,
)
from penname.methods.contexts import Contexts, find_contexts
from penname.methods.differential import Candidates, choose_pairs, differential_rewards
from penname.methods.prompting import baseline_prompt, contexts_prompt, response_prompt
from penname.methods.self_training import told_facts, train_stage, within_limit
from penname.methods.workbench import Prepared, Split, Workbench, part_name
from penname.prompts.render import Prompt
from penname.runs.store import Record, read_json, read_stage, write_records
from penname.training.packing import TrainingSample

GENERATOR = "generator"
"""The stages of the generator that methods share."""
UNTRAINED: Agents = {"style": None, "topic": None}
CANDIDATES = 1000
"""Stands for the round in the seeds of summaries that are compared, plus the iteration."""


@lru_cache(maxsize=4)
def shared_generator(bench: Workbench) -> Path | None:
    """The model of all methods that train none of their own: fine-tuned once if the recipe says so.

    Each training example is shown with the prompt of one of these methods, all of them equally often, drawn by the
    seed; PaT's summaries are those of agents as they are, and sometimes one of them alone.
    """
    if not bench.recipe.tune_generator:
        return None
    base = locate_model(bench.recipe.generator.model)
    kinds = list(dict.fromkeys(row.tuned_as for row in bench.recipe.rows.values() if not row.trained))
    samples = partial(_tuning_samples, bench, kinds)
    return train_stage(bench, GENERATOR, base, samples, with_reasoning=False, facts={"prompts_of": kinds})


def _tuning_samples(bench: Workbench, kinds: Sequence[str]) -> list[TrainingSample]:
    train = bench.prepare_fitting("train")
    order = random.Random(f"{bench.recipe.seed}-generator").sample(train, len(train))
    prompts: dict[str, Prompt] = {}
    for number, kind in enumerate(kinds):
        method = bench.recipe.rows.get(kind) or METHODS[kind]
        own = order[number :: len(kinds)]
        contexts = find_contexts(bench, "train") if method.shows_others else {}
        summaries: Summaries = {}
        if method.summaries_of:
            # Which examples these are depends on the recipe's methods, which may change where a run goes on.
            ids = hashlib.sha256("\n".join(e.example_id for e in own).encode()).hexdigest()[:8]
            stage = f"{GENERATOR}/summaries-{ids}"
            last = refine(bench, stage, UNTRAINED, own, contexts, bench.recipe.pat.rounds)[-1]
            summaries = {e.example_id: _in_part(last[e.example_id], i) for i, e in enumerate(own)}
        prompts |= {e.example_id: _prompt(bench, method, e, contexts, summaries) for e in own}
    samples = [TrainingSample(prompts[e.example_id].tokens, bench.renderer.target(e.output)) for e in train]
    return within_limit(bench, samples)


def _in_part(written: Mapping[AgentName, str], number: int) -> Mapping[AgentName, str]:
    """Of four one without style and one without topic: the generator is asked to write without these too."""
    return _without(written, {1: "style", 2: "topic"}.get(number % 4))


def _without(written: Mapping[AgentName, str], left_out: str | None) -> Mapping[AgentName, str]:
    return {agent: text for agent, text in written.items() if agent != left_out}


def untuned(run: Path, recipe: Recipe) -> list[str]:
    """The recipe's methods whose prompts the run's generator has not seen, if it was fine-tuned."""
    stage = run / GENERATOR / "training" / "stage.json"
    seen = read_json(stage).get("prompts_of") if stage.is_file() else None
    if seen is None:
        return []
    return [name for name, row in recipe.rows.items() if not row.trained and row.tuned_as not in seen]


def method_prompts(
    bench: Workbench, method: Method, split: Split, history: int | None = None
) -> Callable[[Prepared], Prompt]:
    """How `method` prompts the generator it shares, for the examples of a split."""
    contexts = find_contexts(bench, split, history) if method.shows_others else {}
    if method.exact_topics:
        contexts = {i: replace(own, topic=own.exact_topic) for i, own in contexts.items()}
    summaries = _summaries(bench, method, split, history, contexts) if method.summaries_of else {}
    return lambda example: _prompt(bench, method, example, contexts, summaries)


def _prompt(
    bench: Workbench,
    method: Method,
    example: Prepared,
    contexts: Mapping[str, Contexts],
    summaries: Summaries,
) -> Prompt:
    if method.shows != "trajectories":
        return baseline_prompt(bench, method, example, contexts.get(example.example_id))
    if method.summaries_of is None:
        return contexts_prompt(bench, example, contexts[example.example_id])
    known = summaries[example.example_id]
    own = contexts[example.example_id]
    documents = bench.recipe.pat.documents and method.documents
    return response_prompt(bench, example, own, known.get("style"), known.get("topic"), documents=documents)


def _summaries(
    bench: Workbench, method: Method, split: Split, history: int | None, contexts: Mapping[str, Contexts]
) -> Summaries:
    """What the generator is told, by example id."""
    examples = bench.prepare_fitting(split, history)
    agents = train_agents(bench, method.agents_of or "") if method.trains_agents else UNTRAINED
    stage = f"{method.summaries_of}/summaries/{part_name(split, history)}"
    rounds = refine(bench, stage, agents, examples, contexts, bench.recipe.pat.rounds)
    return {i: _without(own, method.left_out) for i, own in rounds[0 if method.one_round else -1].items()}


@lru_cache(maxsize=4)
def train_agents(bench: Workbench, method: str) -> Agents:
    """The agents of `method` after all iterations; each trains one and then the other, on pairs that are drawn anew."""
    agents: dict[AgentName, Path | None] = dict(UNTRAINED)
    differential = row_of(method).differential
    for iteration in range(1, bench.recipe.pat.iterations + 1):
        for agent in AGENTS:
            stage = f"{method}/iteration-{iteration}/{agent}"
            # What agents as they are write and get does not depend on how pairs are chosen.
            drawn = stage if any(agents.values()) else f"pat/iteration-{iteration}/{agent}"
            rewards = _reward_candidates(bench, drawn, agent, agents, iteration)
            agents[agent] = _train_agent(bench, stage, agent, agents, rewards, differential)
    return agents


def _reward_candidates(
    bench: Workbench, stage: str, agent: AgentName, agents: Agents, iteration: int
) -> Sequence[Record]:
    """Summaries of the last round by the agent, the other agent's fixed, and what each is worth."""
    settings = bench.recipe.pat
    generator = shared_generator(bench)
    train, contexts, rounds = _rounds_in_training(bench, stage, agents)
    last = rounds[-1]

    def draw(examples: Sequence[Prepared]) -> list[Record]:
        prompts = [_last_prompt(bench, agent, e, contexts, rounds) for e in examples]
        key = CANDIDATES + iteration
        rows = sample_summaries(
            bench,
            agent,
            agents[agent],
            examples,
            prompts,
            key=key,
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
                _start(bench, agent, record["example_id"], rounds),
            )
            for record in drawn
        ]
        return differential_rewards(bench, generator, agent, candidates)

    by_id = {e.example_id: e for e in train}
    size = bench.recipe.shard_size
    drawn = bench.run.shards(f"{stage}/candidates", train, size, draw, completions=settings.samples)
    texts = (settings.samples + 1) * settings.texts
    return bench.run.shards(f"{stage}/rewards", drawn, size, reward, completions=texts)


def _rounds_in_training(
    bench: Workbench, stage: str, agents: Agents
) -> tuple[list[Prepared], Mapping[str, Contexts], list[Summaries]]:
    """The examples that agents learn from, with their contexts and the agents' summaries of all rounds."""
    train, contexts = bench.prepare_fitting("train"), find_contexts(bench, "train")
    most = min(len(train), bench.recipe.pat.examples or len(train))
    chosen = random.Random(f"{bench.recipe.seed}-agents").sample(train, most)
    place = f"{stage}/summaries" if any(agents.values()) else "pat/summaries/untrained"
    return chosen, contexts, refine(bench, place, agents, chosen, contexts, bench.recipe.pat.rounds)


def _last_prompt(
    bench: Workbench,
    agent: AgentName,
    example: Prepared,
    contexts: Mapping[str, Contexts],
    rounds: Sequence[Summaries],
) -> Prompt:
    """The agent's prompt of the last round."""
    theirs = rounds[-2][example.example_id].get(other(agent)) if len(rounds) > 1 else None
    return agent_prompt(bench, agent, example, contexts[example.example_id], theirs)


def _start(bench: Workbench, agent: AgentName, example_id: str, rounds: Sequence[Summaries]) -> str | None:
    """What a summary's reward is measured from."""
    if bench.recipe.pat.differential == "left out":
        return None
    return rounds[-2][example_id][agent]


def _train_agent(
    bench: Workbench, stage: str, agent: AgentName, agents: Agents, rewards: Sequence[Record], differential: bool
) -> Path | None:
    """The agent's model after DPO on its pairs; where there is none, the agent stays as it was."""
    recipe = bench.recipe

    def choose(folder: Path) -> Record:
        pairs, counts = choose_pairs(rewards, recipe.pat.margin, differential=differential)
        write_records(folder / "pairs.parquet", pairs)
        bench.run.progress.say(f"{stage}: " + told_facts(counts))
        return counts

    def work(folder: Path) -> Record:
        from penname.training.dpo import Pair, train_dpo  # with trl, which takes seconds

        train, contexts, rounds = _rounds_in_training(bench, stage, agents)
        by_id = {e.example_id: e for e in train}
        renderer = bench.agent_renderer(config)
        pairs = [
            Pair(
                _last_prompt(bench, agent, by_id[r["example_id"]], contexts, rounds).tokens,
                renderer.target(r["chosen"]),
                renderer.target(r["rejected"]),
            )
            for r in chosen
        ]
        bench.release()
        start = str(agents[agent]) if agents[agent] else locate_model(config.model)
        steps = recipe.pat.dpo.steps(len(pairs))
        progress = bench.run.progress
        progress.start(f"{stage}/training", steps, "steps")

        def on_step(step: int, loss: float) -> None:
            progress.advance(1, 0, f"loss {loss:.3f}")
            bench.run.tracker.log({f"{stage}/training/loss": loss}, step)

        result = train_dpo(start, pairs, recipe.pat.dpo, folder, recipe.seed, on_step)
        progress.finish(f"loss {result.first_loss:.3f} to {result.last_loss:.3f}")
        return asdict(result)

    config = recipe.agent(agent)
    bench.run.stage(f"{stage}/pairs", choose)
    chosen = list(read_stage(bench.run.path(f"{stage}/pairs")))
    if not chosen:
        bench.run.progress.say(f"{stage}: no pair to train on; the agent stays as it was")
        return agents[agent]
    bench.run.stage(f"{stage}/training", work)
    shutil.rmtree(bench.run.path(f"{stage}/training") / "checkpoints", ignore_errors=True)
    return bench.run.path(f"{stage}/training") / "model"
