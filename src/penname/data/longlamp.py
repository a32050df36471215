"""LongLaMP's record format (Kumar et al., 2024, arXiv 2407.11016), one file for each split.

The numbers of the tasks are those of the REST-PG paper; other code numbers topic writing 3 and review writing 4.

| number | task | user | the document's text | the retriever's query |
|---|---|---|---|---|
| 1 | email completion | `user` | `text` | what follows the first colon of the input |
| 2 | abstract generation | `name` | `abstract` | what follows `items:` |
| 3 | review writing | `reviewerId` | `reviewText` | the input |
| 4 | topic writing | `author` | `output` | the input |

What a retriever reads of a document, and what LongLaMP's own prompts show of it, is in `penname.data.layouts`. Other
prompts show the raw text alone, as in the figures of the REST-PG paper (Figures 12 and 13).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penname.data.dates import optional_date
from penname.data.load_report import LoadReport
from penname.data.records import (
    Document,
    Example,
    LayoutName,
    Location,
    list_of_records,
    optional_number,
    optional_text,
    required_text,
)
from penname.data.rows import read_rows
from penname.errors import DataError

USER_FIELDS = ("name", "reviewerId", "author", "user", "user_id")
DATE_FIELDS = ("date", "year", "reviewTime", "timestamp")


@dataclass(frozen=True)
class Task:
    """A LongLaMP task.

    number: the task's number in the REST-PG paper.
    layout: how its documents become text.
    names: prefixes of the names of its configurations or folders.
    text, title: the fields that hold a document's text and title.
    query_after: the string of the input after which the query begins; None where the whole input is the query.
    """

    number: int
    layout: LayoutName
    names: tuple[str, ...]
    text: str
    title: str
    query_after: str | None = None


TASKS = (
    Task(1, "email", ("email",), "text", "title", ":"),
    Task(2, "abstract", ("abstract", "generation_abstract"), "abstract", "title", "items:"),
    Task(3, "review", ("product_review", "review"), "reviewText", "summary"),
    Task(4, "topic", ("topic",), "output", "input"),
)


def read_examples(files: Iterable[Path], task: str, report: LoadReport) -> Iterator[Example]:
    """The examples of one split. A record without an id gets `USER-LINE`, with lines counted across files.

    files: the split's files.
    task: name of the task; if it begins with the name of none of LongLaMP's, the fields of each profile decide.
    report: counts rows with an empty output and documents without text, which are skipped.
    """
    named = next((t for t in TASKS if task.lower().startswith(t.names)), None)
    seen: set[str] = set()
    lines_before = line = 0
    for path in files:
        lines_before, line = lines_before + line, 0
        for line, record in read_rows(path, report):
            location = Location(path, line)
            try:
                example = _example(record, location, task, named, lines_before + line, report)
                if example.id in seen:
                    raise location.error("id", f"{example.id!r} again", "a unique id", "repeated id")
            except DataError as error:
                report.reject(error)
                continue
            if not (example.output or "").strip():
                report.skip(location.error("output", "no text", "what the user wrote", "empty output"))
                continue
            seen.add(example.id)
            report.kept += 1
            yield example


def _example(
    record: dict[str, Any], location: Location, name: str, named: Task | None, number: int, report: LoadReport
) -> Example:
    user_id = required_text(record, _first_present(record, USER_FIELDS, location), location)
    items = list_of_records(record.get("profile"), "profile", location)
    task = named or _task_of(items, location)
    text = required_text(record, "input", location)
    if "output" not in record:
        raise location.error("output", "nothing", "text")
    documents = [
        _document(item, user_id, location.inside(f"profile[{i}]"), task, report) for i, item in enumerate(items)
    ]
    return Example(
        id=optional_text(record, "id", location) or f"{user_id}-{number}",
        user_id=user_id,
        task=name,
        input=text,
        output=optional_text(record, "output", location),
        profile=tuple(document for document in documents if document is not None),
        query=_query(text, task),
        date=_date(record, location, report),
        layout=task.layout,
    )


def _task_of(items: list[Any], location: Location) -> Task:
    """The task whose text field the first document has; topic writing for an empty profile."""
    first = items[0] if items and isinstance(items[0], dict) else {}
    task = next((task for task in TASKS if task.text in first), None)
    if task is None and first:
        expected = f"a document with one of {', '.join(task.text for task in TASKS)}"
        raise location.error("profile[0]", f"the fields {', '.join(map(str, first))}"[:200], expected)
    return task or TASKS[-1]


def _query(text: str, task: Task) -> str | None:
    if task.query_after is None or task.query_after not in text:
        return None
    return text.split(task.query_after, 1)[1].strip() or None


def _document(item: Any, user_id: str, location: Location, task: Task, report: LoadReport) -> Document | None:
    if not isinstance(item, dict):
        raise location.error("", type(item).__name__, "a document")
    location = location.inside(".")
    if task.text not in item:
        raise location.error(task.text, "nothing", "text")
    try:
        text = optional_text(item, task.text, location)
    except DataError as error:
        if error.reason != "text too long":
            raise
        report.note(error)
        return None
    if text is None or not text.strip():
        report.note(location.error(task.text, "no text", "a text", "document without text, skipped"))
        return None
    return Document(
        user_id=user_id,
        text=text,
        id=optional_text(item, "id", location),
        title=optional_text(item, task.title, location),
        date=_date(item, location, report),
        rating=optional_number(item, "overall", location),
        description=optional_text(item, "description", location),
    )


def _date(record: dict[str, Any], location: Location, report: LoadReport) -> str | None:
    name = next((name for name in DATE_FIELDS if record.get(name) is not None), None)
    if name is None:
        return None
    try:
        return optional_date(record, name, location)
    except DataError as error:
        error.reason = "invalid date, ignored"
        report.note(error)
        return None


def _first_present(record: dict[str, Any], names: tuple[str, ...], location: Location) -> str:
    for name in names:
        if name in record:
            return name
    raise location.error(names[0], "nothing", f"one of {', '.join(names)}")
