"""Recipes: every setting that determines a run, typed and checked; `recipe_files` reads them."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Annotated, Literal, Self, TypeVar, get_args

from pydantic import Field, model_validator

from penname.data.pgraphrag import SharedNames, TaskName
from penname.data.sources import FORMATS
from penname.engine_config import Count, EndpointSetting, EngineConfig, Section
from penname.engines.base import Sampling
from penname.extensions import Extension, Named, short_name
from penname.method_table import AGENTS, METHODS, AgentName, Method, row_of
from penname.retrieval.retrieve import RETRIEVERS, DocumentsName
from penname.retrieval.tokens import TokensName
from penname.runs.tracking import TrackerName
from penname.words import WordsName, other_letters, words_for

REWARDS = ("judge", "rouge1", "rougeL", "meteor", "cosine", "bertscore", "traits", "authorship")
HOST_AND_PORT = re.compile(r".*[^:/\s]:\d{1,5}")
Split = Literal["train", "val", "test"]
RewardName = Annotated[str, Named(REWARDS)]
RetrieverName = Annotated[str, Named(RETRIEVERS)]
Format = Annotated[str, Named(FORMATS)]
MethodName = Annotated[str, Named(tuple(METHODS))]
WriterName = Annotated[str, Named(tuple(name for name, row in METHODS.items() if row.shows == "own"))]
Share = Annotated[float, Field(ge=0, le=1)]


class SourceConfig(Section):
    """One source of the data; $NAME in the path is an environment variable."""

    format: Format = Field(description="what the data is in: presidents is the bundled corpus, jsonl is penname's own")
    path: str | None = Field(None, description="a folder, or a file of one split")
    hub: str | None = Field(None, description="id of a data set on the Hugging Face hub, OWNER/NAME, instead of a path")
    task: str | None = Field(
        None,
        description="name of the examples' task; on the hub, of the configuration; for pgraphrag long, short or rating",
    )
    split_by_user: bool = Field(
        False, description="divide the users of pgraphrag's development split into train, val and test"
    )
    shared_names: SharedNames = Field(
        "keep", description="what to do with pgraphrag's users whose id is a name that many people share"
    )
    made_by: str | None = Field(
        None, description="the command that writes the data at the path, named in the error where it is missing"
    )

    @model_validator(mode="after")
    def _place(self) -> Self:
        if self.format == "presidents" or (isinstance(self.format, Extension) and self.hub is None):
            return self
        if (self.path is None) == (self.hub is None):
            raise ValueError(f"format {self.format} needs a path{' or a hub id' if self.format == 'longlamp' else ''}")
        if self.hub is not None and (self.format != "longlamp" or self.task is None):
            raise ValueError("hub needs format longlamp and, as task, one of the data set's configurations")
        return self

    @model_validator(mode="after")
    def _only_pgraphrag(self) -> Self:
        if self.format == "pgraphrag":
            if self.task not in (None, *get_args(TaskName)):
                raise ValueError(f"task of pgraphrag is one of {', '.join(get_args(TaskName))}, found {self.task!r}")
        elif self.split_by_user or self.shared_names != "keep":
            raise ValueError("split_by_user and shared_names are for format pgraphrag")
        return self


class LimitConfig(Section):
    """The maximum number of examples of each source, by split; null: no maximum."""

    train: Count | None = Field(None, description="of examples to train on, drawn with the seed")
    val: Count | None = Field(None, description="of examples to validate on")
    test: Count | None = Field(None, description="of examples to test on")


class RetrievalConfig(Section):
    """How the documents of the context are retrieved (REST-PG section 4.1)."""

    retriever: RetrieverName = Field("bm25", description="what ranks a user's documents for an input")
    k: Annotated[int, Field(ge=0)] = Field(5, description="number of documents in the context; 0: none")
    encoder: str | None = Field(None, description="encoder of dense and contriever; null: the bundled encoder")
    tokens: TokensName = Field(
        "words", description="how bm25 tokenizes: lower-cased words, or split at white space as in LongLaMP"
    )
    documents: DocumentsName = Field(
        "own",
        description="whose: the user's own, other users' on the same item (neighbours), or k of each (both, PGraphRAG)",
    )


class PromptConfig(Section):
    """The generator's prompt, and the token limits of prompt and completion."""

    style: Literal["figure8", "benchmark"] = Field(
        "figure8", description="REST-PG's prompts, or the benchmark's own, which show titles and have no reasoning"
    )
    max_input_tokens: Count = Field(1024, description="token limit of the prompt; documents are shortened to fit")
    max_output_tokens: Count = Field(384, description="token limit of the completion")
    max_reasoning_tokens: Annotated[int, Field(ge=0)] = Field(
        0, description="additional tokens of completions with a reasoning; 0: the reasoning shares max_output_tokens"
    )

    def completion_tokens(self, *, with_reasoning: bool) -> int:
        """The maximum number of tokens of a completion."""
        return self.max_output_tokens + (self.max_reasoning_tokens if with_reasoning else 0)


