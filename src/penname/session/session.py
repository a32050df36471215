"""The session of a run, shared by its stages: recipe, run folder, prompts, rewards, one loaded engine at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

from penname.config import Recipe, SourceConfig, Split
from penname.data.load_report import LoadReport
from penname.data.records import Example
from penname.data.sources import Examples, load_split
from penname.engine_config import EngineConfig
from penname.engines.base import Engine
from penname.engines.sampling import sample_seed
from penname.errors import UserError
from penname.extensions import Extension, load_callable
from penname.prompts.completion import compose, parse
from penname.prompts.render import Prompt, PromptTooLong, Renderer
from penname.prompts.templates import ANSWER_FORMATS, TemplateName, benchmark_template, generator_template
from penname.retrieval.retrieve import Retriever, make_retriever, retrieve_all
from penname.rewards.base import Reward, RewardInput
from penname.rewards.judge import Judge
from penname.rewards.mixture import make_rewards, score_responses
from penname.runs.folder import Record, Records, RunFolder, read_stage
from penname.runs.shards import LazyItems, divide
from penname.runs.worker_log import WorkerLog
from penname.session import stage_names
from penname.session.engines import Engines
from penname.session.examples import (
    COLD_START_DOCUMENTS,
    PREPARED_PER_SHARD,
    PreparedExample,
    example_of,
    example_record,
    latest_documents,
    prepare_example,
    shuffle_profiles,
)
from penname.session.executor import Executor, InProcess, SessionWork
from penname.session.users import Users
from penname.training.processes import Processes, announce_end

Cached = TypeVar("Cached")


@dataclass(frozen=True)
class GenerationInput:
    """What completions of an example are sampled from.

    example: the example.
    prompt: its prompt.
    reasoning: a given reasoning, which the model continues with the response as if it had written it; None where there
        is none.
    """

    example: PreparedExample
    prompt: Prompt
    reasoning: str | None = None


class Session:
    """Recipe, run folder, prompts, engines and rewards of one run.

    recipe: the run's recipe.
    run: the run's folder.
    engines: engines to share with other sessions; by default the session has its own.
    executor: computes the shards of stages that a language model or a reward works in; by default this process does.
    """

    def __init__(
        self, recipe: Recipe, run: RunFolder, engines: Engines | None = None, executor: Executor | None = None
    ) -> None:
        self.recipe = recipe
        self.run = run
        self._executor = executor or InProcess()
        self._cache: dict[tuple[object, ...], Any] = {}
        self.engines = engines or Engines(
            lambda tokens, completions: run.progress.add_generated(tokens, completions),
            say=lambda line: run.progress.say(line),
        )
        self.users = Users(recipe, run, self._load_all)

    def cached(self, key: tuple[object, ...], compute: Callable[[], Cached]) -> Cached:
        """The result of a computation that is done at most once in a session.

        key: identifies the result.
        compute: called if there is no result for the key yet.
        """
        if key not in self._cache:
            self._cache[key] = compute()
        result: Cached = self._cache[key]
        return result

    @cached_property
    def renderer(self) -> Renderer:
        """The renderer of the generator's prompts."""
        limit = self.recipe.prompt.max_input_tokens
        return self.engines.renderer(self.recipe.generator, limit, "prompt.max_input_tokens")

    def retriever(self) -> Retriever:
        """The recipe's retriever."""
        settings = self.recipe.retrieval
        return make_retriever(settings.retriever, settings.encoder, self.recipe.seed, settings.tokens)

    def prepare(self, split: Split, profile_size: int | None = None) -> list[PreparedExample]:
        """The split's examples with their contexts. Raises UserError for an example without an output.

        profile_size: see `examples`.
        """
        name = stage_names.data(stage_names.split_name(split, profile_size))
        self.run.stage(name, lambda folder: self._prepare(name, split, profile_size))
        documents = self.users.of_split(split) if self.users.needed else {}
        return [
            example_of(record, documents.get((record["task"], record["user_id"]), ()))
            for record in read_stage(self.run.path(name))
        ]

    def _prepare(self, name: str, split: Split, profile_size: int | None) -> Record:
        report = LoadReport(strict=True)
        examples = self.examples(split, profile_size, report)
        if problems := report.summary():
            self.run.progress.say(f"{name}: {problems}")
        work = partial(self._prepare_shard, self.retriever())
        records = self.run.shards(name, examples, PREPARED_PER_SHARD, work)
        empty = sum(not record["context"] and not record["neighbours"] for record in records)
        if empty:
            self.run.progress.say(f"{name}: {empty} of {len(records)} examples have no document to retrieve")
        return {"examples": len(records), "without_context": empty}

    def _prepare_shard(self, retriever: Retriever, examples: Sequence[Example]) -> list[Record]:
        settings = self.recipe.retrieval
        retrieved = retrieve_all(examples, retriever, settings.k, settings.documents, self._show_note)
        return [example_record(prepare_example(example, context, self.recipe.prompt)) for example, context in retrieved]

    def shards(
        self,
        name: str,
        items: Sequence[Any],
        size: int,
        work: SessionWork,
        unit: str = "examples",
        completions: int = 1,
    ) -> Records:
        """Process items in shards by the session's executor, in this process or in others; return all records.

        items: what is processed. Other processes get the items of a shard and nothing else of the run, so these contain
            all that `work` needs.
        work: makes the records of a shard's items; a function at module level, or a `partial` of one.
        name, size, unit, completions: see `RunFolder.shards`.
        """
        execute = partial(self._executor.execute, self, name, work)
        return self.run.shards_by(execute, name, items, size, unit, completions)

    def compute(self, name: str, items: Sequence[Any], size: int, work: SessionWork) -> list[Record]:
        """All records of items, computed in shards that are not kept in the run. The arguments are as for `shards`."""
        shards = divide(items, size)
        results: dict[int, list[Record]] = {}
        for result in self._executor.execute(self, name, work, shards):
            results[result.shard.number] = result.records
            self.run.progress.advance(len(result.shard))
        return [record for number in range(len(shards)) for record in results[number]]

    def _show_note(self, note: str) -> None:
        self.run.progress.advance(0, note=note)

    def examples(self, split: Split, profile_size: int | None, report: LoadReport) -> Sequence[Example]:
        """The split's examples, without retrieved documents.

        profile_size: simulates a cold start: only examples whose users have at least `COLD_START_DOCUMENTS` documents,
            with the latest `profile_size` of these as their profile; None for all examples as they are.
        report: counts the rows that are skipped.

        Raises UserError where there is none.
        """
        examples: Sequence[Example] = self.load(self.recipe.data, split, profile_size, report)
        if split == self.recipe.evaluation.split:
            examples = shuffle_profiles(examples, self.recipe.evaluation.shuffled, self.recipe.seed)
        if profile_size is None:
            return examples
        if not examples:
            fewest = f"{COLD_START_DOCUMENTS} documents or more"
            raise UserError(f"{split}: found no user with {fewest}, expected some to hide documents of")
        return [replace(e, profile=tuple(latest_documents(e.profile, profile_size))) for e in examples]

    def load(
        self, sources: Sequence[SourceConfig], split: Split, profile_size: int | None, report: LoadReport
    ) -> Examples:
        """Load the examples of each source, up to the recipe's limit.

        sources: such as the recipe's `data`.
        profile_size, report: see `examples`.
        """
        limit = getattr(self.recipe.limit, split)
        fewest = 0 if profile_size is None else COLD_START_DOCUMENTS
        return load_split(sources, split, limit, self.recipe.seed, report, fewest)

    def _load_all(self, split: Split) -> Examples:
        return self.load(self.recipe.data, split, None, LoadReport())

    def prepare_fitting(self, split: Split, profile_size: int | None = None) -> list[PreparedExample]:
        """The split's examples whose input is within the token limit; the others are counted and skipped.

        profile_size: see `examples`.

        Raises UserError naming one where none fits.
        """
        return self.cached(("examples", split, profile_size), lambda: self._prepare_fitting(split, profile_size))

    def _prepare_fitting(self, split: Split, profile_size: int | None) -> list[PreparedExample]:
        examples = self.prepare(split, profile_size)
        problems = [self._too_long(e) for e in examples]
        fitting = [e for e, problem in zip(examples, problems, strict=True) if problem is None]
        if not fitting:
            raise UserError(
                f"{split} split: found no example whose input fits into its prompt, expected at least one; "
                f"of the first example {examples[0].example_id!r}: {problems[0]}"
            )
        for limit, over in Counter(problem.setting for problem in problems if problem is not None).items():
            self.run.progress.say(f"{over} of {len(examples)} {split} inputs are over {limit}: skipped")
        return fitting

    def prompt(self, example: PreparedExample, *, with_reasoning: bool, with_context: bool = True) -> Prompt:
        """The prompt of an example with the recipe's template.

        with_reasoning: ask for a reasoning first.
        with_context: show the retrieved documents.

        Raises UserError naming the example where its input alone is over the limit.
        """
        context: dict[str, tuple[str, ...]] = {"context": example.documents if with_context else ()}
        values = {"input": example.input}
        name = generator_template(with_reasoning=with_reasoning)
        if self.recipe.prompt.style == "benchmark":
            settings = self.recipe.retrieval
            documents_shown = settings.documents if with_context and settings.k else None
            if example.layout in ANSWER_FORMATS:  # PGraphRAG keeps the headers of empty lists
                context = {"own": example.context, "neighbours": example.neighbours} if documents_shown else {}
                values["format"] = ANSWER_FORMATS[example.layout]
            elif not example.documents:
                documents_shown = None
            name = benchmark_template(example.layout, documents_shown)
        return render_for(example, self.renderer, name, context, **values)

    def extension_prompt(self, method: Extension, example: PreparedExample) -> Prompt:
        """The prompt that an extension method makes for an example.

        method: the extension.

        Raises UserError where it returns something else, or a prompt that is over the limit.
        """
        result = load_callable(method, "method", "input", "documents")(example.input, list(example.documents))
        if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[0], str)):
            raise UserError(f"method {method}: found {type(result).__name__}, expected a text and a list of documents")
        text, documents = result
        try:
            return self.renderer.render_text(text, list(documents), example.input)
        except PromptTooLong as error:
            raise UserError(f"example {example.example_id!r}: {error}") from None

    def generation_inputs(
        self,
        examples: Sequence[PreparedExample],
        *,
        with_reasoning: bool,
        prompt_of: Callable[[PreparedExample], Prompt] | None = None,
        reasonings: Mapping[str, str] | None = None,
    ) -> Sequence[GenerationInput]:
        """What completions of examples are sampled from; prompts are rendered when they are needed.

        with_reasoning: whether completions begin with a reasoning.
        prompt_of: an example's prompt; by default `prompt`.
        reasonings: given reasonings, by example id; see `GenerationInput`.
        """
        prompt_of = prompt_of or partial(self.prompt, with_reasoning=with_reasoning)
        given = reasonings or {}
        return LazyItems(examples, lambda e: GenerationInput(e, prompt_of(e), given.get(e.example_id)))

    def generate(
        self,
        inputs: Sequence[GenerationInput],
        *,
        model: Path | None,
        purpose: str,
        samples: int,
        temperature: float,
        top_p: float,
        with_reasoning: bool,
    ) -> list[Record]:
        """Sample completions and parse them into reasoning and response.

        inputs: see `generation_inputs`.
        model: the model's folder; None for the recipe's generator.
        purpose: of the random seeds, see `sample_seed`.
        samples: number of completions of each example.
        temperature, top_p: see `Sampling`.
        with_reasoning: whether completions begin with a reasoning.
        """
        max_tokens = self.recipe.prompt.completion_tokens(with_reasoning=with_reasoning)
        sampling = self.recipe.decoding.sampling(max_tokens, temperature, top_p, self.renderer.stop_ids)
        inputs = list(inputs)
        prefixes = [[] if i.reasoning is None else self.renderer.prefix(compose(i.reasoning, "")) for i in inputs]
        seeds = [
            [sample_seed(self.recipe.seed, purpose, i.example.example_id, number) for number in range(samples)]
            for i in inputs
        ]
        engine = self.engine(self.recipe.generator, str(model) if model else None)
        token_ids = [i.prompt.tokens + prefix for i, prefix in zip(inputs, prefixes, strict=True)]
        written = engine.generate(token_ids, seeds, sampling)
        if [len(completions) for completions in written] != [samples] * len(inputs):
            raise UserError(
                f"engine {self.recipe.generator.kind}: found {sum(map(len, written))} completions, "
                f"expected {samples} for each of {len(inputs)} prompts"
            )
        records = []
        for given, completions in zip(inputs, written, strict=True):
            example = given.example
            for number, generated in enumerate(completions):
                text = self.renderer.completion(generated.tokens, continued=given.reasoning is not None).strip()
                if given.reasoning is not None:
                    text = compose(given.reasoning, text)
                parts = parse(text, with_reasoning=with_reasoning, label=example.layout in ANSWER_FORMATS)
                records.append(
                    {
                        "example_id": example.example_id,
                        "task": example.task,
                        "sample": number,
                        "completion": text,
                        "reasoning": parts.reasoning,
                        "response": parts.response,
                        "finish_reason": generated.finish_reason,
                        "new_tokens": len(generated.tokens),
                        "documents_shortened": given.prompt.shortened,
                    }
                )
        return records

    def _too_long(self, example: PreparedExample) -> PromptTooLong | None:
        """The error if the example's input does not fit into Figure 8's prompt: the criterion for every method."""
        try:
            self.renderer.render("figure8_input", [], input=example.input)
        except PromptTooLong as error:
            return error
        return None

    def engine(self, config: EngineConfig, model: str | None = None) -> Engine:
        """See `Engines.engine`."""
        return self.engines.engine(config, model)

    def release(self) -> None:
        """Let all models go, before training needs the memory."""
        self.engines.release()
        self._executor.release()

    def close(self) -> None:
        """Let everything go that the session holds."""
        self.engines.release()
        self._executor.close()
        if self.recipe.training.nodes > 1:
            announce_end(self.run.folder)

    @property
    def processes(self) -> Processes:
        """The processes that train together."""
        training = self.recipe.training
        return Processes(
            training.processes,
            training.nodes,
            training.rendezvous,
            self.run.folder if training.nodes > 1 else None,
            self.run.progress.say,
            WorkerLog(self.run.folder).restarted,
        )

    def rewards(self, names: Sequence[str]) -> dict[str, Reward]:
        """The rewards with these names, by name."""
        return make_rewards(names, self.recipe.reward, self.judge, self.users.model)

    def reward_input(self, example: PreparedExample, response: str) -> RewardInput:
        """What rewards see of a response to an example: never the reasoning (REST-PG section 3.2)."""
        return RewardInput(example.input, example.output, response, example.user_documents)

    def score(
        self, names: Sequence[str], examples: Sequence[PreparedExample], responses: Sequence[str | None]
    ) -> list[dict[str, float | None] | None]:
        """The named rewards of each response, and `reward`, the recipe's mixture, if `names` includes all of its parts.

        names: names of rewards.
        examples: the example of each response.
        responses: None for a completion without a response, whose result is None too.

        If the judge's prompt is over its limit, `judge` and any mixture with it are None.
        """
        pairs = zip(examples, responses, strict=True)
        present = [self.reward_input(e, response) for e, response in pairs if response is not None]
        scored = iter(self._score(names, present) if present else [])
        return [None if response is None else next(scored) for response in responses]

    def reward(self, items: Sequence[RewardInput]) -> list[float | None]:
        """The recipe's mixture of rewards for each item."""
        return [values["reward"] for values in self._score(list(self.recipe.reward.mixture), items)]

    def _score(self, names: Sequence[str], items: Sequence[RewardInput]) -> list[dict[str, float | None]]:
        return score_responses(self.recipe.reward.weights, self.rewards(names), items)

    def teacher_renderer(self) -> Renderer:
        """The renderer of the teacher's prompts."""
        limit = self.recipe.reasoning.max_input_tokens
        return self.engines.renderer(self.recipe.teacher, limit, "reasoning.max_input_tokens")

    def agent_renderer(self, agent: EngineConfig) -> Renderer:
        """The renderer of the prompts of one of PaT's agents.

        agent: the agent's engine.
        """
        return self.engines.renderer(agent, self.recipe.pat.max_input_tokens, "pat.max_input_tokens")

    def judge(self) -> Judge:
        """The recipe's judge."""
        reward = self.recipe.reward
        renderer = self.engines.renderer(reward.judge, reward.judge_max_input_tokens, "reward.judge_max_input_tokens")
        return Judge(self.engine(reward.judge), renderer, reward.judge_expectation)


def render_for(
    example: PreparedExample,
    renderer: Renderer,
    name: TemplateName,
    documents: Mapping[str, Sequence[str]],
    shorten: Sequence[str] = (),
    **values: str,
) -> Prompt:
    """Render the prompt of an example from a template.

    renderer: that of the model that is prompted.
    name: the template.
    documents: the template's lists of documents, by name.
    shorten: names of the values that are truncated where they do not fit.
    values: the template's other fields.

    Raises UserError naming the example where its input alone is over the limit.
    """
    try:
        return renderer.render_shortened(name, documents, shorten, **values)
    except PromptTooLong as error:
        raise UserError(f"example {example.example_id!r}: {error}") from None
