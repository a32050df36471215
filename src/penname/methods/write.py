"""Writing for a user who was never in training, with a model and the user's own documents."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penname.config import METHODS, PromptConfig, RetrievalConfig
from penname.data.jsonl import load_profile
from penname.data.records import Example
from penname.engines.base import Sampling
from penname.engines.local import LocalEngine
from penname.engines.models import load_tokenizer
from penname.engines.sampling import sample_seed
from penname.errors import DataError, UserError
from penname.methods.pipeline import model_folder
from penname.methods.run_recipe import load_run_recipe
from penname.methods.self_training import PROMPT_FILE
from penname.methods.write_pat import Request, can_write, write_by_pat
from penname.prompts.completion import compose, parse
from penname.prompts.render import PromptFormat, Renderer
from penname.prompts.templates import generator_template, template_hash
from penname.retrieval.retrieve import make_retriever, retrieve
from penname.runs.store import read_json, write_text

TEMPERATURE, TOP_P = 0.1, 0.95
"""Inference settings of the REST-PG paper (Appendix B); the paper gives no p, 0.95 is ours."""


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
) -> Written:
    """One response to `prompt`.

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
        return _write_by_pat(Path(model), profile, Request(prompt, documents, query, item, seed), notes)
    if item is not None:
        raise UserError("--item is for the method pat of a run")
    tokenizer = load_tokenizer(folder)
    facts = _prompt_facts(Path(folder), "chat" if tokenizer.chat_template else "plain")
    settings = PromptConfig.model_validate(facts["prompt"])
    retrieval = RetrievalConfig.model_validate(facts["retrieval"])
    if settings.style == "benchmark":
        raise UserError(f"--model {model}: trained on a benchmark's own prompts, which only its records can fill in")
    with_reasoning = bool(facts["with_reasoning"])
    renderer = Renderer(tokenizer, facts["format"], settings.max_input_tokens)
    example = Example("prompt", "user", "generate", prompt, profile=tuple(documents), query=query)
    retriever = make_retriever(retrieval.retriever, retrieval.encoder, seed, retrieval.tokens)
    context = [document.text for document in retrieve(example, retriever, retrieval.k)]
    rendered = renderer.render(generator_template(with_reasoning=with_reasoning), context, input=prompt)
    kept = _kept_reasoning(reasoning_file, with_reasoning)
    begun = renderer.beginning(compose(kept, "")) if kept is not None else []
    sampling = Sampling(settings.max_output_tokens, TEMPERATURE, TOP_P, (renderer.end_id,))
    seeds = [[sample_seed(seed, 0, "prompt", 0)]]
    generated = LocalEngine(folder).generate([rendered.tokens + begun], seeds, sampling)[0][0]
    text = renderer.text(generated.tokens)
    text = text if kept is None else compose(kept, text)
    parts = parse(text, with_reasoning=with_reasoning)
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


def _prompt_facts(folder: Path, untrained_format: PromptFormat) -> dict[str, Any]:
    """How the model must be prompted: as it was trained, or by the recipes' defaults where it was not."""
    if not (folder / PROMPT_FILE).is_file():
        return {"with_reasoning": False, "format": untrained_format, "prompt": {}, "retrieval": {}}
    facts = read_json(folder / PROMPT_FILE)
    for name, expected in facts["templates"].items():
        if template_hash(name) != expected:
            raise UserError(
                f"{folder}: trained on another text of template {name} ({expected}, here {template_hash(name)}); "
                "train again or use the version it was trained with"
            )
    return facts
