"""Writing with one model, whose prompt shows the user's own documents."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import takewhile
from pathlib import Path

from penname.config import (
    DecodingConfig,
    EvaluationConfig,
    PromptConfig,
    Recipe,
    RetrievalConfig,
    RewardConfig,
)
from penname.data.records import Document, Example
from penname.engine_config import EngineConfig
from penname.engines.base import GeneratedTokens, Sampling
from penname.engines.models import generation_ends, locate_model
from penname.engines.sampling import sample_seed
from penname.engines.tokenizer import load_light_tokenizer
from penname.errors import ArgumentError, UserError
from penname.experiments.train import model_folder
from penname.generate.request import TextRequest, Written, notes_on_limits
from penname.method_table import METHODS
from penname.prompts.completion import Completion, compose, parse
from penname.prompts.render import PromptFormat, Renderer
from penname.prompts.templates import generator_template, template_hash
from penname.recipe_files import of_earlier_version
from penname.retrieval.known_words import KnownWords
from penname.retrieval.retrieve import DENSE, Retriever, make_retriever, retrieve
from penname.rewards.authorship import AuthorshipModel, sample_documents
from penname.rewards.base import Reward, RewardInput
from penname.rewards.judge import Judge
from penname.rewards.mixture import AUTHORSHIP, make_rewards, score_responses
from penname.runs.folder import Record, read_json
from penname.session.choice import choose
from penname.session.engines import Engines
from penname.session.evaluate import EVALUATION
from penname.session.fine_tune import PROMPT_FILE
from penname.session.stage_names import AUTHORSHIP_MODEL
from penname.session.users import MODEL_FILE

PROMPTING = ("format", "chat_template_kwargs", "chat_template_date")
"""Settings of an engine that are kept with a model; models trained by earlier versions lack the last two."""

DEFAULT_MIXTURE = {"rouge1": 1, "rougeL": 1, "meteor": 1}
"""The reward mixture that candidates are compared by if the model's own is not known."""


@dataclass(frozen=True)
class ModelSetup:
    """A model, how it is prompted and how it samples.

    engine: the model and its engine.
    with_reasoning: whether the model reasons before the response.
    prompt, retrieval, decoding, evaluation, reward: sections of the recipe that it was trained with.
    authorship: the file of the authorship model for `evaluation.choose: authorship`, which may be missing.
    """

    engine: EngineConfig
    with_reasoning: bool
    prompt: PromptConfig
    retrieval: RetrievalConfig
    decoding: DecodingConfig
    evaluation: EvaluationConfig
    reward: RewardConfig
    authorship: Path


