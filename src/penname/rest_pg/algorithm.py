"""REST-PG's Algorithm 1, which also gives three baselines: with or without reasoning, and T iterations or none.

| method | reasoning | iterations |
|---|---|---|
| sft | no | 0 |
| sft-reasoning | yes | 0 |
| rest-em | no | T |
| rest-pg | yes | T |
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from penname.engines.models import locate_model
from penname.errors import UserError
from penname.method_table import METHODS
from penname.prompts.completion import compose, without_phrases
from penname.rest_pg.selection import EXPECTED_OUTPUT, select, weigh
from penname.rest_pg.teacher import TeacherInput, write_reasoning
from penname.rest_pg.zeros import inputs_of_first_look, refuse_zeros
from penname.runs.folder import read_stage, write_records
from penname.runs.shards import LazyItems, Record
from penname.session import stage_names
from penname.session.examples import PreparedExample
from penname.session.fine_tune import format_facts, train_stage, within_limit
from penname.session.session import Session
from penname.session.stage_names import REASONING
from penname.training.packing import TrainingSample


def self_train(session: Session, *, with_reasoning: bool, iterations: int) -> Path:
    """Supervised fine-tuning, then iterations of expectation and maximization; returns the folder of the trained model.

    The numbered lines are those of REST-PG's Algorithm 1.

    with_reasoning: whether the model writes a reasoning before the response.
    iterations: T; with 0 the algorithm ends after line 5.
    """
    method = METHODS["rest-pg" if with_reasoning else "rest-em"]
    train = session.prepare_fitting("train")
    # Line 3: the teacher's reasoning, concatenated with the expected output.
    targets = reasoning_targets(session, train) if with_reasoning else {e.example_id: e.output for e in train}
    # Line 5: supervised fine-tuning on these, in the folder of the method that ends here (`sft`, `sft-reasoning`).
    base = locate_model(session.recipe.generator.model)
    samples = partial(supervised_samples, session, train, targets, with_reasoning)
    model = train_stage(session, method.starts_from or "", base, samples, with_reasoning)
    # Line 7: for t = 1 to T.
    for iteration in range(1, iterations + 1):
        parent = stage_names.iteration(method.name, iteration)
        # Line 9: the expectation step.
        kept = expectation(session, parent, model, train, iteration, with_reasoning)
        # Line 11: the maximization step; its weighted loss is `training/loss.py:weighted_loss`.
        start = base if session.recipe.expectation.start_from == "base" else str(model)
        samples = partial(kept_samples, session, train, kept, with_reasoning)
        model = train_stage(session, parent, start, samples, with_reasoning)
    return model


def reasoning_targets(session: Session, train: Sequence[PreparedExample]) -> dict[str, str]:
    """Reasoning and expected output in Figure 8's template, by example id, for the inputs that have a reasoning."""
    settings = session.recipe.reasoning
    if settings.by_teacher:
        texts = reasonings_of_teacher(session, train)
    elif settings.source == "data":
        texts = reasonings_of_data(train)
    else:
        texts = {e.example_id: card for e in train if (card := session.users.style_card(e.user_documents))}
    return {e.example_id: compose(texts[e.example_id], e.output) for e in train if e.example_id in texts}


def reasonings_of_data(train: Sequence[PreparedExample]) -> dict[str, str]:
    """The reasonings that the data contains, by example id. Raises UserError where it contains none."""
    texts = {e.example_id: without_phrases(e.reasoning) for e in train if e.reasoning is not None}
    if not texts:
        raise UserError("reasoning.source data: found no train example with a field 'reasoning', expected some")
    return texts


def reasonings_of_teacher(session: Session, train: Sequence[PreparedExample]) -> dict[str, str]:
    """The teacher's reasonings that are not copies, by example id (Algorithm 1, line 3)."""
    session.run.stage(REASONING, lambda folder: _ask_teacher(session, train))
    return {r["example_id"]: r["text"] for r in read_stage(session.run.path(REASONING)) if r["text"] is not None}


def _ask_teacher(session: Session, train: Sequence[PreparedExample]) -> Record:
    recipe = session.recipe
    inputs, attempts = LazyItems(train, partial(_teacher_input, session)), recipe.reasoning.attempts
    records = session.shards(REASONING, inputs, recipe.shard_size, _ask_teacher_for_shard, completions=attempts)
    dropped = sum(record["text"] is None for record in records)
    session.run.progress.say(
        f"reasoning: {dropped} of {len(records)} dropped: every attempt was empty or repeated more "
        f"than {recipe.reasoning.max_copied_tokens} tokens in a row of the expected output or the instructions"
    )
    return {"written": len(records) - dropped, "dropped": dropped}