class ReasoningConfig(Section):
    """How the teacher writes the reasoning (REST-PG section 3.1)."""

    source: Literal["teacher", "data", "card", "teacher-with-card"] = Field(
        "teacher",
        description="teacher: a teacher model writes it; data: it is the field `reasoning` of examples (jsonl); "
        "card: it is a style card measured on the user's documents; teacher-with-card: the teacher also sees the card",
    )

    @property
    def by_teacher(self) -> bool:
        """Whether a teacher model writes the reasoning."""
        return self.source.startswith("teacher")

    @property
    def with_card(self) -> bool:
        """Whether style cards are used."""
        return "card" in self.source

    max_input_tokens: Count = Field(
        1024, description="token limit of the teacher's prompt, which is longer than the generator's"
    )
    max_new_tokens: Count = Field(128, description="token limit of a reasoning")
    temperature: Annotated[float, Field(ge=0)] = Field(0.7, description="sampling temperature of the teacher")
    attempts: Count = Field(
        3, description="maximum number of attempts at a reasoning that does not copy the expected output"
    )
    max_copied_tokens: Count = Field(
        8, description="maximum length of a span that a reasoning copies from the expected output or the instructions"
    )


class TrainingConfig(Section):
    """How the generator is fine-tuned."""

    optimizer: Literal["adamw_torch_fused", "adafactor"] = Field(
        "adamw_torch_fused", description="which optimizer takes the steps"
    )
    learning_rate: Annotated[float, Field(gt=0)] = Field(
        3e-5, description="the highest learning rate, after the warm-up"
    )
    warmup_steps: Annotated[int, Field(ge=0)] = Field(
        0, description="optimizer steps in which the learning rate rises from 0"
    )
    epochs: Annotated[float, Field(gt=0)] = Field(1.0, description="how often all samples are trained on")
    max_steps: Count | None = Field(None, description="number of optimizer steps, in place of the epochs")
    batch_size: Count = Field(8, description="samples of an optimizer step")
    micro_batch_tokens: Count = Field(
        1536, description="tokens of a micro-batch, with shared prompts counted once; a single sample may have more"
    )
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.0, description="weight decay of the optimizer")
    max_grad_norm: Annotated[float, Field(gt=0)] = Field(1.0, description="norm to which the gradient is clipped")
    lora_rank: Count | None = Field(
        None, description="rank of the LoRA adapters that are trained; null: all weights are"
    )
    gradient_checkpointing: bool = Field(
        False, description="compute activations again instead of keeping them: less memory, more time"
    )
    processes: Count = Field(
        1,
        description="processes on each machine, one a GPU where there are GPUs, which each hold a part of the weights "
        "(FSDP)",
    )
    nodes: Count = Field(1, description="machines that train together; on the others: penname join RUN")
    rendezvous: str | None = Field(
        None, description="HOST:PORT of the machine that the run is started on, where those of nodes find each other"
    )
    save_every: Count = Field(50, description="steps between the checkpoints from which a killed training resumes")
    validate_every: Count | None = Field(
        None, description="steps between validations, whose best checkpoint is used; null: the last checkpoint is used"
    )
    validation_examples: Count = Field(1024, description="maximum number of validation examples of each task for that")

    @model_validator(mode="after")
    def _found(self) -> Self:
        if self.rendezvous is not None and not HOST_AND_PORT.fullmatch(self.rendezvous):
            raise ValueError(f"rendezvous: found {self.rendezvous!r}, expected HOST:PORT")
        if self.nodes > 1 and self.rendezvous is None:
            raise ValueError(
                f"nodes {self.nodes} needs rendezvous, HOST:PORT of the machine that the run is started on"
            )
        return self

    def steps(self, samples: int) -> int:
        """Number of optimizer steps for a number of samples; an incomplete last batch of an epoch counts as a step."""
        if self.max_steps is not None:
            return self.max_steps
        return math.ceil(self.epochs * math.ceil(samples / self.batch_size))

    def checkpoints(self, steps: int) -> int:
        """Number of checkpoints on disk at once: two, or all where the best of them is chosen."""
        return 2 if self.validate_every is None else math.ceil(steps / self.validate_every)


