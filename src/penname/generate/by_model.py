"""Writing with one model that is shown the user's own documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from penname.config import (
    DecodingConfig,
    EngineConfig,
    EvaluationConfig,
    PromptConfig,
    Recipe,
    RetrievalConfig,
    RewardConfig,
)
from penname.data.records import Example
from penname.engines.base import Generated
from penname.engines.sampling import sample_seed
from penname.engines.tokenizer import load_reader
from penname.errors import ArgumentError, UserError
from penname.experiments.train import model_folder
from penname.generate.request import Request, Written, notes_on_limits
from penname.method_table import METHODS
from penname.prompts.completion import Completion, compose, parse
from penname.prompts.render import PromptFormat, Renderer
from penname.prompts.templates import generator_template, template_hash
from penname.recipe_files import with_new_names
from penname.retrieval.retrieve import Retriever, make_retriever, retrieve
from penname.rewards.authorship import AuthorshipModel, chosen_documents
from penname.rewards.base import Reward, RewardInput
from penname.rewards.judge import Judge
from penname.rewards.mixture import AUTHORSHIP, make_rewards, mixed
from penname.runs.folder import Record, read_json
from penname.session.authors import MODEL_FILE
from penname.session.choice import choose
from penname.session.engines import Engines
from penname.session.evaluate import EVALUATION
from penname.session.fine_tune import PROMPT_FILE
from penname.session.stage_names import AUTHORSHIP_MODEL

OVERLAP = {"rouge1": 1, "rougeL": 1, "meteor": 1}
"""What candidates are compared by where the model's own reward is not known."""


@dataclass(frozen=True)
class Setup:
    """A model, how it must be prompted and how it writes.

    engine: the model's. templates: their names and hashes, as it was trained. authorship: where the model for
    `evaluation.choose: authorship` is.
    """

    engine: EngineConfig
    with_reasoning: bool
    prompt: PromptConfig
    retrieval: RetrievalConfig
    decoding: DecodingConfig
    evaluation: EvaluationConfig
    reward: RewardConfig
    authorship: Path


def setup_of_run(run: Path, recipe: Recipe, method: str) -> Setup:
    """As the run evaluates the method: with its engine, temperature and candidates."""
    if method == "rag":
        return Setup(
            recipe.generator,
            False,
            recipe.prompt,
            recipe.retrieval,
            recipe.decoding,
            recipe.evaluation,
            recipe.reward,
            run / AUTHORSHIP_MODEL / MODEL_FILE,
        )
    folder = str(model_folder(run, METHODS[method], recipe.expectation.iterations))
    setup = setup_of_model(folder)
    return replace(setup, engine=recipe.generator.model_copy(update={"model": folder}), reward=recipe.reward)


def setup_of_model(model: str) -> Setup:
    """As the model was trained, or by the recipes' defaults where penname did not train it."""
    reader = load_reader(model)
    untrained: PromptFormat = "chat" if reader.chat_template else "plain"
    facts: Record = {"with_reasoning": False, "format": untrained, "decoding": {"no_repeat_ngram": 6}}
    path = Path(model) / PROMPT_FILE
    if path.is_file():
        facts = with_new_names(read_json(path))
        for name, expected in facts["templates"].items():
            if template_hash(name) != expected:
                raise UserError(
                    f"{model}: trained on another text of template {name} ({expected}, here {template_hash(name)}); "
                    "train again or use the version it was trained with"
                )
    return Setup(
        EngineConfig(model=model, format=facts["format"]),
        bool(facts["with_reasoning"]),
        PromptConfig.model_validate(facts.get("prompt", {})),
        RetrievalConfig.model_validate(facts.get("retrieval", {})),
        # What follows models trained by earlier versions lack.
        DecodingConfig.model_validate(facts.get("decoding", {})),
        EvaluationConfig.model_validate(facts.get("evaluation", {})),
        RewardConfig.model_validate(facts.get("reward", {"mixture": OVERLAP})),
        Path(model) / MODEL_FILE,
    )


