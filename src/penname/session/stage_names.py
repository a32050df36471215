"""The names of a run's stages; a stage's name is also its folder within the run folder.

Whatever writes or reads a stage gets its name here. `parent` is the folder of the stages that belong together: those of
a method, of one of its iterations, or of an agent in one of these.
"""

from __future__ import annotations

import sys

from penname.method_table import AGENTS, AgentName, Method

REASONING = "reasoning"
"""The teacher's reasonings."""
GENERATOR = "generator"
"""The parent of the stages of the generator that methods share."""
STYLE_MODEL = "style-model"
"""PaT's style model."""
AUTHORSHIP_MODEL = "authorship/model"
"""The model of the reward `authorship`."""
UNTRAINED_SUMMARIES = "pat/summaries/untrained"
"""Summaries of the train split by untrained agents, which all methods with trained agents start from."""

ALL_DOCUMENTS = sys.maxsize
"""The profile size that hides none of a user's documents in the simulation of a cold start."""


def split_name(split: str, profile_size: int | None = None) -> str:
    """The part of a stage's name that says which examples it is about.

    profile_size: number of documents left in users' profiles; None where no cold start is simulated.
    """
    return split if profile_size is None else f"{split}-history-{count_name(profile_size)}"


def count_name(profile_size: int) -> str:
    """How a profile size is called in names: `all`, or the number of documents."""
    return "all" if profile_size == ALL_DOCUMENTS else str(profile_size)


def split_name_given(split: str, given: str) -> str:
    """Like `split_name`, for a split whose examples are evaluated with given reasonings.

    given: name of the reasonings.
    """
    return f"{split}-{given}"


def data(split: str) -> str:
    """The prepared examples of a split; see `split_name`."""
    return f"data/{split}"


def contexts(split: str) -> str:
    """PaT's trajectories of a split's examples; see `split_name`."""
    return f"contexts/{split}"


def users(split: str) -> str:
    """The documents of the split's users, for rewards and style cards."""
    return f"authorship/{split}"


def iteration(method: str, index: int) -> str:
    """The parent of the stages of an iteration.

    index: from 1.
    """
    return f"{method}/iteration-{index}"


def agent_iteration(method: str, index: int, agent: AgentName) -> str:
    """The parent of the stages of one agent's training in an iteration.

    index: from 1.
    """
    return f"{iteration(method, index)}/{agent}"


def agent_candidates(method: str, index: int, agent: AgentName) -> str:
    """The parent of the candidates, and their rewards, that one agent's training in an iteration chooses pairs from.

    The first are of untrained agents, so they do not depend on how pairs are chosen, and all methods share `pat`'s.

    index: from 1.
    """
    untrained = (index, agent) == (1, AGENTS[0])
    return agent_iteration("pat" if untrained else method, index, agent)


def samples(parent: str) -> str:
    """The samples of an expectation step."""
    return f"{parent}/samples"


def rewards(parent: str) -> str:
    """The rewards of samples or of candidates."""
    return f"{parent}/rewards"


def selection(parent: str) -> str:
    """The samples that were kept, with their weights."""
    return f"{parent}/selection"


def candidates(parent: str) -> str:
    """An agent's candidate summaries."""
    return f"{parent}/candidates"


def pairs(parent: str) -> str:
    """An agent's preference pairs."""
    return f"{parent}/pairs"


def training(parent: str) -> str:
    """A training, with its model."""
    return f"{parent}/training"


def last_training(method: Method, iterations: int) -> str:
    """The training of the model with which a trained method generates.

    iterations: the recipe's number of iterations.
    """
    return training(iteration(method.name, iterations) if method.self_trained else method.name)


def training_summaries(parent: str, *, trained: bool) -> str:
    """The other agent's summaries with which an agent is trained.

    trained: whether at least one of the agents has been trained by then.
    """
    return f"{parent}/summaries" if trained else UNTRAINED_SUMMARIES


def generator_summaries(examples: str) -> str:
    """The summaries with which the shared generator is fine-tuned.

    examples: identifies the examples.
    """
    return f"{GENERATOR}/summaries-{examples}"


def summaries(method: str, split: str) -> str:
    """The summaries of a split's examples; see `split_name`.

    method: the method that makes them; others can use the same.
    """
    return f"{method}/summaries/{split}"


def round_of(summaries: str, index: int, agent: AgentName) -> str:
    """What an agent writes in a round, within a stage of summaries.

    index: from 1.
    """
    return f"{summaries}/round-{index}/{agent}"


def evaluation(split: str, method: str) -> str:
    """The evaluation of a method on a split; see `split_name`."""
    return f"evaluation/{split}/{method}"


def responses(stage: str) -> str:
    """The completions, within an evaluation or a method's texts for three authors."""
    return f"{stage}/responses"


def reused_responses(stage: str) -> str:
    """The completions after reasonings that were reused, within an evaluation."""
    return f"{stage}/responses-reused"


def metrics(stage: str) -> str:
    """The metrics, within an evaluation."""
    return f"{stage}/metrics"


def three_authors(split: str, method: str) -> str:
    """A method's texts for three authors."""
    return f"three-authors/{split}/{method}"


def shared_prompts(split: str) -> str:
    """The prompts that are answered for three authors, and the documents of these authors."""
    return f"three-authors/{split}/prompts"


def cases(split: str) -> str:
    """Each of these prompts with each of its authors, within the stage of the prompts."""
    return f"{shared_prompts(split)}/cases"
