"""REST-PG's Algorithm 1, and with it three more methods: one loop, with or without reasoning, T times or none.

| method | reasoning | iterations |
|---|---|---|
| sft | no | 0 |
| sft-reasoning | yes | 0 |
| rest-em | no | T |
| rest-pg | yes | T |
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from penname.engines.models import locate_model
from penname.errors import UserError
from penname.method_table import METHODS
from penname.methods.authors import MODEL_FILE
from penname.methods.evaluate import mean_reward
from penname.methods.reasoning import TeacherInput, write_reasoning
from penname.methods.selection import EXPECTED_OUTPUT, select, weigh
from penname.methods.workbench import Prepared, Workbench
from penname.prompts.completion import compose, without_phrases
from penname.prompts.templates import TemplateName, benchmark_template, template_hash
from penname.rewards.mixture import AUTHORSHIP
from penname.runs.store import Record, read_stage, write_records, write_text
from penname.training.packing import TrainingSample

PROMPT_FILE = "penname.json"


def self_train(bench: Workbench, *, with_reasoning: bool, iterations: int) -> Path:
    """The model after supervised fine-tuning and `iterations` rounds of expectation and maximization."""
    (method,) = (row for row in METHODS.values() if row.self_trained and row.reasoning == with_reasoning)
    train = bench.prepare_fitting("train")
    targets = reasoning_targets(bench, train) if with_reasoning else {e.example_id: e.output for e in train}
    base = locate_model(bench.recipe.generator.model)
    model = train_stage(
        bench,
        method.starts_from or "",
        base,
        partial(supervised_samples, bench, train, targets, with_reasoning),
        with_reasoning,
    )
    for iteration in range(1, iterations + 1):
        stage = f"{method.name}/iteration-{iteration}"
        kept = expectation(bench, stage, model, train, iteration, with_reasoning)
        start = base if bench.recipe.expectation.start_from == "base" else str(model)
        model = train_stage(
            bench, stage, start, partial(kept_samples, bench, train, kept, with_reasoning), with_reasoning
        )
    return model


def reasoning_targets(bench: Workbench, train: Sequence[Prepared]) -> dict[str, str]:
    """Reasoning and expected output in Figure 8's template, for the inputs that have a reasoning."""
    settings = bench.recipe.reasoning
    if settings.by_teacher:
        texts = reasonings_of_teacher(bench, train)
    elif settings.source == "data":
        texts = reasonings_of_data(train)
    else:
        texts = {e.example_id: card for e in train if (card := bench.authors.card_of(e.task, e.user_id))}
    return {e.example_id: compose(texts[e.example_id], e.output) for e in train if e.example_id in texts}


def reasonings_of_data(train: Sequence[Prepared]) -> dict[str, str]:
    """The reasonings that the data comes with, by example id. Raises UserError where it has none."""
    texts = {e.example_id: without_phrases(e.reasoning) for e in train if e.reasoning is not None}
    if not texts:
        raise UserError("reasoning.source data: found no train example with a field 'reasoning', expected some")
    return texts


def reasonings_of_teacher(bench: Workbench, train: Sequence[Prepared]) -> dict[str, str]:
    """The reasonings that the teacher writes and that are no copies, by example id."""
    recipe = bench.recipe

    def work(examples: Sequence[Prepared]) -> list[Record]:
        inputs = [TeacherInput(e.example_id, e.input, e.output, _shown_to_teacher(bench, e)) for e in examples]
        engine = bench.engine(recipe.teacher)
        written = write_reasoning(engine, renderer, inputs, recipe.reasoning, recipe.decoding, recipe.seed)
        return [asdict(reasoning) for reasoning in written]

    def stage(folder: Path) -> Record:
        attempts = recipe.reasoning.attempts
        records = bench.run.shards("reasoning", train, recipe.shard_size, work, completions=attempts)
        dropped = sum(record["text"] is None for record in records)
        bench.run.progress.say(
            f"reasoning: {dropped} of {len(records)} dropped: every attempt was empty or repeated over "
            f"{recipe.reasoning.max_copied_tokens} tokens in a row of the expected output or the instructions"
        )
        return {"written": len(records) - dropped, "dropped": dropped}

    renderer = bench.teacher_renderer()
    bench.run.stage("reasoning", stage)
    return {r["example_id"]: r["text"] for r in read_stage(bench.run.path("reasoning")) if r["text"] is not None}


def _shown_to_teacher(bench: Workbench, example: Prepared) -> tuple[str, ...]:
    """What stands for the profile in Figure 7; with `teacher-with-card` the card first, as if it were a document.

    There it changes none of the figure's words, and the last documents are those that are shortened for want of room.
    """
    if not bench.recipe.reasoning.with_card:
        return example.shown
    card = bench.authors.card_of(example.task, example.user_id)
    return (card, *example.shown) if card else example.shown


