"""What a recipe will compute, known in advance: stages, samples, tokens, memory and disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psutil

from penname.config import Recipe, Split
from penname.data.sources import load_split
from penname.engines.models import (
    compute_dtype,
    count_parameters,
    length_limit,
    load_config,
    pick_device,
)
from penname.engines.openai import check_server
from penname.errors import UserError
from penname.experiments.prompting import describe_prompting
from penname.experiments.stages import UNKNOWN, Counts, Stage, optimizer_steps, stages_of
from penname.extras import require
from penname.method_table import AGENTS
from penname.rewards.traits import check_traits
from penname.session import stage_names
from penname.session.endpoints import describe_server, tokenizer_of


def format_bytes(count: int) -> str:
    """A number of bytes as text, in MiB or GiB."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**29 else f"{count / 2**20:.1f} MiB"


@dataclass(frozen=True)
class Plan:
    """What a run computes, and the memory and disk that it needs.

    stages: the stages in which a language model writes or is trained, in order.
    parameters: the number of parameters of the generator's model; None if it is not known.
    parameters_from: where that number comes from.
    memory, disk: estimates in bytes; None if the model's size is not known.
    notes: what could not be counted, and why.
    recipe: the recipe.
    """

    stages: list[Stage]
    parameters: int | None
    parameters_from: str
    memory: int | None
    disk: int | None
    notes: list[str]
    recipe: Recipe

    def machines(self, rate: float | None) -> list[str]:
        """Lines on the workers and processes that compute, and on how long they write.

        rate: tokens that a worker writes in a second; None if it is not known.
        """
        scale, training = self.recipe.scale, self.recipe.training
        workers = scale.workers if scale.kind == "ray" else 1
        lines = []
        if scale.kind == "ray":
            needed = f"{workers * scale.threads} threads, {workers * scale.gpus:g} GPUs"
            lines.append(f"workers: {workers}, together {needed}")
        if training.processes * training.nodes > 1:
            machines = f" on each of {training.nodes} machines" if training.nodes > 1 else ""
            lines.append(f"training: {training.processes} processes{machines}, on as many GPUs where there are GPUs")
        lines += [
            describe_server(*engine) for engine in self.recipe.engines_in_use().items() if engine[1].kind == "openai"
        ]
        if rate is not None:
            tokens = [stage.new_tokens for stage in self.stages]
            known = sum(count for count in tokens if count is not None)
            hours = "unknown" if None in tokens else f"at most {known / (rate * workers) / 3600:,.1f} hours"
            lines.append(f"writing: {hours} at {rate:g} tokens/s a worker, without judging and training")
        return lines


def make_plan(recipe: Recipe, known: Counts | None = None) -> Plan:
    """The plan of a recipe.

    recipe: the recipe.
    known: the number of examples in each split, where they are not yet where the recipe's data will be.

    If its data is missing, the plan has no counts, and a note says so.
    """
    notes: list[str] = []
    counts = known or {**UNKNOWN, **{split: _count(recipe, split, notes) for split in _splits(recipe)}}
    stages = [stage for stage in stages_of(recipe, counts) if stage.computes]
    parameters, origin = count_parameters(recipe.generator.model)
    models = sum(stage.trains for stage in stages)
    tuned = any(row.trained for row in recipe.method_rows.values()) or recipe.tune_generator
    adapted = recipe.training.model_copy(update={"lora_rank": recipe.pat.dpo.lora_rank, "batch_size": 2})
    largest = recipe if tuned else recipe.model_copy(update={"training": adapted})  # a preference pair is two sequences
    return Plan(
        stages,
        parameters,
        origin,
        parameters and (training_memory(parameters, largest) if models else 2 * parameters),
        parameters and run_disk(parameters, recipe, counts["train"]),
        notes,
        recipe,
    )


def run_disk(parameters: int, recipe: Recipe, samples: int | None) -> int:
    """An estimate of a run's size on disk, in bytes: its models in float32, and checkpoints with optimizer state.

    parameters: the number of parameters of each model.
    recipe: the recipe of the run.
    samples: the number of samples that methods are fine-tuned on; None if it is not known.
    """
    models = sum(stage.trains for stage in stages_of(recipe))
    tuned = any(row.trained for row in recipe.method_rows.values()) or recipe.tune_generator
    checkpoints = recipe.training.checkpoints(optimizer_steps(recipe, samples) or 0) if tuned else 0
    return (4 * models + 12 * checkpoints) * parameters


def _splits(recipe: Recipe) -> list[Split]:
    """The splits whose examples are counted."""
    val: list[Split] = ["val"] if recipe.training.validate_every else []
    return list(dict.fromkeys(["train", *val, recipe.evaluation.split]))


