"""Writing for a user who was never in training, with a model and the user's own documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from penname.config import METHODS, DecodingConfig, EvaluationConfig, PromptConfig, RetrievalConfig, RewardConfig
from penname.data.jsonl import load_profile
from penname.data.records import Document, Example
from penname.engines.local import LocalEngine
from penname.engines.models import load_tokenizer
from penname.engines.sampling import sample_seed
from penname.engines.tokenizer import load_reader
from penname.errors import DataError, UserError
from penname.methods.authors import MODEL_FILE
from penname.methods.choice import choose
from penname.methods.pipeline import model_folder
from penname.methods.run_recipe import load_run_recipe
from penname.methods.self_training import PROMPT_FILE
from penname.methods.workbench import make_engine
from penname.methods.write_pat import Request, can_write, write_by_pat
from penname.prompts.completion import compose, parse
from penname.prompts.render import PromptFormat, Renderer
from penname.prompts.templates import generator_template, template_hash
from penname.retrieval.retrieve import make_retriever, retrieve
from penname.rewards.authorship import AuthorshipModel, chosen_documents
from penname.rewards.judge import Judge
from penname.rewards.mixture import AUTHORSHIP, RewardInput, make_rewards, mixed
from penname.runs.store import Record, read_json, write_text

OVERLAP = {"rouge1": 1, "rougeL": 1, "meteor": 1}
"""What candidates are compared by where the model's own reward is not known."""


@dataclass(frozen=True)
class Written:
    response: str
    reasoning: str | None
    notes: list[str]


def write_for(
    model: str,
    profile: Path | None,
    prompt: str,
    method: str | None,
    seed: int,
    reasoning_file: Path | None = None,
    query: str | None = None,
    item: str | None = None,
    candidates: int | None = None,
) -> Written:
    """One response to `prompt`, at the temperature and with the decoding that its model was evaluated with.

    candidates: so many are written, of which the consensus is taken; what its recipe says if left out.
    reasoning_file: keeps the reasoning, and gives it where it was kept before, so that it is written once for a user.
    model: the folder of a run or of a model that penname trained; else a model as it is, `bundled`, a folder or a
    hub id, prompted without reasoning. query: what documents are found by, the prompt if left out. item: as
    `write_by_pat` takes it, for a run's method `pat`. Raises UserError where the model or the profile is not there, or
    the model was trained on other templates.
    """
    for option, text in (("--prompt", prompt), ("--query", query)):
        if text is not None and (not text.strip() or text != text.encode(errors="replace").decode()):
            raise UserError(f"{option}: found no text in UTF-8, expected some")
    if profile is not None and not profile.exists():
        raise DataError(profile, found="no such file or folder", expected="the user's documents")
    documents = [] if profile is None else load_profile(profile)
    folder, notes = _locate(model, method)
    if folder is None:
        if reasoning_file is not None:
            raise UserError("--reuse-reasoning: the method pat writes its summaries anew for each prompt")
        return _write_by_pat(Path(model), profile, Request(prompt, documents, query, item, seed, candidates), notes)
    if item is not None:
        raise UserError("--item is for the method pat of a run")
    return _write_by_model(folder, profile, documents, prompt, seed, reasoning_file, query, candidates, notes)


def _write_by_model(
    folder: str,
    profile: Path | None,
    documents: Sequence[Document],
    prompt: str,
    seed: int,
    reasoning_file: Path | None,
    query: str | None,
    candidates: int | None,
    notes: list[str],
) -> Written:
    tokenizer = load_reader(folder)
    facts = _prompt_facts(Path(folder), "chat" if tokenizer.chat_template else "plain")
    settings = facts.prompt
    if settings.style == "benchmark":
        raise UserError(f"--model {folder}: trained on a benchmark's own prompts, which only its records can fill in")
    renderer = Renderer(tokenizer, facts.format, settings.max_input_tokens)
    example = Example("prompt", "user", "generate", prompt, profile=tuple(documents), query=query)
    retriever = make_retriever(facts.retrieval.retriever, facts.retrieval.encoder, seed, facts.retrieval.tokens)
    context = [document.text for document in retrieve(example, retriever, facts.retrieval.k)]
    rendered = renderer.render(generator_template(with_reasoning=facts.with_reasoning), context, input=prompt)
    kept = _kept_reasoning(reasoning_file, facts.with_reasoning)
    begun = renderer.beginning(compose(kept, "")) if kept is not None else []
    evaluation = facts.evaluation
    sampling = facts.decoding.sampling(
        settings.max_output_tokens, evaluation.temperature, evaluation.top_p, renderer.end_id
    )
    seeds = [sample_seed(seed, 0, "prompt", number) for number in range(candidates or evaluation.candidates)]
    written = LocalEngine(folder, rows=len(seeds)).generate([rendered.tokens + begun], [seeds], sampling)[0]
    texts = [renderer.text(generated.tokens) for generated in written]
    texts = texts if kept is None else [compose(kept, text) for text in texts]
    every = [parse(text, with_reasoning=facts.with_reasoning) for text in texts]
    own = chosen_documents([document.text for document in documents], "user", seed)
    items = [None if parts.response is None else RewardInput(prompt, "", parts.response, tuple(own)) for parts in every]
    chosen = _choose(items, facts, Path(folder))
    generated, text, parts = written[chosen], texts[chosen], every[chosen]
    if not documents:
        empty = "there is no profile" if profile is None else f"the profile {profile} is empty"
        notes.append(f"{empty}: the response is not personalized")
    if rendered.shortened:
        notes.append(f"{rendered.shortened} documents were shortened to fit {settings.max_input_tokens} tokens")
    if generated.finish_reason == "length":
        notes.append(f"the text ran into the limit of {settings.max_output_tokens} tokens")
    if parts.response is None:
        notes.append("the completion is malformed (no final answer after the reasoning); shown as it is")
    if reasoning_file is not None and kept is None and parts.response and parts.reasoning:
        write_text(reasoning_file, parts.reasoning + "\n")
    return Written(parts.response or text.strip(), parts.reasoning, notes)


