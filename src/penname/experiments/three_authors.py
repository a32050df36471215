"""Three-author comparison: a method writes each prompt for three authors; are their styles recognizable?

The texts are shown beside the authors' real ones, and a classifier attributes them to authors. Ours; neither paper
shows or measures it. Prompts and authors are chosen by `shared_prompts`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from penname.data.records import Example
from penname.data.report import Report
from penname.data.sources import load_split
from penname.errors import UserError
from penname.evaluation.authorship import AuthorClassifier, Voice, heard
from penname.experiments.shared_prompts import Case, choose_cases
from penname.method_table import Method
from penname.retrieval.retrieve import retrieve_all
from penname.runs.folder import Record, read_stage, whole_stage, write_records
from penname.session.evaluate import by_example, choose_texts, write_as_evaluated
from penname.session.examples import Prepared, prepared
from penname.session.session import Session

STAGE = "three-authors"
PROMPTS, DOCUMENTS = "prompts", "documents.parquet"
LOOKED_AT = 1000
"""Most examples that authors and prompts are chosen from."""
CLASSIFIER_DOCUMENTS = 300
"""Most documents of an author that the classifier is trained on."""


def write_three_authors(session: Session, method: Method, model: Path | None) -> None:
    """Answer the prompts for each author by `method`, and classify the texts by author.

    model: the folder of the method's model; None for the recipe's generator.
    """
    settings = session.recipe.three_authors
    assert settings is not None
    folder = f"{STAGE}/{session.recipe.evaluation.split}"
    session.run.stage(f"{folder}/{PROMPTS}", lambda path: _choose(session, f"{folder}/{PROMPTS}", path))
    cases = list(read_stage(session.run.path(f"{folder}/{PROMPTS}/cases")))
    _know_authors(session, cases, read_stage(session.run.path(f"{folder}/{PROMPTS}")))
    name = f"{folder}/{method.name}"

    def write(part: Sequence[Record]) -> list[Record]:
        prompts = [_prepared(case) for case in part]
        written = write_as_evaluated(session, model, prompts, settings.candidates, with_reasoning=method.reasoning)
        groups = by_example(written, settings.candidates)
        return choose_texts(session, groups, {prompt.example_id: prompt for prompt in prompts})

    def stage(path: Path) -> Record:
        rows = session.recipe.generator.rows
        texts = session.run.shards(f"{name}/responses", cases, rows, write, completions=settings.candidates)
        write_records(path / "texts.parquet", _judged(session, folder, cases, list(texts)))
        return {"texts": len(texts)}

    session.run.stage(name, stage)
    match = heard(read_voices(session.run.folder, session.recipe.evaluation.split, [method.name]), method.name)
    session.run.progress.say(f"{name}: {match.right} of {match.texts} texts sound like their author")


def read_voices(run: Path, split: str, methods: Iterable[str]) -> list[Voice]:
    """The methods' and the authors' texts for each prompt and author.

    run: its folder.
    split: `val` or `test`.
    methods: names; those without texts yet are left out.
    """
    folder = run / STAGE / split
    written = {
        method: {r["example_id"]: r for r in read_stage(whole_stage(folder / method))}
        for method in methods
        if (folder / method / "stage.json").is_file()
    }
    if not written:
        return []
    return [
        Voice(
            number=case["number"],
            author=case["user_id"],
            prompt=case["input"],
            written=case["output"],
            exact=case["exact"],
            sounds_like=case["sounds_like"],
            texts={method: texts[case["example_id"]] for method, texts in written.items()},
        )
        for case in read_stage(folder / PROMPTS / "cases")
    ]


def _choose(session: Session, name: str, path: Path) -> Record:
    """Store the cases, each with the context of its author, and the documents that the classifier is trained on."""
    settings, split = session.recipe.three_authors, session.recipe.evaluation.split
    assert settings is not None
    examples = list(load_split(session.recipe.data, split, LOOKED_AT, session.recipe.seed, Report()))
    of_task = [e for e in examples if e.task == examples[0].task]
    trained_on = frozenset(e.output for e in session.prepare("train"))
    cases = choose_cases(of_task, settings.prompts, lambda example: _fits(session, example), trained_on)
    documents = _documents(cases)
    write_records(path / DOCUMENTS, documents)
    sounds_like = AuthorClassifier(_by_author(documents)).authors_of([case.example.output or "" for case in cases])

    def work(part: Sequence[tuple[Case, str]]) -> list[Record]:
        retrieval = session.recipe.retrieval
        examples = [case.example for case, _ in part]
        retrieved = retrieve_all(examples, session.retriever(), retrieval.k, retrieval.documents)
        return [
            {"number": case.number, "exact": case.exact, "sounds_like": author}
            | asdict(prepared(example, context, session.recipe.prompt))
            for (case, author), (example, context) in zip(part, retrieved, strict=True)
        ]

    labelled = list(zip(cases, sounds_like, strict=True))
    session.run.shards(f"{name}/cases", labelled, len(labelled), work)
    return {"cases": len(cases)}


def _fits(session: Session, example: Example) -> bool:
    candidate = prepared(example, [], session.recipe.prompt)
    try:
        session.prompt(candidate, with_reasoning=True)
    except UserError:
        return False
    return True


def _documents(cases: Sequence[Case]) -> list[Record]:
    """The documents of each author, without the real texts that generated ones are compared to."""
    written = {case.example.output for case in cases}
    authors = {case.example.user_id: case.example.profile for case in cases}
    return [
        {"author": author, "text": document.text}
        for author, profile in authors.items()
        for document in [d for d in profile if d.text not in written][-CLASSIFIER_DOCUMENTS:]
    ]


def _by_author(documents: Iterable[Record]) -> dict[str, list[str]]:
    texts: dict[str, list[str]] = {}
    for document in documents:
        texts.setdefault(document["author"], []).append(document["text"])
    return texts


def _know_authors(session: Session, cases: Sequence[Record], documents: Iterable[Record]) -> None:
    """Give the rewards that use a user's documents the same documents of the authors as the classifier."""
    if session.authors.needed:
        for author, texts in _by_author(documents).items():
            session.authors.know(cases[0]["task"], author, texts)


def _judged(session: Session, folder: str, cases: Sequence[Record], texts: Sequence[Record]) -> list[Record]:
    """The texts, each with its predicted author and its reward against each of the prompt's authors' real texts."""
    present = [text["response"] for text in texts if text["response"] is not None]
    documents = read_stage(session.run.path(f"{folder}/{PROMPTS}"))
    predicted = iter(AuthorClassifier(_by_author(documents)).authors_of(present))
    of_prompt: dict[int, list[Record]] = {}
    for case in cases:
        of_prompt.setdefault(case["number"], []).append(case)
    items = [
        session.reward_input(_prepared(other), text["response"])
        for case, text in zip(cases, texts, strict=True)
        if text["response"] is not None
        for other in of_prompt[case["number"]]
    ]
    rewards = iter(session.reward(items) if items else [])
    judged = []
    for case, text in zip(cases, texts, strict=True):
        malformed = text["response"] is None
        values = {other["user_id"]: 0.0 if malformed else next(rewards) for other in of_prompt[case["number"]]}
        kept = {key: text[key] for key in ("example_id", "response", "reasoning", "finish_reason")}
        judged.append(kept | {"sounds_like": None if malformed else next(predicted), "rewards": values})
    return judged


def _prepared(case: Record) -> Prepared:
    values = {key: case[key] for key in Prepared.__dataclass_fields__}
    return Prepared(**values | {"context": tuple(case["context"]), "neighbours": tuple(case["neighbours"])})
