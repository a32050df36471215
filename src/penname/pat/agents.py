"""PaT's agents: one summarizes the user's style, the other the topic of the text, and they refine their summaries.

That PaT's style agent and topic agent refine each other's work is known; the templates, the rounds and the agents'
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
from penname.pat.prompts import history_texts
from penname.prompts.completion import tidy
from penname.prompts.copying import longest_common_span, token_ids
from penname.prompts.render import Prompt
from penname.prompts.templates import TemplateName
from penname.runs.shards import LazyItems, Record
from penname.session import stage_names
from penname.session.examples import PreparedExample
from penname.session.session import Session, render_for

Agents = Mapping[AgentName, Path | None]
"""The folder of each agent's trained model; None for an agent with the recipe's model."""

UNTRAINED: Agents = {"style": None, "topic": None}

Summaries = Mapping[str, Mapping[AgentName, str]]
"""The agents' latest summaries, by example id."""

PromptedExample = tuple[PreparedExample, Prompt]
"""An example and an agent's prompt for it."""


def other_agent(agent: AgentName) -> AgentName:
    """The topic agent for the style agent, and the reverse."""
    return "topic" if agent == "style" else "style"


def drop_agent(summaries: Mapping[AgentName, str], dropped: str | None) -> Mapping[AgentName, str]:
    """The agents' summaries without that of the agent `dropped`."""
    return {agent: text for agent, text in summaries.items() if agent != dropped}


def agent_prompt(
    session: Session, agent: AgentName, example: PreparedExample, contexts: Contexts, other_summary: str | None
) -> Prompt:
    """The prompt of an agent. The templates are our reconstruction.

    session: the session of the run.
    agent: the agent.
    example: the example to summarize for.
    contexts: the example's contexts.
    other_summary: the other agent's latest summary; None in the first round.

    An input that leaves no room for the rest of the prompt is truncated. Raises UserError where the prompt is too long
    even without the input.
    """
    trajectory = ("alike", contexts.style) if agent == "style" else ("on_topic", contexts.topic)
    lists = dict([trajectory, ("own", history_texts(contexts))])
    values = {"input": example.input} | ({"other": other_summary} if other_summary else {})
    name = cast(TemplateName, f"pat_{agent}_refined" if other_summary else f"pat_{agent}")
    renderer = session.agent_renderer(session.recipe.agent(agent))
    return render_for(example, renderer, name, lists, tuple(values), **values)


def sample_summaries(
    session: Session,
    agent: AgentName,
    model: Path | None,
    prompted: Sequence[PromptedExample],
    *,
    purpose: str,
    samples: int,
    temperature: float,
) -> list[list[Record]]:
    """Sample summaries; returns a list of records for each example.

    session: the session of the run.
    agent: the agent that writes the summaries.
    model: the folder of the agent's trained model; None for the recipe's model.
    prompted: the examples to summarize for, each with the agent's prompt.
    purpose: what the samples are for, which random seeds depend on; see `sample_seed`.
    samples: number of summaries of each example.
    temperature: the sampling temperature.
    """
    settings, config = session.recipe.pat, session.recipe.agent(agent)
    renderer = session.agent_renderer(config)
    sampling = session.recipe.decoding.sampling(
        settings.max_summary_tokens, temperature, settings.top_p, renderer.stop_ids
    )
    seeds = [
        [sample_seed(session.recipe.seed, f"{agent} agent, {purpose}", example.example_id, i) for i in range(samples)]
        for example, _ in prompted
    ]
    engine = session.engine(config, str(model) if model else None)
    written = engine.generate([prompt.tokens for _, prompt in prompted], seeds, sampling)
    return [
        [
            {
                "example_id": example.example_id,
                "sample": number,
                "summary": _usable(
                    session, example, tidy(renderer.completion(generated.tokens), generated.finish_reason)
                ),
                "finish_reason": generated.finish_reason,
                "new_tokens": len(generated.tokens),
            }
            for number, generated in enumerate(samples_of_example)
        ]
        for (example, _), samples_of_example in zip(prompted, written, strict=True)
    ]


def _usable(session: Session, example: PreparedExample, summary: str) -> str:
    """The summary as other prompts show it; empty where it copies the task."""
    limit = session.recipe.pat.max_copied_tokens
    if limit is not None:
        summary_ids, task_ids = (token_ids(session.renderer, text) for text in (summary, example.input))
        if longest_common_span(summary_ids, task_ids) > limit:
            return ""
    return _truncated(session, summary)


def _truncated(session: Session, summary: str) -> str:
    """The summary truncated to `max_summary_tokens`, as counted by the tokenizer of each model that reads it."""
    for renderer in (session.renderer, *(session.agent_renderer(session.recipe.agent(agent)) for agent in AGENTS)):
        summary = renderer.truncate(summary, session.recipe.pat.max_summary_tokens)
    return summary


def refine(
    session: Session,
    stage: str,
    agents: Agents,
    examples: Sequence[PreparedExample],
    contexts: Mapping[str, Contexts],
    rounds: int,
    *,
    kept: bool = True,
) -> list[Summaries]:
    """Write the summaries of all rounds; from the second round on, each agent sees the other's latest summary.

    session: the session of the run.
    stage: prefix of the stages' names.
    agents: the agents that write; see `Agents`.
    examples: the examples to summarize for.
    contexts: the contexts of each example, by example id.
    rounds: number of rounds.
    kept: whether the run's folder keeps the summaries; else they are in memory alone.

    Returns the summaries of each round, in order. That agents refine their summaries iteratively is known of PaT; what
    a round is, is our reconstruction.
    """
    rounds_so_far: list[Summaries] = []
    write = session.shards if kept else session.compute
    for number in range(1, rounds + 1):
        previous: Summaries = rounds_so_far[-1] if rounds_so_far else {}
        current: dict[str, dict[AgentName, str]] = {e.example_id: {} for e in examples}
        for agent, model in agents.items():
            prompted = LazyItems(examples, partial(_prompt_of_round, session, agent, contexts, previous))
            write_shard = partial(_write_round, agent=agent, model=model, number=number)
            name = stage_names.round_of(stage, number, agent)
            for record in write(name, prompted, session.recipe.agent(agent).batch_size, write_shard):
                current[record["example_id"]][agent] = record["summary"]
        rounds_so_far.append(current)
    return rounds_so_far


def _prompt_of_round(
    session: Session, agent: AgentName, contexts: Mapping[str, Contexts], previous: Summaries, example: PreparedExample
) -> PromptedExample:
    others = previous.get(example.example_id, {}).get(other_agent(agent))
    return example, agent_prompt(session, agent, example, contexts[example.example_id], others)


def _write_round(
    session: Session, prompted: Sequence[PromptedExample], *, agent: AgentName, model: Path | None, number: int
) -> list[Record]:
    temperature = session.recipe.pat.summary_temperature
    written = sample_summaries(
        session, agent, model, prompted, purpose=f"round {number}", samples=1, temperature=temperature
    )
    return [record for (record,) in written]