def _choose(candidates: Sequence[RewardInput | None], facts: _PromptFacts, folder: Path) -> int:
    """The index of the candidate to show, chosen as the model's recipe says."""
    if len(candidates) == 1:
        return 0
    reward = facts.reward

    def judge() -> Judge:
        config = reward.judge
        renderer = Renderer(load_tokenizer(config.model), config.format, reward.judge_max_input_tokens)
        return Judge(make_engine(config, lambda tokens, completions: None), renderer, reward.judge_expectation)

    def authorship() -> AuthorshipModel:
        return AuthorshipModel.load(folder / MODEL_FILE)

    rewards = make_rewards(reward.weights, reward, judge, authorship)
    by_author = make_rewards([AUTHORSHIP], reward, judge, authorship)[AUTHORSHIP]

    def mixture(items: Sequence[RewardInput]) -> list[float | None]:
        return [values["reward"] for values in mixed(reward.weights, rewards, items)]

    return choose([candidates], facts.evaluation.choose, mixture, by_author)[0]


def _write_by_pat(run: Path, profile: Path | None, request: Request, notes: list[str]) -> Written:
    recipe = load_run_recipe(run)
    written = write_by_pat(run, recipe, request)
    found = ", ".join(f"{count} {level}" for level, count in written.levels.items())
    notes.append(f"topic documents by level: {found}")
    if request.item is not None and not written.levels["topic"]:
        notes.append(f"--item {request.item}: nobody has written on it")
    if profile is not None and not request.documents:
        notes.append(f"the profile {profile} is empty: written as for a new user")
    if written.record["documents_shortened"]:
        shortened = written.record["documents_shortened"]
        notes.append(f"{shortened} documents were shortened to fit {recipe.prompt.max_input_tokens} tokens")
    if written.record["finish_reason"] == "length":
        notes.append(f"the text ran into the limit of {recipe.prompt.max_output_tokens} tokens")
    if written.record["response"] is None:
        notes.append("the model wrote nothing")
    return Written(written.record["response"] or "", f"Style: {written.style}\nTopic: {written.topic}", notes)


def _kept_reasoning(path: Path | None, with_reasoning: bool) -> str | None:
    if path is None:
        return None
    if not with_reasoning:
        raise UserError(f"--reuse-reasoning {path}: this model was not trained to reason")
    try:
        kept = path.read_text(encoding="utf-8").strip() if path.exists() else None
    except UnicodeDecodeError:
        raise DataError(path, found="bytes that are not UTF-8", expected="a reasoning kept before") from None
    if kept == "":
        raise DataError(path, found="nothing", expected="a reasoning kept before, or no file")
    return kept


def _locate(model: str, method: str | None) -> tuple[str | None, list[str]]:
    """What to load for `model`, and what to tell the user of it: a run's `method`, or its last one if left out.

    For a run's method `pat`, which is more than a model, None.
    """
    folder = Path(model)
    if not (folder / "recipe.yaml").is_file():
        if method is not None:
            raise UserError(f"--method {method}: --model {model} is no run, and only a run has methods to choose from")
        trained_here = (folder / PROMPT_FILE).is_file()
        return model, [] if trained_here else [f"{model} was not trained by penname: written as by the method rag"]
    recipe = load_run_recipe(folder)
    folders = {m: model_folder(folder, m, recipe.expectation.iterations) for m in METHODS if m in recipe.methods}
    trained: dict[str, str | None] = {"pat": None} if can_write(folder, recipe) else {}
    trained |= {m: str(folder) for m, folder in folders.items() if (folder / PROMPT_FILE).is_file()}
    if not trained:
        raise UserError(f"--model {model}: no method of this run is trained yet")
    if method is None:
        chosen = list(trained)[-1]
        return trained[chosen], [f"written by the run's method {chosen}"] if len(trained) > 1 else []
    if method not in trained:
        raise UserError(f"--method: found {method!r}, expected one of {', '.join(trained)}")
    return trained[method], []


@dataclass(frozen=True)
class _PromptFacts:
    """How a model must be prompted and how it writes: what `PROMPT_FILE` holds, or defaults for other models."""

    with_reasoning: bool
    format: PromptFormat
    prompt: PromptConfig
    retrieval: RetrievalConfig
    decoding: DecodingConfig
    evaluation: EvaluationConfig
    reward: RewardConfig


def _prompt_facts(folder: Path, untrained_format: PromptFormat) -> _PromptFacts:
    """How the model must be prompted: as it was trained, or by the recipes' defaults where it was not."""
    facts: Record = {"with_reasoning": False, "format": untrained_format, "decoding": {"no_repeat_ngram": 6}}
    if (folder / PROMPT_FILE).is_file():
        facts = read_json(folder / PROMPT_FILE)
        for name, expected in facts["templates"].items():
            if template_hash(name) != expected:
                raise UserError(
                    f"{folder}: trained on another text of template {name} ({expected}, here {template_hash(name)}); "
                    "train again or use the version it was trained with"
                )
    return _PromptFacts(
        bool(facts["with_reasoning"]),
        facts["format"],
        PromptConfig.model_validate(facts.get("prompt", {})),
        RetrievalConfig.model_validate(facts.get("retrieval", {})),
        # What follows models trained by earlier versions lack.
        DecodingConfig.model_validate(facts.get("decoding", {})),
        EvaluationConfig.model_validate(facts.get("evaluation", {})),
        RewardConfig.model_validate(facts.get("reward", {"mixture": OVERLAP})),
    )