def supervised_samples(
    bench: Workbench, train: Sequence[Prepared], targets: dict[str, str], with_reasoning: bool
) -> list[TrainingSample]:
    """Training samples with weight 1.

    A target over the limit is left out, and said so; it is never cut: a cut one would teach to break off.
    """
    samples = []
    for example in train:
        if example.example_id in targets:
            prompt = bench.prompt(example, with_reasoning=with_reasoning)
            samples.append(TrainingSample(prompt.tokens, bench.renderer.target(targets[example.example_id])))
    return within_limit(bench, samples)


def within_limit(bench: Workbench, samples: Sequence[TrainingSample]) -> list[TrainingSample]:
    """The samples whose target is within the limit; the others are counted."""
    fitting = [s for s in samples if len(s.target) <= bench.recipe.prompt.max_output_tokens]
    if len(fitting) < len(samples):
        bench.run.progress.say(f"{len(samples) - len(fitting)} targets over prompt.max_output_tokens left out")
    return fitting


def kept_samples(
    bench: Workbench, train: Sequence[Prepared], kept: Sequence[Record], with_reasoning: bool
) -> list[TrainingSample]:
    """The kept completions as targets, each with its weight (Algorithm 1, line 11)."""
    prompts = {e.example_id: bench.prompt(e, with_reasoning=with_reasoning).tokens for e in train}
    return [TrainingSample(prompts[r["example_id"]], bench.renderer.target(r["completion"]), r["weight"]) for r in kept]


def expected_outputs(
    bench: Workbench, train: Sequence[Prepared], kept: Sequence[Record], with_reasoning: bool
) -> list[Record]:
    """What users really wrote, as if the model had sampled it, for `expectation.targets` of the inputs (ours).

    With reasoning it stands behind that of the input's kept sample of the highest reward: the reasoning that the model
    found, the text that the user wrote. Inputs without one are left out, and so are texts over the token limit. The
    same inputs are taken in every iteration.

    kept: the model's own kept samples, those of an input by falling reward.
    """
    share, seed = bench.recipe.expectation.targets, bench.recipe.seed
    chosen = [e for e in train if random.Random(f"{seed}-targets-{e.example_id}").random() < share]
    reasonings: dict[str, str] = {}
    for record in kept:
        if record["reasoning"]:
            reasonings.setdefault(record["example_id"], record["reasoning"])
    if with_reasoning:
        chosen = [e for e in chosen if e.example_id in reasonings]
    texts = [compose(reasonings[e.example_id], e.output) if with_reasoning else e.output for e in chosen]
    most = bench.recipe.prompt.max_output_tokens
    pairs = [(e, t) for e, t in zip(chosen, texts, strict=True) if len(bench.renderer.target(t)) <= most]
    rewards = bench.reward([bench.reward_input(e, e.output) for e, _ in pairs])
    return [
        {"example_id": e.example_id, "task": e.task, "sample": EXPECTED_OUTPUT, "completion": text, "reward": reward}
        for (e, text), reward in zip(pairs, rewards, strict=True)
        if reward is not None
    ]


def expectation(
    bench: Workbench,
    stage: str,
    model: Path,
    train: Sequence[Prepared],
    iteration: int,
    with_reasoning: bool,
) -> list[Record]:
    """Sample m completions an input, reward their responses, and return the kept ones (Algorithm 1, line 9)."""
    recipe = bench.recipe
    settings = recipe.expectation

    def sample(examples: Sequence[Prepared]) -> list[Record]:
        return bench.write(
            model,
            examples,
            iteration=iteration,
            samples=settings.samples,
            temperature=settings.temperature,
            top_p=settings.top_p,
            with_reasoning=with_reasoning,
        )

    by_id = {e.example_id: e for e in train}

    def reward(samples: Sequence[Record]) -> list[Record]:
        examples, responses = [by_id[s["example_id"]] for s in samples], [s["response"] for s in samples]
        scores = bench.score(list(recipe.reward.mixture), examples, responses)
        return [
            s | {"reward": score and score["reward"], "rewards": score}
            for s, score in zip(samples, scores, strict=True)
        ]

    def choose(folder: Path) -> Record:
        samples = bench.run.shards(f"{stage}/samples", train, recipe.shard_size, sample, completions=settings.samples)
        size = recipe.shard_size * settings.samples
        rewarded = bench.run.shards(f"{stage}/rewards", samples, size, reward, unit="samples")
        selection = select(rewarded, settings)
        expected = expected_outputs(bench, train, selection.kept, with_reasoning) if settings.targets else []
        weighed = weigh([*selection.kept, *expected], selection.means, settings.weights)
        write_records(folder / "selected.parquet", weighed)
        facts = {f"threshold/{task}": tau for task, tau in selection.thresholds.items()} | selection.counts
        facts |= {"expected_outputs": len(expected), "trained_on": len(weighed)}
        bench.run.progress.say(f"{stage}: {told_facts(facts)}")
        return facts

    bench.run.stage(f"{stage}/selection", choose)
    return list(read_stage(bench.run.path(f"{stage}/selection")))