def _teacher_input(session: Session, example: PreparedExample) -> TeacherInput:
    return TeacherInput(example.example_id, example.input, example.output, _shown_to_teacher(session, example))


def _ask_teacher_for_shard(session: Session, inputs: Sequence[TeacherInput]) -> list[Record]:
    recipe = session.recipe
    engine, renderer = session.engine(recipe.teacher), session.teacher_renderer()
    written = write_reasoning(engine, renderer, inputs, recipe.reasoning, recipe.decoding, recipe.seed)
    return [asdict(reasoning) for reasoning in written]


def _shown_to_teacher(session: Session, example: PreparedExample) -> tuple[str, ...]:
    """The documents in Figure 7's profile; with `teacher-with-card` the style card is the first of them.

    So the figure's own words stay unchanged, and where the prompt is too long the last documents are truncated, not the
    card.
    """
    if not session.recipe.reasoning.with_card:
        return example.documents
    card = session.users.style_card(example.user_documents)
    return (card, *example.documents) if card else example.documents


def supervised_samples(
    session: Session, train: Sequence[PreparedExample], targets: dict[str, str], with_reasoning: bool
) -> list[TrainingSample]:
    """The training samples of supervised fine-tuning, with weight 1 (Algorithm 1, line 5).

    targets: by example id; examples without one are skipped.
    with_reasoning: whether the targets begin with a reasoning.

    Targets over the token limit are counted and skipped, not truncated: a truncated target would teach the model to
    stop in mid-sentence.
    """
    samples = []
    for example in train:
        if example.example_id in targets:
            prompt = session.prompt(example, with_reasoning=with_reasoning)
            samples.append(TrainingSample(prompt.tokens, session.renderer.target(targets[example.example_id])))
    return within_limit(session, samples, with_reasoning=with_reasoning)


def kept_samples(
    session: Session, train: Sequence[PreparedExample], kept: Sequence[Record], with_reasoning: bool
) -> list[TrainingSample]:
    """The kept completions as targets, each with its weight (Algorithm 1, line 11).

    kept: records of `expectation`.
    """
    prompts = {e.example_id: session.prompt(e, with_reasoning=with_reasoning).tokens for e in train}
    return [
        TrainingSample(prompts[r["example_id"]], session.renderer.target(r["completion"]), r["weight"]) for r in kept
    ]


def expected_outputs(
    session: Session, train: Sequence[PreparedExample], kept: Sequence[Record], with_reasoning: bool
) -> list[Record]:
    """The expected outputs of a share of the inputs (`expectation.targets`), as if the model had sampled them (ours).

    With reasoning, an expected output follows the reasoning of the input's kept sample with the highest reward: the
    model's reasoning, the user's text. Inputs without such a sample are skipped, as are targets over the token limit.
    The same inputs are chosen in every iteration.

    kept: the model's own kept samples, those of each input in descending order of reward.
    """
    share, seed = session.recipe.expectation.targets, session.recipe.seed
    chosen = [e for e in train if random.Random(f"{seed}-targets-{e.example_id}").random() < share]
    reasonings: dict[str, str] = {}
    for record in kept:
        if record["reasoning"]:
            reasonings.setdefault(record["example_id"], record["reasoning"])
    if with_reasoning:
        chosen = [e for e in chosen if e.example_id in reasonings]
    texts = [compose(reasonings[e.example_id], e.output) if with_reasoning else e.output for e in chosen]
    limit = session.recipe.prompt.completion_tokens(with_reasoning=with_reasoning)
    pairs = [(e, t) for e, t in zip(chosen, texts, strict=True) if len(session.renderer.target(t)) <= limit]
    rewards = session.reward([session.reward_input(e, e.output) for e, _ in pairs])
    return [
        {"example_id": e.example_id, "task": e.task, "sample": EXPECTED_OUTPUT, "completion": text, "reward": reward}
        for (e, text), reward in zip(pairs, rewards, strict=True)
        if reward is not None
    ]


