"""One prompt written for three authors, beside each author's real text: can the authors be told apart?

This is ours; neither paper shows or measures it. `shared_prompts` chooses the prompts and the authors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from penname.data.load_report import LoadReport
from penname.data.records import Example
from penname.data.sources import load_split
from penname.errors import UserError
from penname.evaluation.authorship import AttributionCase, AuthorClassifier, attribution
from penname.experiments.shared_prompts import Case, choose_cases
from penname.method_table import Method
from penname.retrieval.retrieve import retrieve_all
from penname.runs.folder import Record, intact_stage, read_stage, write_records
from penname.session import stage_names
from penname.session.evaluate import choose_texts, generate_as_evaluated, group_by_example
from penname.session.examples import PreparedExample, example_of, example_record, prepare_example
from penname.session.session import GenerationInput, Session

DOCUMENTS = "documents.parquet"
MAX_EXAMPLES = 1000
"""Maximum number of examples that authors and prompts are chosen from."""
MAX_CLASSIFIER_DOCUMENTS = 300
"""Maximum number of an author's documents that the authorship classifier is trained on."""


def write_three_authors(session: Session, method: Method, model: Path | None) -> None:
    """Write each prompt for each of its authors by a method, and predict the author of each text.

    session: the session of the run.
    method: the method that writes.
    model: the folder of the method's model; None for the recipe's generator.
    """
    split = session.recipe.evaluation.split
    prompts = stage_names.shared_prompts(split)
    session.run.stage(prompts, lambda folder: _choose(session, folder))
    cases = list(read_stage(session.run.path(stage_names.cases(split))))
    documents = _by_author(read_stage(session.run.path(prompts)))
    name = stage_names.three_authors(split, method.name)

    session.run.stage(name, partial(_write_texts, session, method, model, cases, documents))
    found = attribution(read_voices(session.run.folder, split, [method.name]), method.name)
    session.run.progress.say(f"{name}: {found.correct} of {found.texts} texts are attributed to their author")


def _write_texts(
    session: Session,
    method: Method,
    model: Path | None,
    cases: Sequence[Record],
    documents: Mapping[str, list[str]],
    folder: Path,
) -> Record:
    settings = session.recipe.three_authors
    assert settings is not None
    responses = stage_names.responses(stage_names.three_authors(session.recipe.evaluation.split, method.name))
    # For rewards that depend on the user: the documents of each author that the classifier has too.
    samples = {a: session.users.sample(a, texts) for a, texts in documents.items()} if session.users.needed else {}
    examples = [example_of(case, samples.get(case["user_id"], ())) for case in cases]
    inputs = session.generation_inputs(examples, with_reasoning=method.reasoning)
    work = partial(_write_shard, model=model, candidates=settings.candidates, with_reasoning=method.reasoning)
    batch_size = session.recipe.generator.batch_size
    texts = session.shards(responses, inputs, batch_size, work, completions=settings.candidates)
    write_records(folder / "texts.parquet", _score_texts(session, documents, cases, examples, list(texts)))
    return {"texts": len(texts)}


def _write_shard(
    session: Session, inputs: Sequence[GenerationInput], *, model: Path | None, candidates: int, with_reasoning: bool
) -> list[Record]:
    written = generate_as_evaluated(session, inputs, model=model, samples=candidates, with_reasoning=with_reasoning)
    groups = group_by_example(written, candidates)
    return choose_texts(session, [(given.example, group) for given, group in zip(inputs, groups, strict=True)])


def read_voices(run: Path, split: str, methods: Iterable[str]) -> list[AttributionCase]:
    """The texts of a run's methods and of the authors, for each prompt and author.

    run: the folder of the run.
    split: the split that the prompts are from.
    methods: the methods to read; those that have not written yet are skipped.
    """
    folders = {method: run / stage_names.three_authors(split, method) for method in methods}
    written = {
        method: {r["example_id"]: r for r in read_stage(intact_stage(folder))}
        for method, folder in folders.items()
        if (folder / "stage.json").is_file()
    }
    if not written:
        return []
    return [
        AttributionCase(
            number=case["number"],
            author=case["user_id"],
            prompt=case["input"],
            written=case["output"],
            exact=case["exact"],
            sounds_like=case["sounds_like"],
            texts={method: texts[case["example_id"]] for method, texts in written.items()},
        )
        for case in read_stage(run / stage_names.cases(split))
    ]


