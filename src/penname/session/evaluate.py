"""Evaluation: generating for a split's inputs at inference temperature, and scoring the texts (REST-PG section 4.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from penname.config import Split
from penname.evaluation.repetition import repeated_share
from penname.extensions import short_name
from penname.prompts.render import Prompt
from penname.rewards.mixture import AUTHORSHIP
from penname.runs.folder import Record, read_stage
from penname.session import stage_names
from penname.session.choice import choose
from penname.session.examples import PreparedExample
from penname.session.session import GenerationInput, Session

Item = TypeVar("Item")
EVALUATION = "evaluation"
"""Purpose of the random seeds of an evaluation's samples, see `sample_seed`."""


@dataclass(frozen=True)
class GivenReasonings:
    """Reasonings that are given to the model instead of its own.

    name: identifies them in the names of stages.
    reasonings: by example id.
    """

    name: str
    reasonings: Mapping[str, str]


@dataclass(frozen=True)
class Evaluation:
    """The evaluation of one method on one split.

    session: the run's session.
    stage: the stage's name.
    method: the method's name.
    model: the folder of the method's model; None for the recipe's generator.
    with_reasoning: whether the model writes a reasoning first.
    prompt_of: see `Session.generate`.
    reasonings: by example id, given in place of those that the model would write.
    """

    session: Session
    stage: str
    method: str
    model: Path | None
    with_reasoning: bool
    prompt_of: Callable[[PreparedExample], Prompt] | None
    reasonings: Mapping[str, str] | None

    @property
    def candidates(self) -> int:
        """Number of completions sampled for each example."""
        return self.session.recipe.evaluation.completions

    @property
    def shard_size(self) -> int:
        """Number of examples in a shard."""
        return self.session.recipe.generator.batch_size


EvaluatedExample = tuple[PreparedExample, list[Record]]
"""An example and its candidates, those for its first text first: records of `Session.generate`."""


def evaluate_method(
    session: Session,
    method: str,
    model: Path | None,
    split: Split,
    prompt_of: Callable[[PreparedExample], Prompt] | None = None,
    *,
    with_reasoning: bool,
    profile_size: int | None = None,
    given: GivenReasonings | None = None,
) -> list[Record]:
    """Evaluate one method; returns a record of outputs and metrics for each example, which is kept in the run.

    method: the method's name.
    model: the folder of the method's model; None for the recipe's generator.
    prompt_of: see `Session.generate`.
    with_reasoning: whether the model writes a reasoning first.
    profile_size: see `Session.examples`.
    given: reasonings in place of those that the model would write; only their examples are evaluated.

    A malformed completion has no response: it scores 0 in every metric, and is counted. Where an example has several
    texts (evaluation.texts), the first is its output, and metrics and new tokens are means over all; each text is
    chosen from evaluation.candidates completions, all of which count as new tokens. With evaluation.reuse_reasoning a
    user's first prompt is answered first, and the reasoning of its first text, if any, is given for the others.
    """
    examples = session.prepare_fitting(split, profile_size)
    name_of_split = stage_names.split_name(split, profile_size)
    if given is not None:
        examples = [e for e in examples if e.example_id in given.reasonings]
        name_of_split = stage_names.split_name_given(split, given.name)
    stage = stage_names.evaluation(name_of_split, method)
    reasonings = None if given is None else given.reasonings
    evaluation = Evaluation(session, stage, method, model, with_reasoning, prompt_of, reasonings)
    facts = session.run.stage(stage, lambda folder: _generate_and_score(evaluation, examples))
    texts = facts["examples"] * session.recipe.evaluation.texts
    session.run.progress.say(
        f"{stage}: mean reward {facts['mean_reward']:.4f}; of {texts} "
        f"{facts['malformed']} malformed, {facts['unfinished']} unfinished"
        f"{', {} without reasoning'.format(facts['without_reasoning']) if with_reasoning else ''}; "
        f"{facts['mean_new_tokens']:.0f} tokens each, {facts['repeated']:.0%} of eight-word sequences repeated"
    )
    return list(read_stage(session.run.path(stage_names.metrics(stage))))


