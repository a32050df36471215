"""Every stage of a run, declared once: where it lives, which settings its result depends on, how much it does at most.

The plan shows these stages, and runs share those that they would make alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from penname.config import Recipe, Split
from penname.experiments.shared_prompts import AUTHORS
from penname.method_table import AGENTS, METHODS, AgentName, Method
from penname.pat.generator import tuning_methods
from penname.rewards.mixture import AUTHORSHIP
from penname.session import stage_names
from penname.session.stage_names import GENERATOR

Counts = Mapping[Split, int | None]
"""Examples of each split that the recipe's data has, None where it is not known."""

UNKNOWN: Counts = {"train": None, "val": None, "test": None}

_USERS = ("seed", "data", "limit")
_DATA = (*_USERS, "retrieval", "prompt")
_SHUFFLED = ("evaluation.split", "evaluation.shuffled")
_FITTING = (*_DATA, "generator")
_REASONING = (*_FITTING, "teacher", "reasoning", "decoding", "shard_size")
_MODEL = (*_FITTING, "training", "reward")
_CHOSEN = ("decoding", *(f"evaluation.{name}" for name in ("temperature", "top_p", "texts", "candidates", "choose")))
_DRAWN = ("decoding", "shard_size", "expectation.samples", "expectation.temperature", "expectation.top_p")
_KEPT = tuple(
    f"expectation.{name}"
    for name in ("threshold", "quantile", "quantile_of", "max_kept", "max_repeated", "targets", "weights", "start_from")
)
# Of what methods share, PaT's stages among it.
_SHARED = tuple(name for name in Recipe.model_fields if name not in ("expectation", "tracking"))


@dataclass(frozen=True)
class Stage:
    """One stage of a run, and how much it does at most; counts are None where the data's are not known.

    name: its folder in the run; `*` stands for what only the data tells.
    settings: those that its result depends on, by their dotted names; more rather than fewer.
    examples: what it goes through: inputs, or samples or pairs that are trained on.
    completions: written in it. new_tokens: of all of these.
    optimizer_steps: of the language model that it trains.
    methods: those of the recipe that need it.
    of_shards: it goes on shard by shard, and has no `stage.json` of its own.
    first_samples: its records are samples drawn from a model that does not depend on how many are drawn: fewer samples
        are the first ones of more.
    """

    name: str
    settings: tuple[str, ...]
    examples: int | None = 0
    completions: int | None = 0
    new_tokens: int | None = 0
    optimizer_steps: int | None = 0
    methods: tuple[str, ...] = ()
    of_shards: bool = False
    first_samples: bool = False

    @property
    def trains(self) -> bool:
        """Whether there is a language model at its end."""
        return self.optimizer_steps != 0

    @property
    def computes(self) -> bool:
        """Whether a language model is trained or writes in it."""
        return self.trains or self.completions != 0


def stages_of(recipe: Recipe, counts: Counts = UNKNOWN) -> list[Stage]:
    """Every stage of a run of `recipe`, in the order in which they end where the run is made in one go.

    An agent without any pair to learn from is not trained; until one of its method's is, their summaries are the
    untrained agents', and these stages are missing.
    """
    stages = _Stages(recipe, counts)
    needed = [(name, stage) for name, row in recipe.method_rows.items() for stage in stages.of_method(row)]
    needed += [(name, stage) for name in recipe.writers(recipe.method_rows) for stage in stages.of_three_authors(name)]
    found: dict[str, Stage] = {}
    for method, stage in needed:
        known = found.setdefault(stage.name, stage)
        found[stage.name] = replace(known, methods=tuple(dict.fromkeys([*known.methods, method])))
    return list(found.values())