class DecodingConfig(Section):
    """How tokens are sampled in all generated texts: samples, evaluated texts, reasonings and summaries.

    One section applies to all of them, so that the methods of a table never differ by it. `Sampling` describes the
    settings; their defaults have no effect, as in the papers.
    """

    no_repeat_ngram: Annotated[int, Field(ge=0)] = 0
    repetition_penalty: Annotated[float, Field(gt=0)] = 1.0
    top_k: Annotated[int, Field(ge=0)] = 0
    min_p: Annotated[float, Field(ge=0, lt=1)] = 0.0

    def sampling(self, max_new_tokens: int, temperature: float, top_p: float, stop_ids: tuple[int, ...]) -> Sampling:
        """The sampling parameters of an engine with these settings.

        stop_ids: ids of the tokens that end a completion.
        """
        return Sampling(max_new_tokens, temperature, top_p, stop_ids, **self.model_dump())


class ExpectationConfig(Section):
    """The expectation step (REST-PG section 3.2): threshold is tau; quantile sets each task's tau from its rewards."""

    iterations: Count = Field(1, description="number of expectation and maximization steps (T)")
    samples: Count = Field(8, description="number of completions sampled for each input (the exploration budget m)")
    temperature: Annotated[float, Field(gt=0)] = Field(0.7, description="sampling temperature of the samples")
    top_p: Annotated[float, Field(gt=0, le=1)] = Field(0.95, description="nucleus of the samples' sampling")
    threshold: Share | None = Field(None, description="smallest reward with which a sample is kept (tau)")
    quantile: Share | None = Field(
        None, description="quantile of the rewards of finished, well-formed samples that is taken as tau"
    )
    quantile_of: Literal["task", "input"] = Field("task", description="whether each task or each input has its own tau")
    max_kept: Count = Field(10, description="largest number of samples of an input that are kept")
    max_repeated: Share = Field(
        1.0, description="largest share of a kept completion's eight-word sequences that repeat earlier ones"
    )
    targets: Share = Field(
        0.0,
        description="share of the inputs whose expected output is trained on beside the model's own samples; with "
        "reasoning, it follows the reasoning of the input's best kept sample",
    )
    weights: Literal["reward", "advantage"] = Field(
        "reward", description="weight of a sample: its reward, or its reward less the mean of its input's samples"
    )
    start_from: Literal["base", "previous"] = Field(
        "base", description="model that each iteration trains: the base model, or that of the iteration before"
    )
    max_zeros: Share = Field(
        0.99,
        description="largest share of the first iteration's samples, of the first hundred or so and of all, that may "
        "have a reward of 0; with more the run stops",
    )

    @model_validator(mode="after")
    def _one_threshold(self) -> Self:
        if (self.threshold is None) == (self.quantile is None):
            raise ValueError("give one of threshold (absolute) and quantile (of the rewards)")
        if self.quantile is None and self.quantile_of == "input":
            raise ValueError("quantile_of: input needs a quantile, found a threshold")
        return self