def _generate_and_score(evaluation: Evaluation, examples: Sequence[PreparedExample]) -> Record:
    """Generate for all examples, score the texts, and count malformed and unfinished completions."""
    if evaluation.session.recipe.evaluation.reuse_reasoning and evaluation.with_reasoning and not evaluation.reasonings:
        generated = _generate_with_reused_reasonings(evaluation, examples)
    else:
        generated = _generate_shards(
            evaluation, stage_names.responses(evaluation.stage), examples, evaluation.reasonings
        )
    by_id = {e.example_id: e for e in examples}
    written = [(by_id[candidates[0]["example_id"]], candidates) for candidates in generated]
    score = partial(_score_shard, method=evaluation.method, with_reasoning=evaluation.with_reasoning)
    stage = stage_names.metrics(evaluation.stage)
    scored = evaluation.session.shards(stage, written, evaluation.shard_size, score)
    return {
        "examples": len(scored),
        "malformed": sum(r["texts_malformed"] for r in scored),
        "without_reasoning": sum(r["texts_without_reasoning"] for r in scored),
        "unfinished": sum(r["texts_unfinished"] for r in scored),
        "repeated": _mean(r["repeated"] for r in scored),
        "mean_new_tokens": _mean(r["new_tokens"] for r in scored),
        "mean_reward": _mean(r["metrics"]["reward"] for r in scored),
    }


def _generate_shards(
    evaluation: Evaluation, stage: str, examples: Sequence[PreparedExample], reasonings: Mapping[str, str] | None
) -> list[list[Record]]:
    """Each example's candidates, those for its first text first."""
    session, candidates, with_reasoning = evaluation.session, evaluation.candidates, evaluation.with_reasoning
    inputs = session.generation_inputs(
        examples, with_reasoning=with_reasoning, prompt_of=evaluation.prompt_of, reasonings=reasonings
    )
    generate = partial(generate_as_evaluated, model=evaluation.model, samples=candidates, with_reasoning=with_reasoning)
    generated = session.shards(stage, inputs, evaluation.shard_size, generate, completions=candidates)
    return group_by_example(generated, candidates)


def _generate_with_reused_reasonings(evaluation: Evaluation, examples: Sequence[PreparedExample]) -> list[list[Record]]:
    """Like `_generate_shards`, with the reasoning of a user's first example given for the user's other examples."""
    firsts = list({_user(e): e for e in reversed(examples)}.values())[::-1]
    generated = _generate_shards(evaluation, stage_names.responses(evaluation.stage), firsts, None)
    first_texts = [candidates[0] for candidates in generated]
    user = {e.example_id: _user(e) for e in firsts}
    reusable = {user[r["example_id"]]: r["reasoning"] for r in first_texts if r["response"] and r["reasoning"]}
    others = [e for e in examples if e.example_id not in user]
    reused = {e.example_id: reusable[_user(e)] for e in others if _user(e) in reusable}
    remaining = _generate_shards(evaluation, stage_names.reused_responses(evaluation.stage), others, reused)
    by_id = {candidates[0]["example_id"]: candidates for candidates in [*generated, *remaining]}
    return [by_id[e.example_id] for e in examples]


def _score_shard(
    session: Session, written: Sequence[EvaluatedExample], *, method: str, with_reasoning: bool
) -> list[Record]:
    """A record for each example: its text, and the scores of its texts."""
    chosen, scored = _choose_and_score(session, written)
    return [
        _record(method, example, texts, candidates, scores, with_reasoning=with_reasoning)
        for (example, candidates), texts, scores in zip(written, chosen, scored, strict=True)
    ]


def _choose_and_score(
    session: Session, written: Sequence[EvaluatedExample]
) -> tuple[list[list[Record]], list[list[dict[str, float | None]]]]:
    """Each example's chosen texts, and the scores of each."""
    chosen = _choose(session, written)
    texts = [(example, record) for (example, _), own in zip(written, chosen, strict=True) for record in own]
    return chosen, group_by_example(_score(session, texts), session.recipe.evaluation.texts)


def _record(
    method: str,
    example: PreparedExample,
    texts: Sequence[Record],
    candidates: Sequence[Record],
    scores: Sequence[dict[str, float | None]],
    *,
    with_reasoning: bool,
) -> Record:
    """The record of an example.

    texts: its chosen completions.
    candidates: all its completions.
    scores: the metrics of each text.
    """
    first = texts[0]
    return {
        "example_id": example.example_id,
        "task": example.task,
        "method": method,
        "history": example.profile_size,
        "response": first["response"] or "",
        "reasoning": first["reasoning"],
        "metrics": _means(scores),
        "malformed": first["response"] is None,
        "finish_reason": first["finish_reason"],
        "new_tokens": sum(r["new_tokens"] for r in candidates) / len(texts),
        "texts_malformed": sum(r["response"] is None for r in texts),
        "texts_unfinished": sum(r["finish_reason"] == "length" for r in texts),
        "texts_without_reasoning": sum(with_reasoning and not r["reasoning"] for r in texts),
        "repeated": sum(repeated_share(r["response"] or r["completion"]) for r in texts) / len(texts),
    } | ({"first_metrics": scores[0]} if len(texts) > 1 else {})


