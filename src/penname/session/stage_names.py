"""Where each stage of a run lives: its name, which is its folder in the run too.

Whatever writes a stage or reads one gets its name here. A stage's `place` is the folder of the stages it is made with:
a method's, one of its iterations', or an agent's in one of these.
"""

from __future__ import annotations

import sys

from penname.method_table import AgentName, Method

REASONING = "reasoning"
GENERATOR = "generator"
"""The place of the stages of the generator that methods share."""
STYLE_MODEL = "style-model"
AUTHORSHIP_MODEL = "authorship/model"
UNTRAINED_SUMMARIES = "pat/summaries/untrained"
"""Of the train split, by agents as they are: those of every method whose agents are trained."""

ALL = sys.maxsize
"""So many of a rich user's documents are left where none is hidden."""


def part_name(split: str, history: int | None = None) -> str:
    """What the stages call a split whose users have so many documents left."""
    return split if history is None else f"{split}-history-{count_name(history)}"


def count_name(history: int) -> str:
    return "all" if history == ALL else str(history)


def given_part(split: str, given: str) -> str:
    """What the stages call a split for which reasonings were given. given: which ones."""
    return f"{split}-{given}"


def data(part: str) -> str:
    return f"data/{part}"


def contexts(part: str) -> str:
    return f"contexts/{part}"


def users(split: str) -> str:
    """The documents of the split's users, for rewards and style cards."""
    return f"authorship/{split}"


def iteration(method: str, number: int) -> str:
    """A place. number: from 1."""
    return f"{method}/iteration-{number}"


def agent_iteration(method: str, number: int, agent: AgentName) -> str:
    """A place: of one agent's training in an iteration."""
    return f"{iteration(method, number)}/{agent}"


def samples(place: str) -> str:
    return f"{place}/samples"


def rewards(place: str) -> str:
    return f"{place}/rewards"


def selection(place: str) -> str:
    return f"{place}/selection"


def candidates(place: str) -> str:
    return f"{place}/candidates"


def pairs(place: str) -> str:
    return f"{place}/pairs"


def training(place: str) -> str:
    return f"{place}/training"


def last_training(method: Method, iterations: int) -> str:
    """That of the model by which a trained method writes."""
    return training(iteration(method.name, iterations) if method.self_trained else method.name)


def training_summaries(place: str, *, trained: bool) -> str:
    """The summaries beside which an agent learns. trained: whether one of the agents has been, by then."""
    return f"{place}/summaries" if trained else UNTRAINED_SUMMARIES


def generator_summaries(examples: str) -> str:
    """Those by which the shared generator is fine-tuned. examples: what tells of which examples they are."""
    return f"{GENERATOR}/summaries-{examples}"


def summaries(method: str, part: str) -> str:
    """Those that the methods with the summaries of `method` show."""
    return f"{method}/summaries/{part}"


def round_of(summaries: str, number: int, agent: AgentName) -> str:
    """What an agent writes in a round, within a stage of summaries. number: from 1."""
    return f"{summaries}/round-{number}/{agent}"


def evaluation(part: str, method: str) -> str:
    return f"evaluation/{part}/{method}"


def responses(stage: str) -> str:
    """What is written, within an evaluation or a method's texts for three authors."""
    return f"{stage}/responses"


def reused_responses(stage: str) -> str:
    """What is written behind reasonings that were reused, within an evaluation."""
    return f"{stage}/responses-reused"


def metrics(stage: str) -> str:
    """What is scored, within an evaluation."""
    return f"{stage}/metrics"


def three_authors(split: str, method: str) -> str:
    return f"three-authors/{split}/{method}"


def shared_prompts(split: str) -> str:
    """The prompts that are written for three authors, and these authors' documents."""
    return f"three-authors/{split}/prompts"


def cases(split: str) -> str:
    """Each of these prompts with each of its authors, within the stage of the prompts."""
    return f"{shared_prompts(split)}/cases"