class _Stages:
    """What each part of a run is made of, in order; what several parts have in common is in each of them."""

    def __init__(self, recipe: Recipe, counts: Counts) -> None:
        self._recipe = recipe
        self._counts = counts
        self._split = recipe.evaluation.split
        self._train, self._test = counts["train"], counts[self._split]

    def of_method(self, row: Method) -> Iterator[Stage]:
        """All that the method needs, up to its evaluation."""
        if row.trained:
            yield from self._self_training(row)
        else:
            yield from self._method_prompts(row)
            if self._recipe.tune_generator:
                yield from self._generator()
        yield from self._evaluation(row)

    def of_three_authors(self, method: str) -> Iterator[Stage]:
        """The prompts for three authors, and what an evaluated method writes for them."""
        settings = self._recipe.three_authors
        assert settings is not None
        yield from self._prepared("train")
        yield Stage(stage_names.shared_prompts(self._split), _SHARED)
        if self._asks_authorship([], settings.candidates):
            yield from self._authorship()
        drawn = ("expectation",) if self._recipe.method_rows[method].self_trained else ()
        name = stage_names.three_authors(self._split, method)
        most = self._completion_tokens(self._recipe.method_rows[method])
        yield self._writing(name, (*_SHARED, *drawn), AUTHORS * settings.prompts, settings.candidates, most)

    def _writing(
        self,
        name: str,
        settings: tuple[str, ...],
        examples: int | None,
        each: int,
        most_tokens: int | None = None,
        *,
        of_shards: bool = False,
    ) -> Stage:
        """A stage that writes `each` completions for an example, of `most_tokens` or else as long as a response."""
        most = self._recipe.prompt.max_output_tokens if most_tokens is None else most_tokens
        completions, tokens = _times(examples, each), _times(examples, each * most)
        return Stage(name, settings, examples, completions, tokens, of_shards=of_shards)

    def _completion_tokens(self, row: Method) -> int:
        return self._recipe.prompt.completion_tokens(with_reasoning=row.reasoning)

    def _prepared(self, split: Split) -> Iterator[Stage]:
        """The examples of a split, and where they are asked for its users' documents."""
        yield Stage(stage_names.data(split), _DATA if split == "train" else (*_DATA, *_SHUFFLED), self._counts[split])
        if AUTHORSHIP in self._recipe.rewards_in_use() or self._recipe.reasoning.with_card:
            yield Stage(stage_names.users(split), _USERS)

    def _authorship(self) -> Iterator[Stage]:
        """The model of the reward, fitted where it is first asked for."""
        yield Stage(stage_names.users("train"), _USERS)
        yield Stage(stage_names.AUTHORSHIP_MODEL, _USERS)

    def _asks_authorship(self, metrics: Sequence[str], candidates: int) -> bool:
        """Whether the reward is needed to score texts with these metrics, each chosen among so many candidates."""
        chosen = candidates > 1 and self._recipe.evaluation.choose == AUTHORSHIP
        return chosen or AUTHORSHIP in [*self._recipe.reward.mixture, *metrics]

    def _evaluation(self, row: Method) -> Iterator[Stage]:
        settings = self._recipe.evaluation
        yield from self._prepared(self._split)
        if self._asks_authorship(settings.metrics, settings.candidates):
            yield from self._authorship()
        depends = _SHARED
        if row.trained:
            depends = (*self._settings_of_model(row), "evaluation", "decoding")
            depends = (*depends, "expectation") if row.self_trained else depends
        name = stage_names.evaluation(self._split, row.name)
        yield self._writing(name, depends, self._test, settings.completions, self._completion_tokens(row))

    def _training(
        self, place: str, settings: tuple[str, ...], samples: int | None, *, with_reasoning: bool
    ) -> Iterator[Stage]:
        """A model, chosen among its checkpoints where the recipe says so, with what it chooses candidates by."""
        training, steps = self._recipe.training, optimizer_steps(self._recipe, samples)
        written: int | None = 0
        if training.validate_every is not None:
            yield from self._prepared("val")
            checkpoints = None if steps is None else training.checkpoints(steps)
            written = _times(checkpoints, self._counts["val"], self._recipe.evaluation.completions)
        if AUTHORSHIP in self._recipe.rewards_in_use():
            yield from self._authorship()
        tokens = _times(written, self._recipe.prompt.completion_tokens(with_reasoning=with_reasoning))
        yield Stage(stage_names.training(place), settings, samples, written, tokens, steps)

    # REST-PG's Algorithm 1, and the methods that are a part of it.

    def _self_training(self, row: Method) -> Iterator[Stage]:
        recipe = self._recipe
        yield from self._prepared("train")
        if row.reasoning and recipe.reasoning.by_teacher:
            settings = recipe.reasoning
            name, most = stage_names.REASONING, settings.max_new_tokens
            yield self._writing(name, _REASONING, self._train, settings.attempts, most)
        start = METHODS[row.starts_from or row.name]
        model = self._settings_of_model(start)
        yield from self._training(start.name, model, self._train, with_reasoning=row.reasoning)
        for number in range(1, recipe.expectation.iterations + 1) if row.self_trained else ():
            yield from self._iteration(row, number)

    def _settings_of_model(self, row: Method) -> tuple[str, ...]:
        """Those that a trained method's model depends on."""
        settings = (*_MODEL, *_REASONING) if row.reasoning else _MODEL
        # Models that are chosen on val are chosen by what they write there.
        settings = (*settings, *_CHOSEN) if self._recipe.training.validate_every else settings
        return (*settings, *_DRAWN, *_KEPT) if row.self_trained else settings

    def _iteration(self, row: Method, number: int) -> Iterator[Stage]:
        """An expectation and a maximization step."""
        expectation, place = self._recipe.expectation, stage_names.iteration(row.name, number)
        settings = self._settings_of_model(row)
        first = number == 1
        # What is drawn from the supervised model does not depend on what is kept of it.
        drawn = tuple(name for name in settings if name not in _KEPT) if first else settings
        each, most = expectation.samples, self._completion_tokens(row)
        samples = self._writing(stage_names.samples(place), drawn, self._train, each, most)
        yield replace(samples, of_shards=True, first_samples=first)
        if self._asks_authorship([], 1):
            yield from self._authorship()
        yield Stage(stage_names.rewards(place), drawn, self._train, of_shards=True, first_samples=first)
        yield Stage(stage_names.selection(place), settings, self._train)
        # Samples of one reward are all kept or none, so a quantile promises nothing, nor does a share drawn by chance.
        kept = min(expectation.max_kept, expectation.samples) + bool(expectation.targets)
        yield from self._training(place, settings, _times(self._train, kept), with_reasoning=row.reasoning)

    # PaT, and the methods that share a generator with it.

    def _method_prompts(self, row: Method) -> Iterator[Stage]:
        """What is known of the inputs before an untrained method writes."""
        if row.shows_others:
            yield from self._contexts(self._split)
        if row.summaries_of:
            yield from self._prepared(self._split)
            if row.trains_agents:
                yield from self._agents(row.agents_of or "")
            yield self._summaries(stage_names.summaries(row.summaries_of, self._split), self._test)

    def _contexts(self, split: Split) -> Iterator[Stage]:
        yield Stage(stage_names.STYLE_MODEL, _SHARED)
        yield Stage(stage_names.contexts(split), _SHARED, self._counts[split])

    def _summaries(self, name: str, examples: int | None) -> Stage:
        """Both agents' summaries of all rounds."""
        settings = self._recipe.pat
        each, most = len(AGENTS) * settings.rounds, settings.max_summary_tokens
        return self._writing(name, _SHARED, examples, each, most, of_shards=True)

    def _generator(self) -> Iterator[Stage]:
        """The generator that methods share, fine-tuned on the prompts of all of them in equal parts."""
        yield from self._prepared("train")
        shown = tuning_methods(self._recipe)
        if any(row.shows_others for row in shown):
            yield from self._contexts("train")
        if any(row.summaries_of for row in shown):
            parts = [i for i, row in enumerate(shown) if row.summaries_of]
            train = self._train
            told = None if train is None else sum(len(range(i, train, len(shown))) for i in parts)
            yield self._summaries(stage_names.generator_summaries("*"), told)
        yield from self._training(GENERATOR, _SHARED, self._train, with_reasoning=False)

    def _agents(self, method: str) -> Iterator[Stage]:
        """The agents of `method`, trained in alternation."""
        if self._recipe.tune_generator:
            yield from self._generator()
        yield from self._prepared("train")
        yield from self._contexts("train")
        for number in range(1, self._recipe.pat.iterations + 1):
            for agent in AGENTS:
                yield from self._agent(method, number, agent)

    def _agent(self, method: str, number: int, agent: AgentName) -> Iterator[Stage]:
        settings, place = self._recipe.pat, stage_names.agent_iteration(method, number, agent)
        trained = (number, agent) != (1, AGENTS[0])
        asked = self._train and min(self._train, settings.examples or self._train)
        yield self._summaries(stage_names.training_summaries(place, trained=trained), asked)
        # What agents as they are write and get does not depend on how pairs are chosen.
        drawn = place if trained else stage_names.agent_iteration("pat", number, agent)
        name, most = stage_names.candidates(drawn), settings.max_summary_tokens
        yield self._writing(name, _SHARED, asked, settings.samples, most, of_shards=True)
        if self._asks_authorship([], 1):
            yield from self._authorship()
        texts = (settings.samples + 1) * settings.texts
        yield self._writing(stage_names.rewards(drawn), _SHARED, asked, texts, of_shards=True)
        yield Stage(stage_names.pairs(place), _SHARED, asked)
        steps = None if asked is None else settings.dpo.steps(asked)
        yield Stage(stage_names.training(place), _SHARED, asked, optimizer_steps=steps)


def optimizer_steps(recipe: Recipe, samples: int | None) -> int | None:
    """Of fine-tuning on so many samples, None where that is not known."""
    known = samples is not None or recipe.training.max_steps is not None
    return recipe.training.steps(samples or 0) if known else None


def _times(*factors: int | None) -> int | None:
    """Their product, None where one is not known."""
    known = [factor for factor in factors if factor is not None]
    return math.prod(known) if len(known) == len(factors) else None
