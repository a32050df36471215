"""What a recipe will do, before it does it: stages, samples, tokens, memory and disk."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil

from penname.config import Recipe
from penname.data.sources import load_split
from penname.engines.models import arithmetic, count_parameters, length_limit, load_config, load_tokenizer, pick_device
from penname.engines.openai import check_server
from penname.errors import UserError
from penname.experiments.shared_prompts import AUTHORS
from penname.method_table import AGENTS
from penname.rewards.traits import check_traits


def size(count: int) -> str:
    """Bytes, to be read."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**29 else f"{count / 2**20:.1f} MiB"


@dataclass(frozen=True)
class Step:
    stage: str
    examples: int | None
    samples: int | None
    new_tokens: int | None
    optimizer_steps: int | None


@dataclass(frozen=True)
class Plan:
    """Token counts are upper bounds; sizes are in bytes, None where the model's size is not known."""

    steps: list[Step]
    parameters: int | None
    parameters_from: str
    memory: int | None
    disk: int | None
    notes: list[str]


def make_plan(recipe: Recipe) -> Plan:
    """The plan of `recipe`; data that is not there is noted and its counts left out."""
    notes: list[str] = []
    train = _count(recipe, "train", notes)
    test = _count(recipe, recipe.evaluation.split, notes)
    out = recipe.prompt.max_output_tokens
    iterations = recipe.expectation.iterations
    trained = [row for row in recipe.rows.values() if row.trained]
    reasoning = any(row.reasoning for row in trained)
    plain = any(not row.reasoning for row in trained)
    steps: list[Step] = []
    if reasoning and recipe.reasoning.by_teacher:
        tries = train and train * recipe.reasoning.attempts
        steps.append(Step("reasoning", train, tries, tries and tries * recipe.reasoning.max_new_tokens, None))
    for name, wanted in (("sft", plain), ("sft-reasoning", reasoning)):
        if wanted:
            steps.append(Step(f"{name}/training", train, None, None, _optimizer_steps(recipe, train)))
    for method in (row.name for row in trained if row.self_trained):
        for iteration in range(1, iterations + 1):
            drawn = train and train * recipe.expectation.samples
            steps.append(Step(f"{method}/iteration-{iteration}/samples", train, drawn, drawn and drawn * out, None))
            most = train and train * min(recipe.expectation.max_kept, recipe.expectation.samples)
            if train and most and recipe.expectation.quantile is not None and drawn:
                groups = train if recipe.expectation.quantile_of == "input" else len(recipe.data)
                most = min(most, round(drawn * (1 - recipe.expectation.quantile)) + groups)
            if train and most:
                most += round(train * recipe.expectation.targets)
            steps.append(
                Step(
                    f"{method}/iteration-{iteration}/training",
                    most,
                    None,
                    None,
                    _optimizer_steps(recipe, most),
                )
            )
    steps += _pat_steps(recipe, train, test)
    texts = test and test * recipe.evaluation.completions
    steps += [
        Step(f"evaluation/{recipe.evaluation.split}/{m}", test, texts, texts and texts * out, None) for m in recipe.rows
    ]
    steps += _three_authors_steps(recipe)
    parameters, origin = count_parameters(recipe.generator.model)
    trains = trained or recipe.tune_generator
    adapted = recipe.training.model_copy(update={"lora_rank": recipe.pat.dpo.lora_rank, "batch_size": 2})
    largest = recipe if trains else recipe.model_copy(update={"training": adapted})  # a pair is two samples
    return Plan(
        steps,
        parameters,
        origin,
        parameters and training_memory(parameters, largest)
        if trains or _dpo_runs(recipe)
        else parameters and 2 * parameters,
        parameters and run_disk(parameters, recipe, train),
        notes,
    )


def _three_authors_steps(recipe: Recipe) -> list[Step]:
    settings, split = recipe.three_authors, recipe.evaluation.split
    if settings is None:
        return []
    cases = AUTHORS * settings.prompts
    texts = cases * settings.candidates
    written = texts * recipe.prompt.max_output_tokens
    return [Step(f"three-authors/{split}/{m}", cases, texts, written, None) for m in recipe.writers(recipe.rows)]