def _choose(session: Session, folder: Path) -> Record:
    """Choose the cases, each with the context of its author, and the documents that the classifier is trained on."""
    settings, split = session.recipe.three_authors, session.recipe.evaluation.split
    assert settings is not None
    examples = list(load_split(session.recipe.data, split, MAX_EXAMPLES, session.recipe.seed, LoadReport()))
    of_task = [e for e in examples if e.task == examples[0].task]
    trained_on = frozenset(e.output for e in session.prepare("train"))
    cases = choose_cases(of_task, settings.prompts, lambda example: _fits(session, example), trained_on)
    documents = _documents(cases)
    write_records(folder / DOCUMENTS, documents)
    sounds_like = AuthorClassifier(_by_author(documents)).authors_of([case.example.output or "" for case in cases])

    both = list(zip(cases, sounds_like, strict=True))
    session.run.shards(stage_names.cases(split), both, len(both), partial(_prepare_cases, session))
    return {"cases": len(cases)}


def _prepare_cases(session: Session, cases: Sequence[tuple[Case, str]]) -> list[Record]:
    retrieval = session.recipe.retrieval
    found = retrieve_all([case.example for case, _ in cases], session.retriever(), retrieval.k, retrieval.documents)
    return [
        {"number": case.number, "exact": case.exact, "sounds_like": author}
        | example_record(prepare_example(example, context, session.recipe.prompt))
        for (case, author), (example, context) in zip(cases, found, strict=True)
    ]


def _fits(session: Session, example: Example) -> bool:
    without_context = prepare_example(example, [], session.recipe.prompt)
    try:
        session.prompt(without_context, with_reasoning=True)
    except UserError:
        return False
    return True


def _documents(cases: Sequence[Case]) -> list[Record]:
    """The classifier's documents of each author, without the texts that are shown as the authors' real ones."""
    written = {case.example.output for case in cases}
    authors = {case.example.user_id: case.example.profile for case in cases}
    return [
        {"author": author, "text": document.text}
        for author, own in authors.items()
        for document in [d for d in own if d.text not in written][-MAX_CLASSIFIER_DOCUMENTS:]
    ]


def _by_author(documents: Iterable[Record]) -> dict[str, list[str]]:
    texts: dict[str, list[str]] = {}
    for document in documents:
        texts.setdefault(document["author"], []).append(document["text"])
    return texts


def _score_texts(
    session: Session,
    documents: Mapping[str, list[str]],
    cases: Sequence[Record],
    examples: Sequence[PreparedExample],
    texts: Sequence[Record],
) -> list[Record]:
    """Each text with its predicted author, and its reward with the real text of each of the prompt's authors."""
    present = [text["response"] for text in texts if text["response"] is not None]
    predicted = iter(AuthorClassifier(documents).authors_of(present))
    of_prompt: dict[int, list[PreparedExample]] = {}
    for case, example in zip(cases, examples, strict=True):
        of_prompt.setdefault(case["number"], []).append(example)
    items = [
        session.reward_input(other, text["response"])
        for case, text in zip(cases, texts, strict=True)
        if text["response"] is not None
        for other in of_prompt[case["number"]]
    ]
    rewards = iter(session.reward(items) if items else [])
    scored = []
    for case, text in zip(cases, texts, strict=True):
        malformed = text["response"] is None
        values = {other.user_id: 0.0 if malformed else next(rewards) for other in of_prompt[case["number"]]}
        fields = {key: text[key] for key in ("example_id", "response", "reasoning", "finish_reason")}
        scored.append(fields | {"sounds_like": None if malformed else next(predicted), "rewards": values})
    return scored
