"""How each method prompts the shared generator, for all examples of a split: with its contexts and its summaries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from penname.config import Split
from penname.method_table import Method
from penname.pat.agents import UNTRAINED, Summaries, refine, without
from penname.pat.algorithm import train_agents
from penname.pat.contexts import Contexts, find_contexts
from penname.pat.prompts import method_prompt
from penname.prompts.render import Prompt
from penname.session import stage_names
from penname.session.examples import Prepared
from penname.session.session import Session


def method_prompts(
    session: Session, method: Method, split: Split, history: int | None = None
) -> Callable[[Prepared], Prompt]:
    """How `method` prompts the generator it shares, for the examples of a split."""
    contexts = find_contexts(session, split, history) if method.shows_others else {}
    if method.exact_topics:
        contexts = {i: replace(own, topic=own.exact_topic) for i, own in contexts.items()}
    summaries = _summaries(session, method, split, history, contexts) if method.summaries_of else {}
    return lambda example: method_prompt(session, method, example, contexts, summaries)


def _summaries(
    session: Session, method: Method, split: Split, history: int | None, contexts: Mapping[str, Contexts]
) -> Summaries:
    """What the generator is told, by example id."""
    examples = session.prepare_fitting(split, history)
    agents = train_agents(session, method.agents_of or "") if method.trains_agents else UNTRAINED
    stage = stage_names.summaries(method.summaries_of or "", stage_names.part_name(split, history))
    rounds = refine(session, stage, agents, examples, contexts, session.recipe.pat.rounds)
    return {i: without(own, method.left_out) for i, own in rounds[0 if method.one_round else -1].items()}
