"""LongLaMP's record format (Kumar et al., 2024, arXiv 2407.11016): one JSONL file a split.

Each task names the user and the documents' fields its own way; the raw text alone becomes the document's text,
as in the figures of the REST-PG paper (Figures 12 and 13).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from penname.data.records import Document, Example, read_jsonl, required_text, text_field
from penname.errors import DataError

USER_FIELDS = ("name", "reviewerId", "author", "user", "user_id")
TEXT_FIELDS = ("abstract", "reviewText", "output", "text")
TITLE_FIELDS = ("title", "summary", "input")
DATE_FIELDS = ("date", "year")
SPLIT_FILES = {"val": ("val", "validation", "dev")}


def load_examples(folder: Path, split: str, task: str) -> list[Example]:
    """Read the examples of `split`. The example's id is its own, or `USER-LINE` where the record has none."""
    path = _split_file(folder, split)
    return [_example(record, path, line, task) for line, record in read_jsonl(path)]


def _split_file(folder: Path, split: str) -> Path:
    names = SPLIT_FILES.get(split, (split,))
    for name in names:
        if (folder / f"{name}.jsonl").is_file():
            return folder / f"{name}.jsonl"
    present = ", ".join(sorted(p.name for p in folder.glob("*.jsonl"))) or "no JSONL file"
    raise DataError(folder, found=present, expected=f"the split's file {names[0]}.jsonl")


def _example(record: dict[str, Any], path: Path, line: int, task: str) -> Example:
    user_id = required_text(record, _first_present(record, USER_FIELDS, path, line), path, line)
    profile = record.get("profile")
    if not isinstance(profile, list):
        raise DataError(path, line=line, field="profile", found=type(profile).__name__, expected="a list of documents")
    documents = [_document(item, user_id, path, line, i) for i, item in enumerate(profile)]
    return Example(
        id=text_field(record, "id", path, line, required=False) or f"{user_id}-{line}",
        user_id=user_id,
        task=task,
        input=required_text(record, "input", path, line),
        output=required_text(record, "output", path, line),
        profile=tuple(document for document in documents if document.text.strip()),
    )


def _document(item: Any, user_id: str, path: Path, line: int, index: int) -> Document:
    prefix = f"profile[{index}]."
    if not isinstance(item, dict):
        raise DataError(path, line=line, field=f"profile[{index}]", found=type(item).__name__, expected="a document")
    text_name = _first_present(item, TEXT_FIELDS, path, line, prefix)
    return Document(
        user_id=user_id,
        text=text_field(item, text_name, path, line, prefix=prefix) or "",
        id=text_field(item, "id", path, line, required=False, prefix=prefix),
        title=_optional(item, TITLE_FIELDS, path, line, prefix),
        date=_optional(item, DATE_FIELDS, path, line, prefix),
    )


def _optional(record: dict[str, Any], names: tuple[str, ...], path: Path, line: int, prefix: str) -> str | None:
    name = next((name for name in names if record.get(name) is not None), None)
    return name and text_field(record, name, path, line, prefix=prefix)


def _first_present(record: dict[str, Any], names: tuple[str, ...], path: Path, line: int, prefix: str = "") -> str:
    for name in names:
        if name in record:
            return name
    raise DataError(path, line=line, field=prefix + names[0], found="nothing", expected=f"one of {', '.join(names)}")