def train_stage(
    bench: Workbench,
    stage: str,
    start: str,
    make_samples: Callable[[], Sequence[TrainingSample]],
    with_reasoning: bool,
    facts: Mapping[str, object] | None = None,
) -> Path:
    """Fine-tune `start` on samples; returns the model's folder. Done once, and resumed after a kill.

    facts: what the stage records about itself, beside how the training went.
    """
    recipe = bench.recipe
    name = f"{stage}/training"

    def work(folder: Path) -> Record:
        from penname.training.fine_tuning import fine_tune  # with transformers' Trainer, which takes seconds

        samples = make_samples()
        if not samples:
            selection = bench.run.path(f"{stage}/selection/stage.json")
            if selection.exists():
                lower = "quantile" if recipe.expectation.quantile is not None else "threshold"
                why = (
                    f"no sample was kept, see {selection}: lower expectation.{lower} or sample more, in another folder"
                )
            else:
                why = "all targets are over prompt.max_output_tokens, or every reasoning was dropped"
            raise UserError(f"{name}: nothing to train on, {why}")
        bench.release()
        progress = bench.run.progress
        steps = recipe.training.steps(len(samples))
        progress.start(name, steps, "steps")
        tokens = sum(len(s.prompt) + len(s.target) for s in samples) * recipe.training.batch_size // len(samples)
        reported = 0

        def on_step(step: int, loss: float) -> None:
            nonlocal reported
            if not reported and step > 1:  # a resumed training counts and times what is left
                progress.start(name, steps - step + 1, "steps")
                reported = step - 1
            progress.advance(step - reported, tokens * (step - reported), f"loss {loss:.3f}")
            bench.run.tracker.log({f"{name}/loss": loss}, step)
            reported = step

        chooser = _chooser(bench, name, with_reasoning) if recipe.training.validate_every else None
        result = fine_tune(start, samples, recipe.training, folder, recipe.seed, on_step, chooser)
        progress.finish(f"loss {result.first_loss:.3f} to {result.last_loss:.3f}" if chooser is None else "")
        write_text(folder / "model" / PROMPT_FILE, json.dumps(_prompt_facts(bench, with_reasoning), indent=2))
        if AUTHORSHIP in recipe.rewards_in_use():
            bench.authors.model().save(folder / "model" / MODEL_FILE)
        return asdict(result) | dict(facts or {})

    bench.run.stage(name, work)
    shutil.rmtree(bench.run.path(name) / "checkpoints", ignore_errors=True)
    return bench.run.path(name) / "model"


def _chooser(bench: Workbench, stage: str, with_reasoning: bool) -> Callable[[Path], float]:
    """Mean reward of a checkpoint on validation examples, for choosing the best one (REST-PG Appendix B)."""
    examples = bench.prepare_fitting("val")
    most = bench.recipe.training.validation_examples
    chosen: list[Prepared] = []
    for task in dict.fromkeys(e.task for e in examples):
        of_task = [e for e in examples if e.task == task]
        chosen += random.Random(f"{bench.recipe.seed}-{task}").sample(of_task, min(most, len(of_task)))

    def choose(checkpoint: Path) -> float:
        bench.run.progress.start(f"{stage}: validating {checkpoint.name}", len(chosen), "examples")
        return mean_reward(bench, checkpoint, chosen, with_reasoning=with_reasoning)

    return choose


def _prompt_facts(bench: Workbench, with_reasoning: bool) -> Record:
    """How the model must be prompted; travels with the checkpoint, and a mismatch is refused."""
    names: list[TemplateName] = ["figure8_input", "figure8_output"] if with_reasoning else ["no_reasoning_input"]
    if bench.recipe.prompt.style == "benchmark":
        layouts = dict.fromkeys(example.layout for example in bench.prepare("train"))
        names = [benchmark_template(layout, bench.recipe.retrieval.documents) for layout in layouts]
    return {
        "with_reasoning": with_reasoning,
        "format": bench.recipe.generator.format,
        "templates": {name: template_hash(name) for name in names},
        "prompt": bench.recipe.prompt.model_dump(),
        "retrieval": bench.recipe.retrieval.model_dump(),
        "decoding": bench.recipe.decoding.model_dump(),
        "evaluation": bench.recipe.evaluation.model_dump(),
        "reward": bench.recipe.reward.model_dump(),
    }


def told_facts(facts: Mapping[str, float]) -> str:
    """What a stage counted, in a line to be read."""
    values = {name: f"{value:.4f}" if isinstance(value, float) else str(value) for name, value in facts.items()}
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items())
