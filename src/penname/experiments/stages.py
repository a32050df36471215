"""Every stage of a run, declared once: its folder, the settings that its result depends on, and what it computes.

The plan shows these stages, and runs share those whose settings are the same.
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
"""The number of examples in each split of the data; None where it is not known."""

UNKNOWN: Counts = {"train": None, "val": None, "test": None}

_USERS = ("seed", "data", "limit")
_DATA = (*_USERS, "retrieval", "prompt")
_SHUFFLED = ("evaluation.split", "evaluation.shuffled")
_FITTING = (*_DATA, "generator")
_REASONING = (*_FITTING, "teacher", "reasoning", "decoding", "shard_size")
_MODEL = (*_FITTING, "training")
_WRITING = (
    "decoding",
    *(f"evaluation.{name}" for name in ("temperature", "top_p", "texts", "candidates", "choose")),
)
_SAMPLING = ("decoding", "shard_size", "expectation.samples", "expectation.temperature", "expectation.top_p")
_SELECTION = tuple(
    f"expectation.{name}"
    for name in ("threshold", "quantile", "quantile_of", "max_kept", "max_repeated", "targets", "weights", "start_from")
)
# For stages that several methods share, PaT's among them.
_SHARED = tuple(name for name in Recipe.model_fields if name not in ("expectation", "tracking", "scale"))


@dataclass(frozen=True)
class Stage:
    """One stage of a run, with upper bounds of what it computes; these are None where the data's counts are not known.

    name: its folder in the run, in which `*` stands for a part that depends on the data.
    settings: the dotted names of all settings that its result depends on; in doubt, a setting is included.
    examples: the number of inputs that it processes, or of samples or preference pairs that it trains on.
    completions: the number of completions that it writes.
    new_tokens: the number of tokens in all of these.
    optimizer_steps: the optimizer steps of the language model that it trains.
    methods: the methods of the recipe that need it.
    sharded: whether it is computed shard by shard without a `stage.json` of its own.
    first_samples: whether its records are samples of a model that does not depend on their number, so that fewer
        samples are the first ones of more.
    """

    name: str
    settings: tuple[str, ...]
    examples: int | None = 0
    completions: int | None = 0
    new_tokens: int | None = 0
    optimizer_steps: int | None = 0
    methods: tuple[str, ...] = ()
    sharded: bool = False
    first_samples: bool = False

    @property
    def trains(self) -> bool:
        """Whether it trains a language model."""
        return self.optimizer_steps != 0

    @property
    def computes(self) -> bool:
        """Whether it trains a language model or writes with one."""
        return self.trains or self.completions != 0


def stages_of(recipe: Recipe, counts: Counts = UNKNOWN) -> list[Stage]:
    """Every stage of a run, in the order in which an uninterrupted run finishes them.

    recipe: the recipe of the run.
    counts: the number of examples in each split.

    A run has fewer stages if an agent has no preference pair to be trained on: until an agent of a method is trained,
    its summaries are those of untrained agents.
    """
    stages = _Stages(recipe, counts)
    by_method = [(name, stage) for name, row in recipe.method_rows.items() for stage in stages.of_method(row)]
    by_method += [
        (name, stage) for name in recipe.writers(recipe.method_rows) for stage in stages.of_three_authors(name)
    ]
    found: dict[str, Stage] = {}
    for method, stage in by_method:
        known = found.setdefault(stage.name, stage)
        found[stage.name] = replace(known, methods=tuple(dict.fromkeys([*known.methods, method])))
    return list(found.values())


class _Stages:
    """The stages of each part of a run, in order; a stage that several parts need is in each of them."""

    def __init__(self, recipe: Recipe, counts: Counts) -> None:
        self._recipe = recipe
        self._counts = counts
        self._split = recipe.evaluation.split
        self._train, self._test = counts["train"], counts[self._split]

    def of_method(self, row: Method) -> Iterator[Stage]:
        """All stages that a method needs, up to its evaluation."""
        if row.trained:
            yield from self._self_training(row)
        else:
            yield from self._method_prompts(row)
            if self._recipe.tune_generator:
                yield from self._generator()
        yield from self._evaluation(row)

    def of_three_authors(self, method: str) -> Iterator[Stage]:
        """The stages in which an evaluated method writes prompts for three authors."""
        settings = self._recipe.three_authors
        assert settings is not None
        yield from self._prepared("train")
        yield Stage(stage_names.shared_prompts(self._split), _SHARED)
        if self._needs_authorship([], settings.candidates):
            yield from self._authorship()
        self_training = ("expectation",) if self._recipe.method_rows[method].self_trained else ()
        name = stage_names.three_authors(self._split, method)
        max_tokens = self._completion_tokens(self._recipe.method_rows[method])
        yield self._writing(
            name, (*_SHARED, *self_training), AUTHORS * settings.prompts, settings.candidates, max_tokens
        )

    def _writing(
        self,
        name: str,
        settings: tuple[str, ...],
        examples: int | None,
        completions_each: int,
        tokens_each: int | None = None,
        *,
        sharded: bool = False,
    ) -> Stage:
        """A stage that writes `completions_each` completions of at most `tokens_each` tokens for each example.

        tokens_each: the limit of a response if None.
        """
        max_tokens = self._recipe.prompt.max_output_tokens if tokens_each is None else tokens_each
        completions, tokens = _times(examples, completions_each), _times(examples, completions_each * max_tokens)
        return Stage(name, settings, examples, completions, tokens, sharded=sharded)

    def _completion_tokens(self, row: Method) -> int:
        return self._recipe.prompt.completion_tokens(with_reasoning=row.reasoning)

    def _prepared(self, split: Split) -> Iterator[Stage]:
        """The examples of a split, and its users' documents if the recipe needs them."""
        yield Stage(stage_names.data(split), _DATA if split == "train" else (*_DATA, *_SHUFFLED), self._counts[split])
        if AUTHORSHIP in self._recipe.rewards_in_use() or self._recipe.reasoning.with_card:
            yield Stage(stage_names.users(split), _USERS)

    def _authorship(self) -> Iterator[Stage]:
        """The model of the authorship reward, fitted when it is first needed."""
        yield Stage(stage_names.users("train"), _USERS)
        yield Stage(stage_names.AUTHORSHIP_MODEL, _USERS)

    def _needs_authorship(self, metrics: Sequence[str], candidates: int) -> bool:
        """Whether the authorship reward is needed to score texts with these metrics and choose among candidates."""
        chosen = candidates > 1 and self._recipe.evaluation.choose == AUTHORSHIP
        return chosen or AUTHORSHIP in [*self._recipe.reward.mixture, *metrics]

    def _evaluation(self, row: Method) -> Iterator[Stage]:
        settings = self._recipe.evaluation
        yield from self._prepared(self._split)
        if self._needs_authorship(settings.metrics, settings.candidates):
            yield from self._authorship()
        settings_used = _SHARED
        if row.trained:
            settings_used = (*self._settings_of_model(row), "reward", "evaluation", "decoding")
            settings_used = (*settings_used, "expectation") if row.self_trained else settings_used
        name = stage_names.evaluation(self._split, row.name)
        yield self._writing(name, settings_used, self._test, settings.completions, self._completion_tokens(row))

    def _training(
        self, prefix: str, settings: tuple[str, ...], samples: int | None, *, with_reasoning: bool
    ) -> Iterator[Stage]:
        """A model's training, in which the recipe may choose a checkpoint by validation, and the reward that needs."""
        training, steps = self._recipe.training, optimizer_steps(self._recipe, samples)
        completions: int | None = 0
        if training.validate_every is not None:
            yield from self._prepared("val")
            checkpoints = None if steps is None else training.checkpoints(steps)
            completions = _times(checkpoints, self._counts["val"], self._recipe.evaluation.completions)
        if AUTHORSHIP in self._recipe.rewards_in_use():
            yield from self._authorship()
        tokens = _times(completions, self._recipe.prompt.completion_tokens(with_reasoning=with_reasoning))
        yield Stage(stage_names.training(prefix), settings, samples, completions, tokens, steps)

    # REST-PG's Algorithm 1, and the methods that are parts of it.

    def _self_training(self, row: Method) -> Iterator[Stage]:
        recipe = self._recipe
        yield from self._prepared("train")
        if row.reasoning and recipe.reasoning.by_teacher:
            settings = recipe.reasoning
            name, max_tokens = stage_names.REASONING, settings.max_new_tokens
            yield self._writing(name, _REASONING, self._train, settings.attempts, max_tokens)
        start = METHODS[row.starts_from or row.name]
        model = self._settings_of_model(start)
        yield from self._training(start.name, model, self._train, with_reasoning=row.reasoning)
        for number in range(1, recipe.expectation.iterations + 1) if row.self_trained else ():
            yield from self._iteration(row, number)

    def _settings_of_model(self, row: Method) -> tuple[str, ...]:
        """The settings that a trained method's model depends on."""
        settings = (*_MODEL, *_REASONING) if row.reasoning else _MODEL
        # A checkpoint that is chosen by validation depends on how texts are written and rewarded.
        settings = (*settings, "reward", *_WRITING) if self._recipe.training.validate_every else settings
        # Beside a model is the authorship model, if that is in use.
        settings = (*settings, "reward") if AUTHORSHIP in self._recipe.rewards_in_use() else settings
        return (*settings, "reward", *_SAMPLING, *_SELECTION) if row.self_trained else settings

    def _iteration(self, row: Method, number: int) -> Iterator[Stage]:
        """An expectation step and a maximization step."""
        expectation, prefix = self._recipe.expectation, stage_names.iteration(row.name, number)
        settings = self._settings_of_model(row)
        first = number == 1
        # Samples of the supervised model depend neither on their rewards nor on which of them are selected.
        start = METHODS[row.starts_from or row.name]
        sampling = (*self._settings_of_model(start), *_SAMPLING) if first else settings
        completions_each, max_tokens = expectation.samples, self._completion_tokens(row)
        samples = self._writing(stage_names.samples(prefix), sampling, self._train, completions_each, max_tokens)
        yield replace(samples, sharded=True, first_samples=first)
        if self._needs_authorship([], 1):
            yield from self._authorship()
        rewards = (*sampling, "reward")
        yield Stage(stage_names.rewards(prefix), rewards, self._train, sharded=True, first_samples=first)
        yield Stage(stage_names.selection(prefix), settings, self._train)
        # Neither a quantile nor a random share bounds this: samples with equal rewards are all selected or none is.
        kept = min(expectation.max_kept, expectation.samples) + bool(expectation.targets)
        yield from self._training(prefix, settings, _times(self._train, kept), with_reasoning=row.reasoning)

    # PaT, and the methods that share a generator with it.

    def _method_prompts(self, row: Method) -> Iterator[Stage]:
        """The contexts and summaries that an untrained method's prompts show."""
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
        """Both agents' summaries in all rounds."""
        settings = self._recipe.pat
        completions_each, max_tokens = len(AGENTS) * settings.rounds, settings.max_summary_tokens
        return self._writing(name, _SHARED, examples, completions_each, max_tokens, sharded=True)

    def _generator(self) -> Iterator[Stage]:
        """The fine-tuning of the shared generator on the prompts of all methods, in equal parts."""
        yield from self._prepared("train")
        methods = tuning_methods(self._recipe)
        if any(row.shows_others for row in methods):
            yield from self._contexts("train")
        if any(row.summaries_of for row in methods):
            parts = [i for i, row in enumerate(methods) if row.summaries_of]
            train = self._train
            count = None if train is None else sum(len(range(i, train, len(methods))) for i in parts)
            yield self._summaries(stage_names.generator_summaries("*"), count)
        yield from self._training(GENERATOR, _SHARED, self._train, with_reasoning=False)

    def _agents(self, method: str) -> Iterator[Stage]:
        """The training of a method's agents, in alternation."""
        if self._recipe.tune_generator:
            yield from self._generator()
        yield from self._prepared("train")
        yield from self._contexts("train")
        for number in range(1, self._recipe.pat.iterations + 1):
            for agent in AGENTS:
                yield from self._agent(method, number, agent)

    def _agent(self, method: str, number: int, agent: AgentName) -> Iterator[Stage]:
        settings, prefix = self._recipe.pat, stage_names.agent_iteration(method, number, agent)
        trained = (number, agent) != (1, AGENTS[0])
        examples = self._train and min(self._train, settings.examples or self._train)
        yield self._summaries(stage_names.training_summaries(prefix, trained=trained), examples)
        candidates_prefix = stage_names.agent_candidates(method, number, agent)
        name, max_tokens = stage_names.candidates(candidates_prefix), settings.max_summary_tokens
        yield self._writing(name, _SHARED, examples, settings.samples, max_tokens, sharded=True)
        if self._needs_authorship([], 1):
            yield from self._authorship()
        texts = (settings.samples + 1) * settings.texts
        yield self._writing(stage_names.rewards(candidates_prefix), _SHARED, examples, texts, sharded=True)
        yield Stage(stage_names.pairs(prefix), _SHARED, examples)
        steps = None if examples is None else settings.dpo.steps(examples)
        yield Stage(stage_names.training(prefix), _SHARED, examples, optimizer_steps=steps)


def optimizer_steps(recipe: Recipe, samples: int | None) -> int | None:
    """The optimizer steps of fine-tuning; None if they are not known.

    recipe: the recipe of the run.
    samples: the number of training samples; None if it is not known.
    """
    known = samples is not None or recipe.training.max_steps is not None
    return recipe.training.steps(samples or 0) if known else None


def _times(*factors: int | None) -> int | None:
    """The product of the factors; None if one of them is not known."""
    known = [factor for factor in factors if factor is not None]
    return math.prod(known) if len(known) == len(factors) else None