class RewardConfig(Section):
    """A weighted mixture of rewards, each in 0..1; the weights are normalised to sum to 1."""

    mixture: dict[RewardName, Annotated[float, Field(gt=0)]] = Field(min_length=1, description="weights of the rewards")
    judge: EngineConfig = EngineConfig()
    judge_expectation: bool = Field(
        False, description="whether the judge's reward is the expected score instead of the most probable one"
    )
    judge_max_input_tokens: Count = Field(2048, description="token limit of the judge's prompt")
    encoder: str | None = Field(None, description="encoder of cosine and bertscore; null: the bundled one, for English")
    bertscore_layer: Count = Field(4, description="layer of the encoder whose vectors BERTScore compares")
    words: Literal["auto"] | WordsName = Field(
        "auto",
        description="words that ROUGE and METEOR compare: ascii, as in the packages that define them, for English; "
        "unicode, those of any script; auto: unicode where the outputs need it, chosen when a run is started",
    )

    def with_words(self, texts: Iterable[str]) -> Self:
        """These settings with the words that texts need, in place of `auto`."""
        if self.words != "auto":
            return self
        return self.model_copy(update={"words": words_for(other_letters(texts))})

    @property
    def weights(self) -> dict[str, float]:
        """The mixture's weights, by the rewards' names in tables."""
        return {short_name(name): weight for name, weight in self.mixture.items()}


class EvaluationConfig(Section):
    """How methods are evaluated."""

    split: Literal["val", "test"] = Field("test", description="examples that methods are evaluated on")
    temperature: Annotated[float, Field(ge=0)] = Field(0.1, description="sampling temperature of the texts")
    top_p: Annotated[float, Field(gt=0, le=1)] = Field(0.95, description="nucleus of the texts' sampling")
    texts: Count = Field(
        1, description="number of texts for each input, whose scores are averaged: less variance, more time"
    )
    candidates: Count = Field(1, description="number of candidates for each of these texts, of which one is chosen")
    choose: Literal["consensus", "authorship"] = Field(
        "consensus",
        description="consensus: the candidate with the highest mean reward when the others stand for expected outputs "
        "(minimum Bayes risk); authorship: the one most likely to be by the user",
    )
    metrics: list[RewardName] = Field(
        ["rouge1", "rougeL", "meteor"], description="metrics in the tables, beside the reward"
    )
    reuse_reasoning: bool = Field(
        False,
        description="reuse a user's first reasoning for all of the user's inputs, so that it is written only once",
    )
    shuffled: Share = Field(0, description="share of the examples that get the profile of another user (Figure 5)")

    @property
    def completions(self) -> int:
        """Number of completions for each input."""
        return self.texts * self.candidates


class ThreeAuthorsConfig(Section):
    """Prompts that are written for the same three users, whose styles differ; see `experiments/three_authors.py`."""

    prompts: Count = Field(1, description="number of prompts")
    methods: list[WriterName] | None = Field(
        None, min_length=1, description="names of the run's methods that write; null: all"
    )
    candidates: Count = Field(
        1, description="number of candidates for each prompt and user, of which evaluation.choose takes one"
    )


class DPOSettings(Section):
    """How an agent is trained on its preference pairs by DPO (Rafailov et al., 2023)."""

    beta: Annotated[float, Field(gt=0)] = Field(
        0.1, description="how strongly the agent is held to the model that it was trained from"
    )
    learning_rate: Annotated[float, Field(gt=0)] = Field(5e-5, description="learning rate")
    epochs: Count = Field(1, description="how often all pairs are trained on")
    batch_size: Count = Field(8, description="pairs of an optimizer step")
    lora_rank: Count = Field(16, description="rank of the LoRA adapters that are trained")
    save_every: Count = Field(50, description="steps between the checkpoints from which a killed training resumes")

    def steps(self, pairs: int) -> int:
        """Number of optimizer steps for a number of pairs; an incomplete last batch of an epoch counts as a step."""
        return self.epochs * math.ceil(pairs / self.batch_size)


class StyleSettings(Section):
    """The style model and its training without labels; of PaT's model only GraphSAGE is known, the rest is ours."""

    sentence_vectors: bool = Field(
        True, description="whether sentence embeddings are part of a document's features beside its style features"
    )
    dimension: Count = Field(512, description="dimension of an embedding")
    epochs: Annotated[int, Field(ge=0)] = Field(60, description="how often all documents are trained on")
    learning_rate: Annotated[float, Field(gt=0)] = Field(1e-3, description="learning rate")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.1, description="share of the values that are left out in training"
    )
    without_history: Share = Field(0.25, description="share of the authors who are represented only by their topics")
    temperature: Annotated[float, Field(gt=0)] = Field(0.1, description="temperature of InfoNCE")