def setup_of_run(run: Path, recipe: Recipe, method: str) -> ModelSetup:
    """The setup with which a run evaluates a method: its engine, temperature and candidates.

    run: the folder of the run.
    recipe: the recipe of the run.
    method: `rag` or a trained method.
    """
    if not METHODS[method].trained:
        return ModelSetup(
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
    # What only matters after training is the run's own: the model may be reused from a run that had it otherwise.
    return replace(
        setup_of_model(folder),
        engine=recipe.generator.model_copy(update={"model": folder}),
        decoding=recipe.decoding,
        evaluation=recipe.evaluation,
        reward=recipe.reward,
    )


def setup_of_model(model: str) -> ModelSetup:
    """The setup that a model was trained with, or the recipes' defaults if penname did not train it.

    model: the name or folder of the model.

    Raises UserError if the model was trained with another text of a prompt template.
    """
    reader = load_light_tokenizer(model)
    default_format: PromptFormat = "chat" if reader.chat_template else "plain"
    facts: Record = {"with_reasoning": False, "format": default_format, "decoding": {"no_repeat_ngram": 6}}
    path = Path(model) / PROMPT_FILE
    if path.is_file():
        facts = of_earlier_version(read_json(path))
        for name, expected in facts["templates"].items():
            if template_hash(name) != expected:
                raise UserError(
                    f"{model}: trained with another text of template {name} ({expected}, here {template_hash(name)}); "
                    "train again or use the version it was trained with"
                )
    return ModelSetup(
        EngineConfig.model_validate({"model": model, **{name: facts[name] for name in PROMPTING if name in facts}}),
        bool(facts["with_reasoning"]),
        PromptConfig.model_validate(facts.get("prompt", {})),
        RetrievalConfig.model_validate(facts.get("retrieval", {})),
        # Models trained by earlier versions lack these sections.
        DecodingConfig.model_validate(facts.get("decoding", {})),
        EvaluationConfig.model_validate(facts.get("evaluation", {})),
        RewardConfig.model_validate(facts.get("reward", {"mixture": DEFAULT_MIXTURE})),
        Path(model) / MODEL_FILE,
    )


@dataclass(frozen=True)
class Prepared:
    """What an engine needs to write for a request.

    tokens: the prompt's token ids, and those of a reasoning that the request gives.
    seeds: the random seed of each candidate.
    sampling: how the model's run samples.
    shown: the documents in the prompt, most relevant first; the last ones may be truncated or omitted.
    shortened: the number of those that are.
    """

    tokens: list[int]
    seeds: list[int]
    sampling: Sampling
    shown: list[Document]
    shortened: int


def candidate_seeds(seed: int, count: int) -> list[int]:
    """The random seeds of a text's candidates. seed: of the request."""
    return [sample_seed(seed, EVALUATION, "prompt", index) for index in range(count)]


class ModelWriter:
    """Writes with one model, whose prompt shows the user's own documents.

    setup: the model, how it is prompted and how it samples.
    cached: whether what is computed of documents is kept on disk.

    Raises UserError for a model that was trained with a benchmark's own prompts.
    """

    def __init__(self, setup: ModelSetup, *, cached: bool = True) -> None:
        self._setup = setup
        self._cached = cached
        self._said: list[str] = []
        self._engines = Engines(lambda tokens, completions: None, say=self._said.append)
        self._judges = Engines(lambda tokens, completions: None, say=self._said.append)
        if setup.prompt.style == "benchmark":
            problem = "was trained with a benchmark's own prompts, which only the benchmark's records can fill in"
            raise ArgumentError("model", f"{setup.engine.model} {problem}")

    def write(self, request: TextRequest) -> Written:
        """Write one text. Raises UserError for an item, or a reasoning that the model cannot be given."""
        prepared = self.prepare(request)
        engine = self._engines.engine(self._setup.engine)
        written = engine.generate([prepared.tokens], [prepared.seeds], prepared.sampling)[0]
        return self.finish(request, prepared, written)

    def prepare(self, request: TextRequest, known: KnownWords | None = None) -> Prepared:
        """Retrieve the documents and render the prompt; no model is loaded. Raises UserError as `write` does.

        known: see `find`.
        """
        setup = self._setup
        if request.item is not None:
            raise ArgumentError("item", "is for the method pat of a run")
        if request.reasoning is not None:
            self.check_reasoning()
        number = request.candidates or setup.evaluation.candidates
        if number > 1 and setup.evaluation.choose == AUTHORSHIP and not setup.authorship.is_file():
            problem = "the run has no authorship model, by which its recipe chooses among candidates"
            raise ArgumentError("candidates", f"found {number}; {problem}; expected 1")
        shown = self.find(request, setup.retrieval.k, known)
        template = generator_template(with_reasoning=setup.with_reasoning)
        rendered = self.renderer.render(template, [document.text for document in shown], input=request.prompt)
        reasoning = request.reasoning
        forced = self.renderer.prefix(compose(reasoning, "")) if reasoning is not None else []
        return Prepared(
            rendered.tokens + forced, candidate_seeds(request.seed, number), self.sampling, shown, rendered.shortened
        )

    @property
    def opening(self) -> list[int]:
        """What all prompts begin with, whoever asks for whatever: token ids, none where they have nothing in common."""
        made_up = [TextRequest(f"{word} {word}.", [Document(word, f"{word}."), Document(word, word)]) for word in "AZ"]
        pairs = zip(*(self.prepare(request).tokens for request in made_up), strict=False)
        same = [token for token, _ in takewhile(lambda pair: pair[0] == pair[1], pairs)]
        return same[:-1]  # the last one may be another where what follows is

    def find(self, request: TextRequest, number: int, known: KnownWords | None = None) -> list[Document]:
        """The documents that the prompt would show if it showed this many, most relevant first.

        number: at most so many are returned.
        known: the words of the user's documents, where they are kept from request to request.
        """
        example = Example(
            "prompt", "user", "generate", request.prompt, profile=tuple(request.documents), query=request.query
        )
        return retrieve(example, self._retriever(request.seed, known), number)

    def finish(self, request: TextRequest, prepared: Prepared, written: Sequence[GeneratedTokens]) -> Written:
        """The text of a request, chosen from its candidates.

        written: what an engine has written for `prepared`.
        """
        setup = self._setup
        texts = [self._completion(generated, request.reasoning) for generated in written]
        completions = [parse(text, with_reasoning=setup.with_reasoning) for text in texts]
        number = self._choose(request, completions)
        parts = completions[number]
        notes = [*_notes(prepared.shortened, written[number], texts[number], parts, setup), *self._said]
        self._said.clear()
        if self.renderer.chat is not None and setup.engine.endpoint != "chat":
            notes = [*(f"the model {note}" for note in self.renderer.chat.notes), *notes]
        if not request.documents:
            notes.insert(0, "there are no documents: the response is not personalized")
        response = parts.response or texts[number].strip()
        return Written(response, parts.reasoning, tuple(notes), parts.response is not None)

    def choose(self, request: TextRequest, written: Sequence[GeneratedTokens]) -> int:
        """The index of the candidate that `finish` would take."""
        texts = [self._completion(generated, request.reasoning) for generated in written]
        return self._choose(request, [parse(text, with_reasoning=self._setup.with_reasoning) for text in texts])

    def _completion(self, generated: GeneratedTokens, reasoning: str | None) -> str:
        """The text of a completion; it begins with the reasoning that the model was given, if it was."""
        text = self.renderer.completion(generated.tokens, continued=reasoning is not None)
        return text if reasoning is None else compose(reasoning, text)

    def check_reasoning(self) -> None:
        """Raise UserError if the model cannot be given a reasoning."""
        if not self._setup.with_reasoning:
            raise ArgumentError("reasoning", "this model was not trained to reason")

    def close(self) -> None:
        """Release the loaded models."""
        self._engines.release()
        self._judges.release()

    @property
    def setup(self) -> ModelSetup:
        """The model, how it is prompted and how it samples."""
        return self._setup

    @cached_property
    def fingerprint(self) -> str:
        """Names the model: another training of it, or another prompt, gives another name."""
        setup = self._setup
        # A server does not say when its model was trained.
        files = [] if setup.engine.kind == "openai" else Path(locate_model(setup.engine.model)).glob("*.safetensors")
        weights = [(f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in sorted(files)]
        prompting = (setup.with_reasoning, setup.prompt, setup.retrieval, setup.engine.format)
        return hashlib.sha256(repr((setup.engine.model, weights, prompting)).encode()).hexdigest()[:16]

    @cached_property
    def renderer(self) -> Renderer:
        """Renders the model's prompts."""
        engine, limit = self._setup.engine, self._setup.prompt.max_input_tokens
        if engine.kind == "openai":
            return self._engines.renderer(engine, limit, "prompt.max_input_tokens")
        reader = load_light_tokenizer(engine.model)  # faster to load than transformers' tokenizer
        return Renderer(
            reader,
            engine.format,
            limit,
            ends=generation_ends(engine.model),
            chat_template_kwargs=engine.chat_template_kwargs,
            chat_template_date=engine.chat_template_date,
        )

    def _retriever(self, seed: int, known: KnownWords | None) -> Retriever:
        settings = self._setup.retrieval
        if settings.retriever in DENSE:
            return self._dense
        return make_retriever(settings.retriever, None, seed, settings.tokens, known, cached=self._cached)

    @cached_property
    def _dense(self) -> Retriever:
        """A retriever with an encoder, which is loaded once."""
        settings = self._setup.retrieval
        return make_retriever(settings.retriever, settings.encoder, 0, cached=self._cached)

    @cached_property
    def sampling(self) -> Sampling:
        """How the model's run samples in its evaluation."""
        setup, evaluation = self._setup, self._setup.evaluation
        max_tokens = setup.prompt.completion_tokens(with_reasoning=setup.with_reasoning)
        return setup.decoding.sampling(max_tokens, evaluation.temperature, evaluation.top_p, self.renderer.stop_ids)

    def _choose(self, request: TextRequest, candidates: Sequence[Completion]) -> int:
        """The index of the chosen candidate, by the recipe's `evaluation.choose`."""
        if len(candidates) == 1:
            return 0
        user_documents = tuple(
            sample_documents([document.text for document in request.documents], "user", request.seed)
        )
        items = [
            None if parts.response is None else RewardInput(request.prompt, "", parts.response, user_documents)
            for parts in candidates
        ]
        # A model that penname did not train has no run that chose the words.
        reward = self._setup.reward.with_words([*user_documents, *(item.response for item in items if item)])
        rewards = self._rewards([*reward.mixture, AUTHORSHIP], reward)
        mixture = {name: rewards[name] for name in reward.weights}

        def mean(items: Sequence[RewardInput]) -> list[float | None]:
            return [values["reward"] for values in score_responses(reward.weights, mixture, items)]

        return choose([items], self._setup.evaluation.choose, mean, rewards[AUTHORSHIP])[0]

    def _rewards(self, names: Sequence[str], settings: RewardConfig) -> dict[str, Reward]:
        path = self._setup.authorship
        return make_rewards(names, settings, self._judge, lambda: AuthorshipModel.load(path))

    def _judge(self) -> Judge:
        reward = self._setup.reward
        renderer = self._judges.renderer(reward.judge, reward.judge_max_input_tokens, "reward.judge_max_input_tokens")
        return Judge(self._judges.engine(reward.judge), renderer, reward.judge_expectation)


def _notes(shortened: int, generated: GeneratedTokens, text: str, parts: Completion, setup: ModelSetup) -> list[str]:
    limit = setup.prompt.completion_tokens(with_reasoning=setup.with_reasoning)
    notes = notes_on_limits(shortened, generated.finish_reason, setup.prompt.max_input_tokens, limit)
    if parts.response is None and generated.tokens and not text.strip():
        notes.append("the model has only thought, which is not shown, and has written nothing")
    elif parts.response is None:
        notes.append("the completion is malformed (no final answer after the reasoning); the whole completion is shown")
    return notes
