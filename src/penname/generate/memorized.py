"""What models have learned by heart: training texts that they write, or continue, word for word.

Two measures: long runs of words in texts for held-out inputs, from training texts that the prompt does not show
(`penname.evaluation.word_runs`), and training targets that the model continues (`penname.session.continuation`).
Held-out targets are the control of these: what is continued of them was known before, or is easily guessed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from penname.config import Recipe, RewardConfig
from penname.data.sources import splits_of
from penname.errors import UserError
from penname.evaluation.word_runs import Origin, WordRun, WordRuns, longest
from penname.experiments.train import model_folder
from penname.generate.by_model import setup_of_model
from penname.method_table import METHODS, Method
from penname.pat.method_prompts import method_prompts
from penname.prompts.render import Prompt
from penname.runs.folder import Record, read_stage
from penname.session import stage_names
from penname.session.continuation import Continuation, continuations, divided_target
from penname.session.evaluate import generate_as_evaluated
from penname.session.examples import PreparedExample
from penname.session.fine_tune import PROMPT_FILE
from penname.session.session import Session

SURE = 0.05
"""The p-value below which more training targets than held-out ones are continued (Fisher's exact test)."""


@dataclass
class Memorized:
    """What a model has by heart.

    name: what the model is called.
    is_trained: whether it was trained on the texts.
    written: number of texts that it wrote for held-out inputs.
    copied: runs of words that a text's own prompt shows, outside the input.
    of_others, of_own: runs from training texts, of other users and of the text's own, that the prompt does not show.
    trained, held_out: how training targets and held-out ones are continued; empty for a model that was not trained.
    """

    name: str
    is_trained: bool
    written: int = 0
    copied: list[WordRun] = field(default_factory=list)
    of_others: list[WordRun] = field(default_factory=list)
    of_own: list[WordRun] = field(default_factory=list)
    trained: list[Continuation] = field(default_factory=list)
    held_out: list[Continuation] = field(default_factory=list)

    @property
    def continues_training(self) -> bool:
        """Whether it continues training targets, and held-out ones either not at all or significantly fewer."""
        known, control = (sum(c.by_heart for c in found) for found in (self.trained, self.held_out))
        if not known or not control:
            return bool(known)
        from scipy.stats import fisher_exact

        table = [[known, len(self.trained) - known], [control, len(self.held_out) - control]]
        return bool(fisher_exact(table, alternative="greater").pvalue < SURE)

    @property
    def serious(self) -> list[str]:
        """What must not be, in words; an untrained model has other users' words from elsewhere."""
        found = []
        if self.is_trained and self.of_others:
            found.append(f"{self.name} writes words of other users' training texts in {len(self.of_others)} texts")
        if self.continues_training:
            count = sum(c.by_heart for c in self.trained)
            found.append(f"{self.name} continues {count} of {len(self.trained)} training targets by heart")
        return found

    def record(self) -> Record:
        """Counts, and the longest find of each kind with its source, for JSON."""
        runs = {"copied_from_prompt": self.copied, "of_other_users": self.of_others, "of_own_user": self.of_own}
        return {
            "texts": self.written,
            **{kind: {"texts": len(found), "longest": _run_record(longest(found))} for kind, found in runs.items()},
            "continued": {
                split: {"by_heart": sum(c.by_heart for c in found), "targets": len(found)}
                for split, found in (("train", self.trained), ("held_out", self.held_out))
            },
        }

    def lines(self) -> Iterator[str]:
        """What was found, for people."""
        for what, found in (
            ("of the documents in its prompt", self.copied),
            ("of other users' training texts, which its prompt does not show", self.of_others),
            ("of its user's own training texts, which its prompt does not show", self.of_own),
        ):
            if run := longest(found):
                words = f"{len(run.words)} words"
                source = f" in a {run.origins[0].kind} of {run.origins[0].user!r}" if run.origins else ""
                shown = f"; the longest, {words}{source}: {_shortened(' '.join(run.words))!r}"
                yield f"{self.name}: {len(found):,} of {self.written:,} texts have long runs of words {what}{shown}"
        if self.trained:
            count, control = (sum(c.by_heart for c in found) for found in (self.trained, self.held_out))
            of_control = f"{control} of {len(self.held_out)} held-out ones" if self.held_out else "with none to compare"
            yield f"{self.name}: continues {count} of {len(self.trained)} training targets word for word, {of_control}"
            if known := [c for c in self.trained if c.by_heart]:
                first = max(known, key=lambda c: c.words)
                yield f"{self.name}: of {_user(first.example)!r}: {_shortened(first.text)!r}"


def _shortened(text: str) -> str:
    return " ".join(text[:160].split()) + ("..." if len(text) > 160 else "")


def _run_record(run: WordRun | None) -> Record | None:
    origin = run.origins[0]._asdict() if run is not None and run.origins else None
    return None if run is None else {"words": len(run.words), "text": " ".join(run.words), "source": origin}


def methods_of_run(folder: Path, recipe: Recipe, chosen: Sequence[str] | None) -> list[Method]:
    """The methods of a run that have written or have a model.

    folder: the run's folder.
    chosen: only these; None for all.

    Raises UserError where there is none.
    """
    rows = [row for name, row in recipe.method_rows.items() if chosen is None or name in chosen]
    found = [row for row in rows if _responses(folder, recipe, row) or _model(folder, recipe, row)]
    if not found:
        raise UserError(f"{folder}: found no method that is trained or evaluated, expected one to look at")
    return found


def _responses(folder: Path, recipe: Recipe, method: Method) -> list[Path]:
    stage = stage_names.evaluation(recipe.evaluation.split, method.name)
    names = (stage_names.responses(stage), stage_names.reused_responses(stage))
    return [folder / name for name in names if (folder / stage / "stage.json").is_file() and (folder / name).is_dir()]


def _model(folder: Path, recipe: Recipe, method: Method) -> Path | None:
    """The folder of the model that a run has trained for a method; None where it has not."""
    own = model_folder(folder, method, recipe.expectation.iterations)
    shared = folder / stage_names.training(stage_names.GENERATOR) / "model"
    model = own if method.trained else shared
    return model if (model / PROMPT_FILE).is_file() else None


def memorized_by_method(session: Session, method: Method, targets: int) -> Memorized:
    """What a method of a run has by heart; its texts are those of its evaluation.

    session: the session of the run.
    targets: number of training targets, and of held-out ones, to be continued.
    """
    recipe, folder = session.recipe, session.run.folder
    split, model = recipe.evaluation.split, _model(folder, recipe, method)
    prompt_of = _prompt_of(session, method)
    examples = {e.example_id: e for e in session.prepare_fitting(split)}
    records = [record for stage in _responses(folder, recipe, method) for record in read_stage(stage)]
    if not records:
        records = _write(session, model, method.reasoning, _sample(list(examples.values()), targets, "written"))
    found = _compare(
        session, method.name, model is not None, [(examples[r["example_id"]], r) for r in records], prompt_of
    )
    if model is not None:
        found.trained, found.held_out = _continue(session, model, method.reasoning, list(examples.values()), targets)
    return found


def recipe_of_model(model: str, data: Sequence[object]) -> Recipe:
    """A recipe that prompts a model as it was trained, with data.

    model: the folder of a model that penname trained, or another model.
    data: the sources, see `penname.config.SourceConfig`.
    """
    setup = setup_of_model(model)
    return Recipe(
        methods=["sft-reasoning" if setup.with_reasoning else "sft"],
        data=list(data),
        generator=setup.engine,
        prompt=setup.prompt,
        retrieval=setup.retrieval,
        decoding=setup.decoding,
        reward=RewardConfig(mixture={"rouge1": 1}),
    )


def memorized_by_model(session: Session, name: str, targets: int) -> Memorized:
    """What a model has by heart of the data of a recipe from `recipe_of_model`; it writes for held-out inputs first.

    session: a session with this recipe.
    name: what the model is called.
    targets: number of inputs to write for, of training targets and of held-out ones to be continued.

    Without held-out data there is nothing to write for, and no control.
    """
    recipe = session.recipe
    method, model = METHODS[recipe.methods[0]], Path(recipe.generator.model)
    splits = {split for source in recipe.data for split in splits_of(source)}
    held_out: list[PreparedExample] = []
    if split := next((split for split in ("test", "val") if split in splits), None):
        held_out = session.prepare_fitting(split)
    records = _write(session, model, method.reasoning, _sample(held_out, targets, "written"))
    examples = {e.example_id: e for e in held_out}
    pairs = [(examples[r["example_id"]], r) for r in records]
    found = _compare(session, name, True, pairs, _prompt_of(session, method))
    found.trained, found.held_out = _continue(session, model, method.reasoning, held_out, targets)
    return found


def _prompt_of(session: Session, method: Method) -> Callable[[PreparedExample], Prompt]:
    if not method.trained:
        return method_prompts(session, method, session.recipe.evaluation.split)
    return lambda example: session.prompt(example, with_reasoning=method.reasoning)


def _sample(examples: Sequence[PreparedExample], count: int, purpose: str) -> list[PreparedExample]:
    """At most `count` of the examples, the same ones each time. purpose: what for, in a word."""
    return random.Random(f"0-{purpose}").sample(list(examples), min(count, len(examples)))


def _write(
    session: Session, model: Path | None, with_reasoning: bool, examples: Sequence[PreparedExample]
) -> list[Record]:
    """A text for each example, sampled as in an evaluation."""
    inputs = session.generation_inputs(examples, with_reasoning=with_reasoning)
    return generate_as_evaluated(session, inputs, model=model, samples=1, with_reasoning=with_reasoning)


def _compare(
    session: Session,
    name: str,
    is_trained: bool,
    written: Sequence[tuple[PreparedExample, Record]],
    prompt_of: Callable[[PreparedExample], Prompt],
) -> Memorized:
    """Find long runs of words in texts. written: each text's example, and its record of `Session.generate`."""
    prompts = {example.example_id: prompt_of(example).text for example, _ in written}
    texts = [str(record["completion"]) for _, record in written]
    runs = WordRuns(texts, [e.input for e, _ in written], [prompts[e.example_id] for e, _ in written])
    for origin, text in _training_texts(session.prepare("train")):
        runs.look_through(text, origin)
    users = [_user(example) for example, _ in written]
    return Memorized(
        name,
        is_trained,
        len(texts),
        copied=runs.from_prompts(),
        of_others=runs.from_others(users),
        of_own=runs.from_others(users, own=True),
    )


def _training_texts(examples: Sequence[PreparedExample]) -> Iterator[tuple[Origin, str]]:
    """The targets of training, and the documents that its prompts show, each once for every user who has it."""
    numbers: dict[int, int] = {}
    seen: set[tuple[str, int]] = set()
    for example in examples:
        user = _user(example)
        texts = [(example.output, "training target"), *((text, "training document") for text in example.documents)]
        for text, kind in texts:
            number = numbers.setdefault(hash(text), len(numbers) + 1)
            if (user, number) not in seen:
                seen.add((user, number))
                yield Origin(user, str(number), kind), text


def _user(example: PreparedExample) -> str:
    """Users of different tasks are different, even if they have the same id."""
    return f"{example.user_id} ({example.task})"


def _continue(
    session: Session, model: Path, with_reasoning: bool, held_out: Sequence[PreparedExample], targets: int
) -> tuple[list[Continuation], list[Continuation]]:
    """How training targets and held-out ones are continued. targets: number of each."""
    groups = [
        _sample([e for e in examples if divided_target(e.output) is not None], targets, "continued")
        for examples in (session.prepare_fitting("train"), held_out)
    ]
    session.run.progress.start("continuing targets", sum(map(len, groups)), "targets")
    found = tuple(continuations(session, model, with_reasoning, group) for group in groups)
    session.run.progress.finish()
    return found[0], found[1]