def _dpo_runs(recipe: Recipe) -> list[str]:
    """The methods that train agents of their own; the others of them have those of `pat`."""
    return list(dict.fromkeys(row.agents_of or "" for row in recipe.rows.values() if row.trains_agents))


def _pat_steps(recipe: Recipe, train: int | None, test: int | None) -> list[Step]:
    steps = []
    if recipe.tune_generator:
        steps.append(Step("generator/training", train, None, None, _optimizer_steps(recipe, train)))
    settings = recipe.pat
    asked = train and min(train, settings.examples or train)

    def summaries(stage: str, examples: int | None) -> Step:
        count = examples and examples * 2 * settings.rounds
        return Step(stage, examples, count, count and count * settings.max_summary_tokens, None)

    if recipe.tune_generator and any(row.summaries_of for row in recipe.rows.values()):
        steps.insert(0, summaries("generator/summaries", train))
    if _dpo_runs(recipe):
        steps.append(summaries("pat/summaries/untrained", asked))
    for method in _dpo_runs(recipe):
        for iteration in range(1, settings.iterations + 1):
            for agent in ("style", "topic"):
                stage = f"{method}/iteration-{iteration}/{agent}"
                if (iteration, agent) != (1, "style"):
                    steps.append(summaries(f"{stage}/summaries", asked))
                drawn = asked and asked * settings.samples
                most = asked and settings.dpo.steps(asked)
                words = drawn and drawn * settings.max_summary_tokens
                texts = asked and asked * (settings.samples + 1) * settings.texts
                written = texts and texts * recipe.prompt.max_output_tokens
                steps.append(Step(f"{stage}/candidates", asked, drawn, words, None))
                steps.append(Step(f"{stage}/rewards", asked, texts, written, None))
                steps.append(Step(f"{stage}/training", asked, None, None, most))
    for method in dict.fromkeys(row.summaries_of for row in recipe.rows.values() if row.summaries_of):
        steps.append(summaries(f"{method}/summaries/{recipe.evaluation.split}", test))
    return steps


def run_disk(parameters: int, recipe: Recipe, samples: int | None) -> int:
    """Bytes of a run: each model in float32, and while training the resumable checkpoints with their optimizer state.

    samples: how many the methods are fine-tuned on; None where that is not known.
    """
    trained = [row for row in recipe.rows.values() if row.trained]
    models = len({row.reasoning for row in trained}) + recipe.expectation.iterations * sum(
        row.self_trained for row in trained
    )
    models += int(recipe.tune_generator) + 2 * recipe.pat.iterations * len(_dpo_runs(recipe))
    kept = _checkpoints(recipe, samples) if trained or recipe.tune_generator else 0
    return (4 * models + 12 * kept) * parameters


def _checkpoints(recipe: Recipe, samples: int | None) -> int:
    """How many checkpoints a training keeps at once: two, or all where the best of them is taken."""
    steps = _optimizer_steps(recipe, samples)
    if recipe.training.validate_every is None or steps is None:
        return 2
    return steps // recipe.training.validate_every


def _optimizer_steps(recipe: Recipe, samples: int | None) -> int | None:
    known = samples is not None or recipe.training.max_steps is not None
    return recipe.training.steps(samples or 0) if known else None


def training_memory(parameters: int, recipe: Recipe) -> int:
    """Bytes that full fine-tuning takes: weights, gradients and optimizer state in float32, and activations.

    Activations are a rule of thumb meant to err on the high side: 3.2 MB a token of a micro-batch for a model of
    135M parameters, growing with the square root of the model's size, and twice that in float32.
    """
    state = {"adamw_torch_fused": 16, "adafactor": 9}[recipe.training.optimizer]
    if recipe.training.lora_rank:
        state = 4
    reasons = any(row.reasoning for row in recipe.rows.values())
    sample = recipe.prompt.max_input_tokens + recipe.prompt.completion_tokens(with_reasoning=reasons)
    tokens = min(recipe.training.batch_size * sample, max(recipe.training.micro_batch_tokens, sample))
    a_token = 3.2e6 if arithmetic() == "bfloat16" else 6.4e6
    kept = 0.15 if recipe.training.gradient_checkpointing else 1.0
    activation = a_token * (parameters / 1.35e8) ** 0.5 * kept
    return round(parameters * state + tokens * activation)