def expectation(
    session: Session,
    parent: str,
    model: Path,
    train: Sequence[PreparedExample],
    iteration: int,
    with_reasoning: bool,
) -> list[Record]:
    """Sample m completions per input, reward their responses, and return the kept ones (Algorithm 1, line 9).

    parent: the folder of this iteration's stages, such as `rest-pg/iteration-1`.
    model: the folder of the model to sample from.
    train: the inputs.
    iteration: t, from 1.
    with_reasoning: whether completions begin with a reasoning.
    """
    stage = stage_names.selection(parent)
    session.run.stage(stage, partial(_select_samples, session, parent, model, train, iteration, with_reasoning))
    return list(read_stage(session.run.path(stage)))


def _select_samples(
    session: Session,
    parent: str,
    model: Path,
    train: Sequence[PreparedExample],
    iteration: int,
    with_reasoning: bool,
    folder: Path,
) -> Record:
    """Sample, reward and select; the kept samples are written to `folder`."""
    rewarded: Sequence[Record] = []
    first = [inputs_of_first_look(session.recipe, len(train))] if iteration == 1 else []
    for count in dict.fromkeys([*first, len(train)]):
        samples = _sample(session, parent, model, train[:count], iteration, with_reasoning)
        rewarded = _reward(session, parent, train, samples)
        if iteration == 1:
            _check_rewards(session, parent, train, rewarded)
    settings = session.recipe.expectation
    selection = select(rewarded, settings)
    expected = expected_outputs(session, train, selection.kept, with_reasoning) if settings.targets else []
    weighed = weigh([*selection.kept, *expected], selection.means, settings.weights)
    write_records(folder / "selected.parquet", weighed)
    facts = {f"threshold/{task}": tau for task, tau in selection.thresholds.items()} | selection.counts
    facts |= {"expected_outputs": len(expected), "trained_on": len(weighed)}
    session.run.progress.say(f"{parent}: {format_facts(facts)}")
    return facts


def _check_rewards(session: Session, parent: str, train: Sequence[PreparedExample], rewarded: Sequence[Record]) -> None:
    """Stop the run where nearly all rewards are 0; see `refuse_zeros`."""
    by_id = {e.example_id: e for e in train}
    pairs = ((r, session.reward_input(by_id[r["example_id"]], r["response"] or "")) for r in rewarded)
    try:
        refuse_zeros(session.recipe, parent, session.run.folder, pairs)
    except UserError:
        # The samples stay; a run that goes on from here, or reuses them, computes its own rewards.
        shutil.rmtree(session.run.path(stage_names.rewards(parent)))
        raise


def _sample(
    session: Session, parent: str, model: Path, train: Sequence[PreparedExample], iteration: int, with_reasoning: bool
) -> Sequence[Record]:
    """m completions of each input (the first part of Algorithm 1, line 9)."""
    settings = session.recipe.expectation
    sample = partial(
        Session.generate,
        model=model,
        purpose=f"expectation {iteration}",
        samples=settings.samples,
        temperature=settings.temperature,
        top_p=settings.top_p,
        with_reasoning=with_reasoning,
    )
    inputs, size = session.generation_inputs(train, with_reasoning=with_reasoning), session.recipe.shard_size
    return session.shards(stage_names.samples(parent), inputs, size, sample, completions=settings.samples)


def _reward(
    session: Session, parent: str, train: Sequence[PreparedExample], samples: Sequence[Record]
) -> Sequence[Record]:
    """The samples with their rewards, R(x, y, response) in Algorithm 1, line 9; of the response alone (section 3.2)."""
    by_id = {e.example_id: e for e in train}
    pairs = LazyItems(samples, lambda sample: (sample, by_id[sample["example_id"]]))
    size = session.recipe.shard_size * session.recipe.expectation.samples
    return session.shards(stage_names.rewards(parent), pairs, size, _reward_shard, unit="samples")


def _reward_shard(session: Session, pairs: Sequence[tuple[Record, PreparedExample]]) -> list[Record]:
    """The samples with their rewards. pairs: samples, each with its example."""
    examples, responses = [example for _, example in pairs], [sample["response"] for sample, _ in pairs]
    scores = session.score(list(session.recipe.reward.mixture), examples, responses)
    return [
        sample | {"reward": score and score["reward"], "rewards": score}
        for (sample, _), score in zip(pairs, scores, strict=True)
    ]