class PaTConfig(Section):
    """PaT, for users with little or no history; every setting and its default is our reconstruction."""

    style_agent: EngineConfig | None = Field(None, description="null: the generator's model")
    topic_agent: EngineConfig | None = Field(None, description="null: the generator's model")
    k: Count = Field(4, description="number of documents of each trajectory")
    style: StyleSettings = StyleSettings()
    clusters: Count = Field(50, description="number of topics of documents without items")
    nearest_topics: Count = Field(
        5, description="number of nearest topics that are searched where too few documents are on the topic itself"
    )
    documents: bool = Field(
        False, description="show the generator the summarized documents beside the summaries, as small agents need"
    )
    rounds: Count = Field(2, description="number of summaries by each agent, each with the other agent's last summary")
    max_input_tokens: Count = Field(1024, description="token limit of an agent's prompt")
    max_summary_tokens: Count = Field(96, description="token limit of a summary")
    max_copied_tokens: Count | None = Field(
        None, description="a summary that copies a longer span of the input counts as none, since it adds nothing"
    )
    temperature: Annotated[float, Field(gt=0)] = Field(
        0.7, description="temperature of the summaries that are compared"
    )
    summary_temperature: Annotated[float, Field(ge=0)] = Field(
        0.1, description="temperature of all other summaries, which the generator and the other agent are shown"
    )
    top_p: Annotated[float, Field(gt=0, le=1)] = Field(0.95, description="nucleus of the summaries' sampling")
    iterations: Count = Field(
        1, description="number of iterations; each trains the style agent, then the topic agent, on new pairs"
    )
    examples: Count | None = Field(None, description="number of training examples that agents learn from; null: all")
    samples: Annotated[int, Field(ge=2)] = Field(4, description="number of summaries of an input that are compared")
    texts: Count = Field(
        1, description="number of texts written with each of these; their mean reward is the summary's reward"
    )
    differential: Literal["left out", "previous round"] = Field(
        "left out",
        description="baseline of a summary's reward: the reward without its trajectory, or that of the last round",
    )
    margin: Share = Field(0.02, description="minimum difference of the rewards of a pair's summaries")
    dpo: DPOSettings = DPOSettings()

    @model_validator(mode="after")
    def _round_before(self) -> Self:
        if self.differential == "previous round" and self.rounds == 1:
            raise ValueError("differential: previous round needs rounds of 2 or more")
        return self

    @model_validator(mode="after")
    def _room_for_a_summary(self) -> Self:
        if self.max_summary_tokens >= self.max_input_tokens:
            raise ValueError("pat.max_input_tokens has to hold a summary of pat.max_summary_tokens")
        return self


class ScaleConfig(Section):
    """Where shards are computed: in this process, or by workers on a Ray cluster (docs/scale.md). Results are alike."""

    kind: Literal["local", "ray"] = Field("local", description="local: in this process; the settings below are for ray")
    address: str = Field(
        "auto",
        description="auto: the cluster that this machine is part of; local: a cluster on this machine alone, started "
        "for the run; HOST:PORT: that of the cluster's head",
    )
    workers: Count = Field(2, description="number of workers, each a process with a model of its own")
    threads: Count = Field(1, description="processor threads of a worker")
    gpus: Annotated[float, Field(ge=0)] = Field(0, description="GPUs of a worker")
    deadline: Annotated[float, Field(gt=0)] = Field(
        900, description="seconds after which a shard is taken from its worker, which is ended"
    )
    attempts: Count = Field(3, description="workers that a shard may end or fail on before the run stops")
    mixed: bool = Field(
        False,
        description="accept workers that compute otherwise than the run so far, as on another processor, where texts "
        "differ by rounding; otherwise they are refused",
    )

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.address not in ("auto", "local") and not HOST_AND_PORT.fullmatch(self.address):
            raise ValueError(f"address: found {self.address!r}, expected auto, local or HOST:PORT")
        return self


