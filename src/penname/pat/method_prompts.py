"""The prompts of each method to the shared generator, with the contexts and summaries of a split's examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from penname.config import Split
from penname.method_table import Method
from penname.pat.agents import UNTRAINED, Summaries, drop_agent, refine
from penname.pat.algorithm import train_agents
from penname.pat.contexts import Contexts, find_contexts
from penname.pat.prompts import method_prompt
from penname.prompts.render import Prompt
from penname.session import stage_names
from penname.session.examples import PreparedExample
from penname.session.session import Session


def method_prompts(
    session: Session, method: Method, split: Split, profile_size: int | None = None
) -> Callable[[PreparedExample], Prompt]:
    """A function from an example of the split to the prompt of the method to the shared generator.

    session: the session of the run.
    method: a method without a generator of its own.
    split: the split whose contexts and summaries are needed.
    profile_size: the number of documents that each user keeps; see `Session.examples`.
    """
    contexts = find_contexts(session, split, profile_size) if method.shows_others else {}
    if method.exact_topics:
        contexts = {i: replace(of_example, topic=of_example.exact_topic) for i, of_example in contexts.items()}
    summaries = _summaries(session, method, split, profile_size, contexts) if method.summaries_of else {}
    return lambda example: method_prompt(session, method, example, contexts, summaries)


def _summaries(
    session: Session, method: Method, split: Split, profile_size: int | None, contexts: Mapping[str, Contexts]
) -> Summaries:
    """The summaries in the generator's prompts, by example id."""
    examples = session.prepare_fitting(split, profile_size)
    agents = train_agents(session, method.agents_of or "") if method.trains_agents else UNTRAINED
    stage = stage_names.summaries(method.summaries_of or "", stage_names.split_name(split, profile_size))
    rounds = refine(session, stage, agents, examples, contexts, session.recipe.pat.rounds)
    last = rounds[0 if method.one_round else -1]
    return {i: drop_agent(summaries, method.ablated) for i, summaries in last.items()}
