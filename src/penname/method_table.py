"""Every method, a row each: what its model is, what it shows, and what of another method it leaves out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from penname.extensions import Extension

AgentName = Literal["style", "topic"]
AGENTS: tuple[AgentName, ...] = get_args(AgentName)
Shown = Literal["none", "own", "random", "neighbours", "both", "trajectories"]


@dataclass(frozen=True)
class Method:
    """How one method makes a text for a user.

    name: what recipes, stages and tables call it.
    shows: the documents in its prompt: the user's own; of any others; of others on the item (neighbours), alone or with
        the user's own (both, PGraphRAG); or with the user's own those of PaT's style and topic trajectories.
    trained: its generator is fine-tuned for it alone. The methods that are not trained share one.
    reasoning: its model writes a reasoning before the response, in one pass (REST-PG, Figure 8).
    starts_from: of a self-trained method (REST-PG, Algorithm 1) the method whose model draws the first samples.
    agents_of: of a method with PaT's agents the one for which they were trained by DPO, or `untrained`.
    summaries_of: the method whose summaries it shows; its own, or those of another.
    differential: its agents learn from differential rewards; else from plain ones.
    left_out: the trajectory that it knows nothing of.
    one_round: summaries are those of the first round, in which no agent has seen the other's.
    documents: beside summaries it shows their documents, where `pat.documents` says so.
    exact_topics: documents on the very topic only, without semantic backoff.
    prompt: of an extension the function that makes its prompt, see `docs/extending.md`.
    """

    name: str
    shows: Shown = "own"
    trained: bool = False
    reasoning: bool = False
    starts_from: str | None = None
    agents_of: str | None = None
    summaries_of: str | None = None
    differential: bool = True
    left_out: AgentName | None = None
    one_round: bool = False
    documents: bool = True
    exact_topics: bool = False
    prompt: Extension | None = None

    @property
    def self_trained(self) -> bool:
        return self.starts_from is not None

    @property
    def shows_others(self) -> bool:
        """Whether its prompt shows documents of other users, which takes the user-topic graph."""
        return self.shows not in ("none", "own")

    @property
    def trains_agents(self) -> bool:
        return self.agents_of not in (None, "untrained")

    @property
    def writes_summaries(self) -> bool:
        """Whether its agents write summaries for it; else it shows none, or those of another method."""
        return self.summaries_of == self.name

    @property
    def without_reasoning(self) -> str | None:
        """Of a method that reasons the one that differs from it in nothing else."""
        same = replace(self, reasoning=False)
        for other in METHODS.values() if self.reasoning else ():
            starts = self.starts_from and METHODS[self.starts_from].without_reasoning
            if replace(same, name=other.name, starts_from=starts) == other:
                return other.name
        return None

    @property
    def tuned_as(self) -> str:
        """The method whose prompts stand for this one's where the shared generator is fine-tuned."""
        return "pat-no-dpo" if self.summaries_of and self.documents else self.name


def _pat(name: str, **differences: object) -> Method:
    own = {"shows": "trajectories", "agents_of": "pat", "summaries_of": "pat"}
    return Method(name, **(own | differences))  # type: ignore[arg-type]


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
        _pat("pat-no-style", left_out="style", one_round=True),
        _pat("pat-no-topic", left_out="topic", one_round=True),
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
"""In the order in which a run makes them."""


def row_of(name: str) -> Method:
    """The row of a method that a recipe names; an extension is an untrained one that shows the user's own documents."""
    return Method(name.short, prompt=name) if isinstance(name, Extension) else METHODS[name]
