"""The table of all methods, with a row for each: how its model is trained, and what its prompt shows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from penname.extensions import Extension

AgentName = Literal["style", "topic"]
AGENTS: tuple[AgentName, ...] = get_args(AgentName)
Shown = Literal["none", "own", "random", "neighbours", "both", "trajectories"]


@dataclass(frozen=True)
class Method:
    """How one method writes a text for a user.

    name: its name in recipes, stages and tables.
    shows: the documents in its prompt: `none`; the user's `own`; `random` ones of any other users; those of other users
        on the item (`neighbours`), alone or with the user's own (`both`, PGraphRAG); or with the user's own those of
        PaT's style and topic `trajectories`.
    trained: whether its generator is fine-tuned for it alone. The methods that are not trained share one generator.
    reasoning: whether its model writes a reasoning before the response, in one pass (REST-PG, Figure 8).
    starts_from: for a self-trained method (REST-PG, Algorithm 1) the method whose model writes the first samples.
    agents_of: for a method with PaT's agents the method for which they were trained by DPO, or `untrained`.
    summaries_of: the method whose summaries it shows; its own, or those of another method.
    differential: whether its agents learn from differential rewards instead of plain rewards.
    ablated: the agent whose trajectory and summaries it does not use.
    one_round: whether its summaries are those of the first round, in which no agent has seen the other's.
    documents: whether it shows the documents beside their summaries, where `pat.documents` says so.
    exact_topics: whether only documents on the exact topic are used, without semantic backoff.
    prompt: for an extension the function that makes its prompt, see `docs/extending.md`.
    """

    name: str
    shows: Shown = "own"
    trained: bool = False
    reasoning: bool = False
    starts_from: str | None = None
    agents_of: str | None = None
    summaries_of: str | None = None
    differential: bool = True
    ablated: AgentName | None = None
    one_round: bool = False
    documents: bool = True
    exact_topics: bool = False
    prompt: Extension | None = None

    @property
    def self_trained(self) -> bool:
        """Whether its model is trained on its own samples (REST-PG, Algorithm 1)."""
        return self.starts_from is not None

    @property
    def shows_others(self) -> bool:
        """Whether its prompt shows documents of other users, which requires the user-topic graph."""
        return self.shows not in ("none", "own")

    @property
    def trains_agents(self) -> bool:
        """Whether its agents are trained by DPO."""
        return self.agents_of not in (None, "untrained")

    @property
    def writes_summaries(self) -> bool:
        """Whether its agents write summaries for it; otherwise it shows none, or those of another method."""
        return self.summaries_of == self.name

    @property
    def without_reasoning(self) -> str | None:
        """For a method that reasons, the method that differs from it in nothing else; None for any other."""
        same = replace(self, reasoning=False)
        for other in METHODS.values() if self.reasoning else ():
            starts = self.starts_from and METHODS[self.starts_from].without_reasoning
            if replace(same, name=other.name, starts_from=starts) == other:
                return other.name
        return None

    @property
    def tuned_as(self) -> str:
        """The method whose prompts represent this one's when the shared generator is fine-tuned."""
        return "pat-no-dpo" if self.summaries_of and self.documents else self.name


def _pat(name: str, **differences: object) -> Method:
    defaults = {"shows": "trajectories", "agents_of": "pat", "summaries_of": "pat"}
    return Method(name, **(defaults | differences))  # type: ignore[arg-type]


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("zero-shot", shows="none"),
        Method("random", shows="random"),
        Method("rag"),
        Method("pgraphrag-neighbours", shows="neighbours"),
        Method("pgraphrag", shows="both"),
        _pat("pat-no-reasoning", agents_of=None, summaries_of=None),
        _pat("pat-no-dpo", agents_of="untrained", summaries_of="pat-no-dpo"),
        _pat("pat"),
        _pat("pat-no-documents", documents=False),
        _pat("pat-no-style", ablated="style", one_round=True),
        _pat("pat-no-topic", ablated="topic", one_round=True),
        _pat("pat-one-round", one_round=True),
        _pat("pat-exact-topics", summaries_of="pat-exact-topics", exact_topics=True),
        _pat(
            "pat-plain-reward",
            agents_of="pat-plain-reward",
            summaries_of="pat-plain-reward",
            differential=False,
        ),
        Method("sft", trained=True),
        Method("sft-reasoning", trained=True, reasoning=True),
        Method("rest-em", trained=True, starts_from="sft"),
        Method("rest-pg", trained=True, reasoning=True, starts_from="sft-reasoning"),
    )
}
"""The built-in methods by name, in the order in which a run trains and evaluates them."""


def row_of(name: str) -> Method:
    """The row of a method that a recipe names; an extension is an untrained one that shows the user's own documents."""
    return Method(name.short, prompt=name) if isinstance(name, Extension) else METHODS[name]
