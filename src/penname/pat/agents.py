"""PaT's agents: one summarizes the user's style, the other the text's topic, and they refine their summaries in turn.

That a style agent and a topic agent refine each other's work is known of PaT; the templates, the rounds and the agents'
inputs are our reconstruction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import cast

from penname.engines.sampling import sample_seed
from penname.method_table import AGENTS, AgentName
from penname.pat.contexts import Contexts
from penname.pat.prompts import own_texts
from penname.prompts.completion import tidy
from penname.prompts.copying import longest_common_run, token_ids
from penname.prompts.render import Prompt
from penname.prompts.templates import TemplateName
from penname.runs.folder import Record
from penname.session import stage_names
from penname.session.examples import Prepared
from penname.session.session import Session, render_for

Agents = Mapping[AgentName, Path | None]
"""The agents in use, each with the folder of its trained model; None for the recipe's model."""

UNTRAINED: Agents = {"style": None, "topic": None}

Summaries = Mapping[str, Mapping[AgentName, str]]
"""The agents' latest summaries, by example id."""


def other(agent: AgentName) -> AgentName:
    return "topic" if agent == "style" else "style"


def without(written: Mapping[AgentName, str], left_out: str | None) -> Mapping[AgentName, str]:
    """The agents' summaries, except that of the agent `left_out`."""
    return {agent: text for agent, text in written.items() if agent != left_out}


def agent_prompt(
    session: Session, agent: AgentName, example: Prepared, contexts: Contexts, theirs: str | None
) -> Prompt:
    """The agent's prompt.

    theirs: the other agent's latest summary, if there is one.

    An input that leaves no room for the rest is truncated. Raises UserError where the prompt is too long without it.
    """
    trajectory = ("alike", contexts.style) if agent == "style" else ("on_topic", contexts.topic)
    lists = dict([trajectory, ("own", own_texts(contexts))])
    values = {"input": example.input} | ({"other": theirs} if theirs else {})
    name = cast(TemplateName, f"pat_{agent}_refined" if theirs else f"pat_{agent}")
    renderer = session.agent_renderer(session.recipe.agent(agent))
    return render_for(example, renderer, name, lists, tuple(values), **values)


def sample_summaries(
    session: Session,
    agent: AgentName,
    model: Path | None,
    examples: Sequence[Prepared],
    prompts: Sequence[Prompt],
    *,
    purpose: str,
    samples: int,
    temperature: float,
) -> list[list[Record]]:
    """Sample summaries for each example.

    model: the folder of the agent's trained model; None for the recipe's model.
    purpose: of the random seeds, see `sample_seed`.
    samples: summaries of each example.
    """
    settings, config = session.recipe.pat, session.recipe.agent(agent)
    renderer = session.agent_renderer(config)
    sampling = session.recipe.decoding.sampling(
        settings.max_summary_tokens, temperature, settings.top_p, renderer.end_id
    )
    seeds = [
        [sample_seed(session.recipe.seed, f"{agent} agent, {purpose}", example.example_id, i) for i in range(samples)]
        for example in examples
    ]
    engine = session.engine(config, str(model) if model else None)
    written = engine.generate([prompt.tokens for prompt in prompts], seeds, sampling)
    return [
        [
            {
                "example_id": example.example_id,
                "sample": number,
                "summary": _useful(session, example, tidy(renderer.text(generated.tokens), generated.finish_reason)),
                "finish_reason": generated.finish_reason,
                "new_tokens": len(generated.tokens),
            }
            for number, generated in enumerate(row)
        ]
        for example, row in zip(examples, written, strict=True)
    ]


def _useful(session: Session, example: Prepared, summary: str) -> str:
    """The summary as its readers get it; empty where it copies the task."""
    most = session.recipe.pat.max_copied_tokens
    if most is not None:
        words, task = (token_ids(session.renderer, text) for text in (summary, example.input))
        if longest_common_run(words, task) > most:
            return ""
    return _readable(session, summary)


def _readable(session: Session, summary: str) -> str:
    """The summary truncated to `max_summary_tokens` in the tokens of every model that reads it."""
    for renderer in (session.renderer, *(session.agent_renderer(session.recipe.agent(agent)) for agent in AGENTS)):
        summary = renderer.cut(summary, session.recipe.pat.max_summary_tokens)
    return summary


def refine(
    session: Session,
    stage: str,
    agents: Agents,
    examples: Sequence[Prepared],
    contexts: Mapping[str, Contexts],
    rounds: int,
) -> list[Summaries]:
    """The summaries of each round, in order; from the second round on, each agent sees the other's latest summary.

    stage: prefix of the stages' names.
    agents: see `Agents`.
    contexts: by example id.
    rounds: number of rounds.
    """
    by_round: list[Summaries] = []
    for number in range(1, rounds + 1):
        before: Summaries = by_round[-1] if by_round else {}
        now: dict[str, dict[AgentName, str]] = {e.example_id: {} for e in examples}
        for agent, model in agents.items():
            work = partial(_write_round, session, agent, model, contexts, number, before)
            name = stage_names.round_of(stage, number, agent)
            for record in session.run.shards(name, examples, session.recipe.agent(agent).batch_size, work):
                now[record["example_id"]][agent] = record["summary"]
        by_round.append(now)
    return by_round


def _write_round(
    session: Session,
    agent: AgentName,
    model: Path | None,
    contexts: Mapping[str, Contexts],
    number: int,
    before: Summaries,
    examples: Sequence[Prepared],
) -> list[Record]:
    prompts = [
        agent_prompt(session, agent, e, contexts[e.example_id], before.get(e.example_id, {}).get(other(agent)))
        for e in examples
    ]
    temperature = session.recipe.pat.summary_temperature
    written = sample_summaries(
        session, agent, model, examples, prompts, purpose=f"round {number}", samples=1, temperature=temperature
    )
    return [record for (record,) in written]
