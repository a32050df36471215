"""The rewards by name, and their weighted mixture R(x, y, response) in 0..1.

Only the response is rewarded: `RewardInput` has no field for the reasoning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from numbers import Real
from typing import Literal, Protocol

from penname.encoders import SentenceEncoder
from penname.errors import UserError
from penname.extensions import Extension, load_callable, short_name
from penname.rewards import embedding, overlap
from penname.rewards.authorship import AuthorshipModel
from penname.rewards.base import Reward, RewardInput
from penname.rewards.judge import Judge
from penname.rewards.traits import traits
from penname.words import WordsName

AUTHORSHIP = "authorship"
"""The reward that is fitted on the users of the train split; see `penname.rewards.authorship`."""


class RewardSettings(Protocol):
    """The settings that the rewards read: see `penname.config.RewardConfig`."""

    encoder: str | None
    bertscore_layer: int
    words: Literal["auto"] | WordsName


def make_rewards(
    names: Iterable[str],
    settings: RewardSettings,
    judge: Callable[[], Judge],
    authorship: Callable[[], AuthorshipModel],
) -> dict[str, Reward]:
    """The named rewards, by the names that tables use; models are loaded when they are first used.

    An extension is called as `reward(item)` for each item, a `RewardInput`, and returns a number from 0 to 1, or None
    where it cannot judge.

    names: the rewards' names in a recipe.
    settings: the recipe's section `reward`.
    judge: returns the loaded judge.
    authorship: returns the fitted authorship model.

    Raises UserError for an extension that does not exist or is not such a function.
    """
    sentence_encoder = cache(lambda: SentenceEncoder(settings.encoder))
    bert_encoder = cache(lambda: embedding.BertEncoder(settings.encoder, settings.bertscore_layer))

    def cosine(items: Sequence[RewardInput]) -> list[float | None]:
        expected, responses = [i.expected_output for i in items], [i.response for i in items]
        return [*embedding.cosine(expected, responses, sentence_encoder())]

    def bertscore(items: Sequence[RewardInput]) -> list[float | None]:
        expected, responses = [i.expected_output for i in items], [i.response for i in items]
        return [*embedding.bert_score(expected, responses, bert_encoder())]

    def judged(items: Sequence[RewardInput]) -> list[float | None]:
        judgements = judge()([i.input for i in items], [i.expected_output for i in items], [i.response for i in items])
        return [None if judgement is None else judgement.reward for judgement in judgements]

    def by_author(items: Sequence[RewardInput]) -> list[float | None]:
        return [*authorship().rewards([(item.documents, item.response) for item in items])]

    known: dict[str, Reward] = {"judge": judged, "cosine": cosine, "bertscore": bertscore, AUTHORSHIP: by_author}
    words: WordsName = "ascii" if settings.words == "auto" else settings.words  # a run chooses before it is here
    pairwise = {name: partial(metric, words=words) for name, metric in overlap.METRICS.items()} | {"traits": traits}
    known |= {name: _pairwise(metric) for name, metric in pairwise.items()}
    return {short_name(name): _extension(name) if isinstance(name, Extension) else known[name] for name in names}


def _extension(name: Extension) -> Reward:
    reward = load_callable(name, "reward", "item")

    def checked(item: RewardInput) -> float | None:
        value = reward(item)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) <= 1:
            raise UserError(f"reward {name}: found {value!r:.40}, expected a number from 0 to 1, or None")
        return float(value)

    return lambda items: [checked(item) for item in items]


def _pairwise(metric: Callable[[str, str], float]) -> Reward:
    return lambda items: [metric(item.expected_output, item.response) for item in items]


def score_responses(
    weights: Mapping[str, float], rewards: Mapping[str, Reward], items: Sequence[RewardInput]
) -> list[dict[str, float | None]]:
    """Every reward of each item by name, and their weighted mean as `reward`.

    weights: the mixture's weights, by name; where `rewards` lacks one of these there is no `reward`.
    """
    columns = {name: reward(items) for name, reward in rewards.items()}
    scores = [{name: column[i] for name, column in columns.items()} for i in range(len(items))]
    if not set(weights) <= set(rewards):
        return scores
    return [{"reward": weighted_mean(weights, values)} | values for values in scores]


def weighted_mean(weights: Mapping[str, float], values: Mapping[str, float | None]) -> float | None:
    """The weighted mean of `values` over the rewards in `weights`; None where one of these values is None."""
    total = 0.0
    for name, weight in weights.items():
        value = values[name]
        if value is None:
            return None
        total += weight * value
    return total / sum(weights.values())