class ModelWriter:
    """Writes with one model that is shown the user's own documents. Raises UserError for a benchmark's own prompts."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._engines = Engines(lambda tokens, completions: None)
        self._judges = Engines(lambda tokens, completions: None)
        if setup.prompt.style == "benchmark":
            problem = "was trained on a benchmark's own prompts, which only its records can fill in"
            raise ArgumentError("model", f"{setup.engine.model} {problem}")

    def write(self, request: Request) -> Written:
        setup, seed = self._setup, request.seed
        if request.item is not None:
            raise ArgumentError("item", "is for the method pat of a run")
        if request.reasoning is not None:
            self.check_reasoning()
        example = Example(
            "prompt", "user", "generate", request.prompt, profile=tuple(request.documents), query=request.query
        )
        shown = [document.text for document in retrieve(example, self._retriever(seed), setup.retrieval.k)]
        template = generator_template(with_reasoning=setup.with_reasoning)
        rendered = self._renderer.render(template, shown, input=request.prompt)
        written, texts = self._complete(rendered.tokens, request)
        every = [parse(text, with_reasoning=setup.with_reasoning) for text in texts]
        number = self._choose(request, every)
        parts = every[number]
        notes = _notes(rendered.shortened, written[number], parts, setup)
        if not request.documents:
            notes.insert(0, "there are no documents: the response is not personalized")
        response = parts.response or texts[number].strip()
        return Written(response, parts.reasoning, tuple(notes), parts.response is not None)

    def check_reasoning(self) -> None:
        """Raises UserError where the model cannot be given a reasoning."""
        if not self._setup.with_reasoning:
            raise ArgumentError("reasoning", "this model was not trained to reason")

    def close(self) -> None:
        self._engines.release()
        self._judges.release()

    @cached_property
    def _renderer(self) -> Renderer:
        engine = self._setup.engine
        reader = load_reader(engine.model)  # sooner there than transformers' tokenizer
        return Renderer(reader, engine.format, self._setup.prompt.max_input_tokens)

    def _retriever(self, seed: int) -> Retriever:
        settings = self._setup.retrieval
        return make_retriever(settings.retriever, settings.encoder, seed, settings.tokens)

    def _complete(self, prompt: list[int], request: Request) -> tuple[list[Generated], list[str]]:
        """The candidates, as tokens and as whole completions, those behind a given reasoning with it."""
        evaluation, given = self._setup.evaluation, request.reasoning
        begun = self._renderer.beginning(compose(given, "")) if given is not None else []
        setup = self._setup
        most = setup.prompt.completion_tokens(with_reasoning=setup.with_reasoning)
        sampling = setup.decoding.sampling(most, evaluation.temperature, evaluation.top_p, self._renderer.end_id)
        number = request.candidates or evaluation.candidates
        if number > 1 and evaluation.choose == AUTHORSHIP and not self._setup.authorship.is_file():
            untrained = "the run has no classifier of authors, by which its recipe chooses among candidates"
            raise ArgumentError("candidates", f"found {number}; {untrained}; expected 1")
        seeds = [sample_seed(request.seed, EVALUATION, "prompt", i) for i in range(number)]
        engine = self._engines.engine(self._setup.engine)
        written = engine.generate([prompt + begun], [seeds], sampling)[0]
        texts = [self._renderer.text(generated.tokens) for generated in written]
        return written, texts if given is None else [compose(given, text) for text in texts]

    def _choose(self, request: Request, candidates: Sequence[Completion]) -> int:
        """The index of the candidate to show, chosen as the model's recipe says."""
        if len(candidates) == 1:
            return 0
        own = tuple(chosen_documents([document.text for document in request.documents], "user", request.seed))
        items = [
            None if parts.response is None else RewardInput(request.prompt, "", parts.response, own)
            for parts in candidates
        ]
        reward = self._setup.reward
        rewards = self._rewards([*reward.mixture, AUTHORSHIP])
        mixture = {name: rewards[name] for name in reward.weights}

        def mean(items: Sequence[RewardInput]) -> list[float | None]:
            return [values["reward"] for values in mixed(reward.weights, mixture, items)]

        return choose([items], self._setup.evaluation.choose, mean, rewards[AUTHORSHIP])[0]

    def _rewards(self, names: Sequence[str]) -> dict[str, Reward]:
        place = self._setup.authorship
        return make_rewards(names, self._setup.reward, self._judge, lambda: AuthorshipModel.load(place))

    def _judge(self) -> Judge:
        reward = self._setup.reward
        renderer = self._judges.renderer(reward.judge, reward.judge_max_input_tokens, "reward.judge_max_input_tokens")
        return Judge(self._judges.engine(reward.judge), renderer, reward.judge_expectation)


def _notes(shortened: int, generated: Generated, parts: Completion, setup: Setup) -> list[str]:
    limit = setup.prompt.completion_tokens(with_reasoning=setup.with_reasoning)
    notes = notes_on_limits(shortened, generated.finish_reason, setup.prompt.max_input_tokens, limit)
    if parts.response is None:
        notes.append("the completion is malformed (no final answer after the reasoning); shown as it is")
    return notes