def training_memory(parameters: int, recipe: Recipe) -> int:
    """An estimate of the memory for training, in bytes: weights, gradients, optimizer state and activations.

    parameters: the number of parameters of the model.
    recipe: the recipe of the run.

    Activations are estimated by a rule of thumb, which is meant to err on the high side: 3.2 MB for each token of a
    micro-batch with a model of 135M parameters, growing with the square root of the model's size, and twice that in
    float32.
    """
    state = {"adamw_torch_fused": 16, "adafactor": 9}[recipe.training.optimizer]
    if recipe.training.lora_rank:
        state = 4
    reasons = any(row.reasoning for row in recipe.method_rows.values())
    sample = recipe.prompt.max_input_tokens + recipe.prompt.completion_tokens(with_reasoning=reasons)
    tokens = min(recipe.training.batch_size * sample, max(recipe.training.micro_batch_tokens, sample))
    a_token = 3.2e6 if compute_dtype() == "bfloat16" else 6.4e6
    kept = 0.15 if recipe.training.gradient_checkpointing else 1.0
    activation = a_token * (parameters / 1.35e8) ** 0.5 * kept
    return round(parameters * state + tokens * activation)


def check_inputs(recipe: Recipe, folder: Path) -> None:
    """Check a run's data and models before anything is computed.

    recipe: the recipe of the run.
    folder: the folder of the run; splits that it has already prepared are not read again.

    Raises UserError for data or a model that is missing or does not fit the recipe.
    """
    check_data(recipe, folder)
    check_engines(recipe)


def check_data(recipe: Recipe, folder: Path) -> None:
    """Check a run's data; arguments and errors are those of `check_inputs`."""
    rows = recipe.method_rows.values()
    trained = [row for row in rows if row.trained]
    splits = [*(["train"] if recipe.learns else []), recipe.evaluation.split]
    if (trained or recipe.tune_generator) and recipe.training.validate_every:
        splits.append("val")
    for split in splits:
        if not (folder / stage_names.data(split) / "stage.json").is_file():
            examples = load_split(recipe.data, split, None, recipe.seed)
            if "traits" in recipe.rewards_in_use() and len(examples):
                check_traits(examples[0].output or "")


def _check_extras(recipe: Recipe) -> None:
    """Raise UserError where a package is not installed that the run would need, some only hours after its start."""
    rows = recipe.method_rows.values()
    if recipe.tune_generator or any(row.trained or row.trains_agents for row in rows):
        require("train", "training")
    if any(row.shows_others for row in rows):
        require("graph", "a method that shows other users' documents")
    if recipe.scale.kind == "ray":
        require("ray", "scale.kind ray")
    for engine in recipe.engines_in_use().values():
        if engine.kind in ("vllm", "openai"):
            require(engine.kind, f"engine kind {engine.kind}")


def check_engines(recipe: Recipe) -> None:
    """Check a recipe's models, and the packages that they need. Raises UserError as `check_inputs` does."""
    rows = recipe.method_rows.values()
    agents = [recipe.agent(agent) for agent in AGENTS] if any(row.summaries_of for row in rows) else []
    _check_extras(recipe)
    for name, engine in recipe.engines_in_use().items():
        if engine.kind == "openai":
            check_server(engine.server, recipe.decoding.sampling(1, 0.0, 1.0, ()))
        if not engine.asks_for_endpoint:
            tokenizer = tokenizer_of(name, engine)
            if engine.endpoint != "chat":
                describe_prompting(name, engine, tokenizer)
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
        raise UserError(f"{names}: found {needed} together, expected at most {limit}, the context length of {model}")


def check_room(plan: Plan, folder: Path) -> None:
    """Raise UserError if this machine lacks the memory or the disk that a plan needs.

    plan: the plan of the run.
    folder: the folder of the run; what it already takes up is not needed again.
    """
    if plan.memory is not None and pick_device() == "cpu":
        available = psutil.virtual_memory().available
        if plan.memory > available:
            raise UserError(
                f"not enough memory: found {format_bytes(available)} available, expected about "
                f"{format_bytes(plan.memory)}; lower training.micro_batch_tokens or prompt.max_input_tokens, set "
                "training.lora_rank, or take a smaller model"
            )
    parent = next(p for p in [folder, *folder.absolute().parents] if p.exists())
    free = psutil.disk_usage(str(parent)).free
    used = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) if folder.exists() else 0
    if plan.disk is not None and plan.disk - used > free:
        raise UserError(
            f"not enough disk for {folder}: found {format_bytes(free)} free, expected about "
            f"{format_bytes(plan.disk - used)}; free some or choose another folder"
        )


def _count(recipe: Recipe, split: Split, notes: list[str]) -> int | None:
    try:
        return len(load_split(recipe.data, split, getattr(recipe.limit, split), recipe.seed))
    except UserError as error:
        notes.append(f"{split} examples not counted: {error}")
        return None
