"""Writing for a user who was never in training, with a trained model and the user's own documents."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from penname.config import METHODS, PromptConfig, RetrievalConfig
from penname.data.jsonl import load_profile
from penname.data.records import Example
from penname.engines.base import Sampling
from penname.engines.local import LocalEngine
from penname.engines.models import load_tokenizer
from penname.engines.sampling import sample_seed
from penname.errors import DataError, UserError
from penname.methods.pipeline import load_run_recipe, model_folder
from penname.methods.self_training import PROMPT_FILE
from penname.prompts.completion import parse
from penname.prompts.render import Renderer
from penname.prompts.templates import template_hash
from penname.retrieval.retrieve import make_retriever, retrieve

TEMPERATURE, TOP_P = 0.1, 0.95
"""Inference settings of the REST-PG paper (Appendix B); the paper gives no p, 0.95 is ours."""


@dataclass(frozen=True)
class Written:
    response: str
    reasoning: str | None
    notes: list[str]


def write_for(model: Path, profile: Path, prompt: str, method: str | None, seed: int) -> Written:
    """One response to `prompt`.

    Raises UserError where the model or the profile is not there, or the model was trained on other templates.
    """
    if not prompt.strip():
        raise UserError("--prompt: found empty text, expected what to write")
    if not profile.exists():
        raise DataError(profile, found="no such file or folder", expected="the user's documents")
    documents = load_profile(profile)
    folder = trained_model(model, method)
    facts = json.loads((folder / PROMPT_FILE).read_text(encoding="utf-8"))
    for name, expected in facts["templates"].items():
        if template_hash(name) != expected:
            raise UserError(
                f"{folder}: trained on another text of template {name} ({expected}, here {template_hash(name)}); "
                "train again or use the version it was trained with"
            )
    settings = PromptConfig.model_validate(facts["prompt"])
    retrieval = RetrievalConfig.model_validate(facts["retrieval"])
    renderer = Renderer(load_tokenizer(str(folder)), facts["format"], settings.max_input_tokens)
    example = Example("prompt", "user", "generate", prompt, profile=tuple(documents))
    retriever = make_retriever(retrieval.retriever, retrieval.encoder, seed)
    context = [document.text for document in retrieve(example, retriever, retrieval.k)]
    with_reasoning = bool(facts["with_reasoning"])
    name = "figure8_input" if with_reasoning else "no_reasoning_input"
    rendered = renderer.render(name, context, input=prompt)  # type: ignore[arg-type]
    sampling = Sampling(settings.max_output_tokens, TEMPERATURE, TOP_P, (renderer.end_id,))
    seeds = [[sample_seed(seed, 0, "prompt", 0)]]
    generated = LocalEngine(str(folder)).generate([rendered.tokens], seeds, sampling)[0][0]
    text = renderer.text(generated.tokens)
    parts = parse(text, with_reasoning=with_reasoning)
    notes = []
    if not documents:
        notes.append(f"the profile {profile} is empty: the response is not personalized")
    if rendered.shortened:
        notes.append(f"{rendered.shortened} documents were shortened to fit {settings.max_input_tokens} tokens")
    if generated.finish_reason == "length":
        notes.append(f"the text ran into the limit of {settings.max_output_tokens} tokens")
    if parts.response is None:
        notes.append("the completion is malformed (no final answer after the reasoning); shown as it is")
    return Written(parts.response or text.strip(), parts.reasoning, notes)


def trained_model(model: Path, method: str | None) -> Path:
    """The model's folder: `model` itself, or that of a run's `method` (its last one if left out)."""
    if (model / PROMPT_FILE).is_file():
        return model
    if not (model / "recipe.yaml").is_file():
        raise UserError(f"--model {model}: found neither a run nor a model trained by penname")
    recipe = load_run_recipe(model)
    folders = {m: model_folder(model, m, recipe.expectation.iterations) for m in METHODS if m in recipe.methods}
    trained = [m for m, folder in folders.items() if (folder / PROMPT_FILE).is_file()]
    if not trained:
        raise UserError(f"--model {model}: no method of this run is trained yet")
    chosen = method or trained[-1]
    if chosen not in trained:
        raise UserError(f"--method: found {chosen!r}, expected one of {', '.join(trained)}")
    return next(folder for m, folder in folders.items() if m == chosen)
