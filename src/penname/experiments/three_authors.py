"""One prompt written for three authors, beside what each really wrote: does one hear who is who?

Ours; neither paper shows or measures it. Prompts and authors are those of `shared_prompts`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
from penname.session import stage_names
from penname.session.evaluate import by_example, choose_texts, write_as_evaluated
from penname.session.examples import Prepared, prepared
from penname.session.session import Session

DOCUMENTS = "documents.parquet"
LOOKED_AT = 1000
"""Examples, at most, that authors and prompts are chosen from."""
CLASSIFIER_DOCUMENTS = 300
"""Documents of an author, at most, that the classifier learns from."""


def write_three_authors(session: Session, method: Method, model: Path | None) -> None:
    """Write the prompts for each of their authors by `method`, and say whose texts they sound like.

    model: the method's, None for the generator as it is.
    """
    settings = session.recipe.three_authors
    assert settings is not None
    split = session.recipe.evaluation.split
    prompts = stage_names.shared_prompts(split)
    session.run.stage(prompts, lambda place: _choose(session, place))
    cases = list(read_stage(session.run.path(stage_names.cases(split))))
    documents = _by_author(read_stage(session.run.path(prompts)))
    _know_authors(session, cases, documents)
    name = stage_names.three_authors(split, method.name)

    def write(part: Sequence[Record]) -> list[Record]:
        asked = [_prepared(case) for case in part]
        written = write_as_evaluated(session, model, asked, settings.candidates, with_reasoning=method.reasoning)
        groups = by_example(written, settings.candidates)
        return choose_texts(session, groups, {example.example_id: example for example in asked})

    def stage(place: Path) -> Record:
        rows = session.recipe.generator.batch_size
        texts = session.run.shards(stage_names.responses(name), cases, rows, write, completions=settings.candidates)
        write_records(place / "texts.parquet", _judged(session, documents, cases, list(texts)))
        return {"texts": len(texts)}

    session.run.stage(name, stage)
    found = heard(read_voices(session.run.folder, split, [method.name]), method.name)
    session.run.progress.say(f"{name}: {found.right} of {found.texts} texts sound like their author")


def read_voices(run: Path, split: str, methods: Iterable[str]) -> list[Voice]:
    """What the run's methods wrote, and what the authors did; of methods that have written."""
    folders = {method: run / stage_names.three_authors(split, method) for method in methods}
    written = {
        method: {r["example_id"]: r for r in read_stage(whole_stage(folder))}
        for method, folder in folders.items()
        if (folder / "stage.json").is_file()
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
        for case in read_stage(run / stage_names.cases(split))
    ]


def _choose(session: Session, place: Path) -> Record:
    """The cases, each with the context of its author, and the documents that tell the authors apart."""
    settings, split = session.recipe.three_authors, session.recipe.evaluation.split
    assert settings is not None
    examples = list(load_split(session.recipe.data, split, LOOKED_AT, session.recipe.seed, Report()))
    of_task = [e for e in examples if e.task == examples[0].task]
    trained_on = frozenset(e.output for e in session.prepare("train"))
    cases = choose_cases(of_task, settings.prompts, lambda example: _fits(session, example), trained_on)
    documents = _documents(cases)
    write_records(place / DOCUMENTS, documents)
    sounds_like = AuthorClassifier(_by_author(documents)).authors_of([case.example.output or "" for case in cases])

    def work(part: Sequence[tuple[Case, str]]) -> list[Record]:
        retrieval = session.recipe.retrieval
        found = retrieve_all([case.example for case, _ in part], session.retriever(), retrieval.k, retrieval.documents)
        return [
            {"number": case.number, "exact": case.exact, "sounds_like": author}
            | asdict(prepared(example, context, session.recipe.prompt))
            for (case, author), (example, context) in zip(part, found, strict=True)
        ]

    both = list(zip(cases, sounds_like, strict=True))
    session.run.shards(stage_names.cases(split), both, len(both), work)
    return {"cases": len(cases)}


def _fits(session: Session, example: Example) -> bool:
    asked = prepared(example, [], session.recipe.prompt)
    try:
        session.prompt(asked, with_reasoning=True)
    except UserError:
        return False
    return True


def _documents(cases: Sequence[Case]) -> list[Record]:
    """Of each author; what is held against texts as really written is not among them."""
    written = {case.example.output for case in cases}
    authors = {case.example.user_id: case.example.profile for case in cases}
    return [
        {"author": author, "text": document.text}
        for author, own in authors.items()
        for document in [d for d in own if d.text not in written][-CLASSIFIER_DOCUMENTS:]
    ]


def _by_author(documents: Iterable[Record]) -> dict[str, list[str]]:
    texts: dict[str, list[str]] = {}
    for document in documents:
        texts.setdefault(document["author"], []).append(document["text"])
    return texts


def _know_authors(session: Session, cases: Sequence[Record], documents: Mapping[str, list[str]]) -> None:
    """Rewards that see the user know the authors by the same documents as the classifier."""
    if session.authors.needed:
        for author, texts in documents.items():
            session.authors.know(cases[0]["task"], author, texts)


def _judged(
    session: Session, documents: Mapping[str, list[str]], cases: Sequence[Record], texts: Sequence[Record]
) -> list[Record]:
    """The texts with whom each sounds like, and its reward by what each of the prompt's authors really wrote."""
    present = [text["response"] for text in texts if text["response"] is not None]
    sounding = iter(AuthorClassifier(documents).authors_of(present))
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
        judged.append(kept | {"sounds_like": None if malformed else next(sounding), "rewards": values})
    return judged


def _prepared(case: Record) -> Prepared:
    own = {key: case[key] for key in Prepared.__dataclass_fields__}
    return Prepared(**own | {"context": tuple(case["context"]), "neighbours": tuple(case["neighbours"])})