def _choose(session: Session, written: Sequence[EvaluatedExample]) -> list[list[Record]]:
    """Each example's texts: one chosen from every evaluation.candidates consecutive completions."""
    number = session.recipe.evaluation.candidates
    groups = [(example, group) for example, candidates in written for group in group_by_example(candidates, number)]
    return group_by_example(choose_texts(session, groups), session.recipe.evaluation.texts)


def choose_texts(session: Session, groups: Sequence[EvaluatedExample]) -> list[Record]:
    """The candidate of each group that is chosen by the criterion `evaluation.choose`.

    groups: each text's example and candidates.
    """
    if all(len(candidates) == 1 for _, candidates in groups):
        return [candidates[0] for _, candidates in groups]
    items = [
        [None if (text := r["response"]) is None else session.reward_input(example, text) for r in candidates]
        for example, candidates in groups
    ]
    chosen = choose(items, session.recipe.evaluation.choose, session.reward, session.rewards([AUTHORSHIP])[AUTHORSHIP])
    return [candidates[i] for (_, candidates), i in zip(groups, chosen, strict=True)]


def group_by_example(of_texts: Iterable[Item], texts: int) -> list[list[Item]]:
    """Split a flat list into groups of equal size: the texts of an example, or the candidates for a text.

    of_texts: such as the records of `Session.generate`.
    texts: size of a group.
    """
    flat = list(of_texts)
    return [flat[start : start + texts] for start in range(0, len(flat), texts)]


def shown_metrics(record: Record) -> dict[str, float | None]:
    """The metrics of the text in a record of `evaluate_method`, whose `metrics` are means over all texts."""
    metrics: dict[str, float | None] = record["first_metrics"] if "first_metrics" in record else record["metrics"]
    return metrics


def _means(scores: Sequence[dict[str, float | None]]) -> dict[str, float | None]:
    """The mean of each metric over the texts that it could be computed for."""
    present = {name: [v for of_text in scores if (v := of_text[name]) is not None] for name in scores[0]}
    return {name: sum(values) / len(values) if values else None for name, values in present.items()}


def _user(example: PreparedExample) -> tuple[str, str]:
    """The owner of an example's profile: users of different tasks are different, even if they have the same id."""
    return example.task, example.user_id


def mean_reward(session: Session, model: Path, examples: Sequence[PreparedExample], *, with_reasoning: bool) -> float:
    """Mean reward of a model on examples, as in an evaluation.

    model: the model's folder.
    with_reasoning: whether the model writes a reasoning first.
    """
    inputs = session.generation_inputs(examples, with_reasoning=with_reasoning)
    work = partial(_rewards_of_shard, model=model, with_reasoning=with_reasoning)
    records = session.compute("validation", inputs, session.recipe.generator.batch_size, work)
    session.release()
    return _mean(record["reward"] for record in records)


def _rewards_of_shard(
    session: Session, inputs: Sequence[GenerationInput], *, model: Path, with_reasoning: bool
) -> list[Record]:
    """The scores of each text that is written for the inputs."""
    completions = session.recipe.evaluation.completions
    generated = generate_as_evaluated(session, inputs, model=model, samples=completions, with_reasoning=with_reasoning)
    groups = group_by_example(generated, completions)
    _, scores = _choose_and_score(session, [(i.example, group) for i, group in zip(inputs, groups, strict=True)])
    return [dict(of_text) for of_example in scores for of_text in of_example]


def _mean(rewards: Iterable[float | None]) -> float:
    """The mean over the known rewards; 0 where there are none."""
    present = [reward for reward in rewards if reward is not None]
    return sum(present) / max(1, len(present))


def generate_as_evaluated(
    session: Session, inputs: Sequence[GenerationInput], *, model: Path | None, samples: int, with_reasoning: bool
) -> list[Record]:
    """`Session.generate` with the temperature, top-p and random seeds of evaluation; see there for the arguments."""
    settings = session.recipe.evaluation
    return session.generate(
        inputs,
        model=model,
        purpose=EVALUATION,
        samples=samples,
        temperature=settings.temperature,
        top_p=settings.top_p,
        with_reasoning=with_reasoning,
    )


def _score(session: Session, texts: Sequence[tuple[PreparedExample, Record]]) -> list[dict[str, float | None]]:
    recipe = session.recipe
    names = list(dict.fromkeys([*recipe.reward.mixture, *recipe.evaluation.metrics]))
    zeros: dict[str, float | None] = dict.fromkeys(["reward", *map(short_name, names)], 0.0)
    scores = session.score(names, [example for example, _ in texts], [record["response"] for _, record in texts])
    return [zeros if values is None else values for values in scores]