def check_inputs(recipe: Recipe, folder: Path) -> None:
    """Raise UserError for data or a model that is not there or not right, before anything is computed."""
    rows = recipe.rows.values()
    trained = [row for row in rows if row.trained]
    learns = trained or recipe.tune_generator or any(row.shows_others for row in rows)
    splits = [*(["train"] if learns else []), recipe.evaluation.split]
    if (trained or recipe.tune_generator) and recipe.training.validate_every:
        splits.append("val")
    for split in splits:
        if not (folder / "data" / split / "stage.json").is_file():
            examples = load_split(recipe.data, split, None, recipe.seed)
            if "traits" in recipe.rewards_in_use() and len(examples):
                check_traits(examples[0].output or "")
    agents = [recipe.agent(agent) for agent in AGENTS] if any(row.summaries_of for row in rows) else []
    engines = [recipe.generator, *agents]
    if any(row.reasoning for row in trained) and recipe.reasoning.by_teacher:
        engines.append(recipe.teacher)
    if "judge" in [*recipe.reward.mixture, *recipe.evaluation.metrics]:
        engines.append(recipe.reward.judge)
    for engine in engines:
        if engine.kind in ("vllm", "openai") and find_spec(engine.kind) is None:
            raise UserError(f"engine kind {engine.kind}: not installed; pip install 'penname[{engine.kind}]'")
        if engine.kind == "openai":
            check_server(engine.server, recipe.decoding.sampling(1, 0.0, 1.0, 0))
        load_tokenizer(engine.model)
        if engine.kind != "openai":
            limit = length_limit(load_config(engine.model))
            prompt, pat = recipe.prompt, recipe.pat
            if engine is recipe.generator:
                lengths = {"max_input_tokens": prompt.max_input_tokens, "max_output_tokens": prompt.max_output_tokens}
                if any(row.reasoning for row in rows):
                    lengths["max_reasoning_tokens"] = prompt.max_reasoning_tokens
                _check_lengths("prompt", lengths, limit, engine.model)
            if engine in agents:
                lengths = {"max_input_tokens": pat.max_input_tokens, "max_summary_tokens": pat.max_summary_tokens}
                _check_lengths("pat", lengths, limit, engine.model)


def _check_lengths(section: str, lengths: dict[str, int], limit: int | None, model: str) -> None:
    needed = sum(lengths.values())
    if limit is not None and needed > limit:
        names = " and ".join(f"{section}.{name}" for name in lengths)
        raise UserError(f"{names}: found {needed} together, expected at most {limit}, which is what {model} takes")


def check_room(plan: Plan, folder: Path) -> None:
    """Raise UserError where this machine has not the memory or the disk that the plan needs."""
    if plan.memory is not None and pick_device() == "cpu":
        available = psutil.virtual_memory().available
        if plan.memory > available:
            raise UserError(
                f"not enough memory: found {size(available)} available, expected about "
                f"{size(plan.memory)}; lower training.micro_batch_tokens or prompt.max_input_tokens, set "
                "training.lora_rank, or take a smaller model"
            )
    parent = next(p for p in [folder, *folder.absolute().parents] if p.exists())
    free = psutil.disk_usage(str(parent)).free
    used = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) if folder.exists() else 0
    if plan.disk is not None and plan.disk - used > free:
        raise UserError(
            f"not enough disk for {folder}: found {size(free)} free, expected about "
            f"{size(plan.disk - used)}; free some or choose another folder"
        )


def _count(recipe: Recipe, split: str, notes: list[str]) -> int | None:
    try:
        return len(load_split(recipe.data, split, getattr(recipe.limit, split), recipe.seed))
    except UserError as error:
        notes.append(f"{split} examples not counted: {error}")
        return None