class Recipe(Section):
    """Every setting that determines a run."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(
        0, description="random seed of the run, from which every other follows"
    )
    methods: list[MethodName] = Field(min_length=1, description="names of the methods that are trained and compared")
    data: list[SourceConfig] = Field(min_length=1, description="sources of the examples")
    limit: LimitConfig = LimitConfig()
    generator: EngineConfig = Field(EngineConfig(), description="the model that writes")
    teacher: EngineConfig = Field(EngineConfig(), description="the model that writes the reasonings to train on")
    retrieval: RetrievalConfig = RetrievalConfig()
    prompt: PromptConfig = PromptConfig()
    reasoning: ReasoningConfig = ReasoningConfig()
    training: TrainingConfig = TrainingConfig()
    expectation: ExpectationConfig = ExpectationConfig(quantile=0.75)
    decoding: DecodingConfig = DecodingConfig()
    reward: RewardConfig
    pat: PaTConfig = PaTConfig()
    tune_generator: bool = Field(
        False, description="fine-tune the generator that the untrained methods share, on the prompts of all of them"
    )
    evaluation: EvaluationConfig = EvaluationConfig()
    three_authors: ThreeAuthorsConfig | None = Field(
        None, description="also write the same prompts for three users, and test whether their styles can be told apart"
    )
    scale: ScaleConfig = ScaleConfig()
    tracking: TrackerName = Field("tensorboard", description="where losses and the stages' metrics are logged too")
    shard_size: Count = Field(
        16,
        description="number of examples in a shard of training's long stages; an evaluation's has generator.batch_size",
    )

    @model_validator(mode="after")
    def _style(self) -> Self:
        reasoning = [name for name, row in self.method_rows.items() if row.reasoning]
        if self.prompt.style == "benchmark" and reasoning:
            raise ValueError(f"prompt.style benchmark has no reasoning, but the method {reasoning[0]} writes it")
        return self

    @model_validator(mode="after")
    def _shuffled(self) -> Self:
        if self.evaluation.shuffled and self.evaluation.reuse_reasoning:
            raise ValueError("evaluation.shuffled gives a user's examples different profiles, so no reuse_reasoning")
        if self.evaluation.shuffled and self.evaluation.split == "val" and self.training.validate_every:
            raise ValueError("training.validate_every chooses models on val, which evaluation.shuffled would change")
        return self

    @model_validator(mode="after")
    def _different_methods(self) -> Self:
        names = [short_name(name) for name in self.methods]
        if len(set(names)) < len(names):
            raise ValueError(f"methods: found {max(names, key=names.count)} twice, expected each method once")
        if "pat-no-documents" in names and not self.pat.documents:
            raise ValueError("pat-no-documents is pat itself where pat.documents is false")
        if "pat-one-round" in names and self.pat.rounds == 1:
            raise ValueError("pat-one-round is pat itself where pat.rounds is 1")
        return self

    @model_validator(mode="after")
    def _different_texts(self) -> Self:
        counts = {
            "evaluation.texts": self.evaluation.texts,
            "evaluation.candidates": self.evaluation.candidates,
            "pat.texts": self.pat.texts,
        }
        for name, count in counts.items():
            if count > 1 and not self.evaluation.temperature:
                raise ValueError(f"{name} of 2 or more are all alike at evaluation.temperature 0")
        return self

    @model_validator(mode="after")
    def _own_generator(self) -> Self:
        trained = [name for name, row in self.method_rows.items() if row.trained]
        if (trained or self.tune_generator) and self.generator.kind == "openai":
            name = trained[0] if trained else "tune_generator"
            raise ValueError(f"{name} writes with a model trained here, which generator.kind openai cannot serve")
        return self

    @model_validator(mode="after")
    def _own_agents(self) -> Self:
        trained = [name for name, row in self.method_rows.items() if row.trains_agents]
        for name in AGENTS:
            if trained and self.agent(name).kind == "openai":
                raise ValueError(f"{trained[0]} trains its {name} agent here, which kind openai cannot serve")
        return self

    @model_validator(mode="after")
    def _different_rewards(self) -> Self:
        rewards = self.rewards_in_use()
        names = [short_name(name) for name in rewards]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(
                f"two rewards are called {twice}: give one another name, as in mine=package.module:{twice}"
            )
        return self

    def extensions(self) -> list[tuple[Extension, str, tuple[str, ...]]]:
        """The extensions that the recipe names: each with its kind and the arguments that it is called with."""
        engines = [config.kind for config in self.engines().values()]
        named = [
            *((name, "reward", ("item",)) for name in self.rewards_in_use()),
            (self.retrieval.retriever, "retriever", ("query", "documents")),
            *((source.format, "format", ("path", "split")) for source in self.data),
            *((kind, "engine", ("config", "on_written")) for kind in engines),
            *((name, "method", ("input", "documents")) for name in self.methods),
        ]
        return [(name, what, called) for name, what, called in named if isinstance(name, Extension)]

    def engines(self) -> dict[str, EngineConfig]:
        """All models and their engines, by dotted name."""
        agents = {"pat.style_agent": self.pat.style_agent, "pat.topic_agent": self.pat.topic_agent}
        named = {"generator": self.generator, "teacher": self.teacher, "reward.judge": self.reward.judge}
        return named | {name: config for name, config in agents.items() if config is not None}

    def engines_in_use(self) -> dict[str, EngineConfig]:
        """Those of `engines` that a run of the recipe works with."""
        rows = self.method_rows.values()
        summarizes = any(row.summaries_of for row in rows)
        asks_teacher = self.reasoning.by_teacher and any(row.reasoning and row.trained for row in rows)
        judges = "judge" in self.rewards_in_use()
        used = {"teacher": asks_teacher, "reward.judge": judges}
        used |= dict.fromkeys(("pat.style_agent", "pat.topic_agent"), summarizes)
        return {name: config for name, config in self.engines().items() if used.get(name, True)}

    def with_endpoints(self, endpoints: Mapping[str, EndpointSetting]) -> Recipe:
        """The recipe with other endpoints of its engines.

        endpoints: by the engines' dotted names.
        """
        recipe = self
        for name, endpoint in endpoints.items():
            recipe = _with(recipe, [*name.split("."), "endpoint"], endpoint)
        return recipe

    def rewards_in_use(self) -> list[str]:
        """The names of all rewards that a run needs: for the mixture, the evaluation and the choice of candidates."""
        choices = self.evaluation.candidates > 1 or self.three_authors is not None
        chosen: list[str] = ["authorship"] if choices and self.evaluation.choose == "authorship" else []
        return list(dict.fromkeys([*self.reward.mixture, *self.evaluation.metrics, *chosen]))

    @property
    def method_rows(self) -> dict[str, Method]:
        """The methods by name, in the order in which a run evaluates them: the built-in ones, then extensions."""
        named = [row_of(name) for name in self.methods]
        built_in = [row for row in METHODS.values() if row in named]
        return {row.name: row for row in [*built_in, *(row for row in named if row.prompt is not None)]}

    @property
    def learns(self) -> bool:
        """Whether a method learns from the train split, or shows texts of its users."""
        return self.tune_generator or any(row.trained or row.shows_others for row in self.method_rows.values())

    def writers(self, methods: Collection[str]) -> list[str]:
        """Those of `methods` that write one prompt for three authors, in the order in which a run evaluates them."""
        if self.three_authors is None:
            return []
        own = [name for name, row in self.method_rows.items() if row.shows == "own" and name in methods]
        named = self.three_authors.methods
        return own if named is None else [name for name in own if name in named]

    def agent(self, name: AgentName) -> EngineConfig:
        """The model and engine of one of PaT's agents."""
        return (self.pat.style_agent if name == "style" else self.pat.topic_agent) or self.generator


SectionType = TypeVar("SectionType", bound=Section)


def _with(section: SectionType, names: Sequence[str], value: object) -> SectionType:
    """A section with another value of the setting that `names` lead to."""
    name, *rest = names
    return section.model_copy(update={name: _with(getattr(section, name), rest, value) if rest else value})
