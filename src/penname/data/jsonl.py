"""penname's own format: one JSONL file of examples a split, and profiles as JSONL or as a folder of texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from penname.data.records import Document, Example, read_jsonl, required_text, text_field
from penname.errors import DataError

TEXT_SUFFIXES = (".txt", ".md")
EXAMPLE_FIELDS = tuple(f.name for f in fields(Example))
DOCUMENT_FIELDS = tuple(f.name for f in fields(Document))


def load_examples(folder: Path, split: str, task: str | None) -> list[Example]:
    """Read `FOLDER/SPLIT.jsonl`; profiles that are not inline come from `FOLDER/documents.jsonl`."""
    path = folder / f"{split}.jsonl"
    shared = _shared_profiles(folder / "documents.jsonl")
    examples = []
    seen: dict[str, int] = {}
    for line, record in read_jsonl(path):
        example = _example(record, path, line, task, shared)
        if example.id in seen:
            raise DataError(
                path,
                line=line,
                field="id",
                found=f"{example.id!r} again (first on line {seen[example.id]})",
                expected="an id of its own",
            )
        seen[example.id] = line
        examples.append(example)
    return examples


def load_profile(path: Path, user_id: str = "user") -> list[Document]:
    """Read one user's documents: a JSONL file with a `text` a line, a .txt or .md file, or a folder of these.

    Files without text are left out.
    """
    if path.is_dir() or path.suffix.lower() in TEXT_SUFFIXES:
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        documents = [_document_of_file(f, user_id) for f in files if f.suffix.lower() in TEXT_SUFFIXES and f.is_file()]
        return [document for document in documents if document.text]
    return [_document({"user_id": user_id, **record}, path, line) for line, record in read_jsonl(path)]


def _document_of_file(file: Path, user_id: str) -> Document:
    try:
        text = file.read_text(encoding="utf-8-sig").strip()
    except UnicodeDecodeError:
        raise DataError(file, found="bytes that are not UTF-8", expected="UTF-8 text") from None
    return Document(user_id=user_id, text=text, id=file.name, title=file.stem)


def _shared_profiles(path: Path) -> dict[str, list[Document]]:
    profiles: dict[str, list[Document]] = {}
    if path.is_file():
        for line, record in read_jsonl(path):
            document = _document(record, path, line)
            profiles.setdefault(document.user_id, []).append(document)
    return profiles


def _example(
    record: dict[str, Any],
    path: Path,
    line: int,
    task: str | None,
    shared: Mapping[str, list[Document]],
) -> Example:
    _refuse_unknown(record, EXAMPLE_FIELDS, path, line)
    user_id = required_text(record, "user_id", path, line)
    inline = record.get("profile")
    if inline is None:
        profile = shared.get(user_id, [])
    elif isinstance(inline, list) and all(isinstance(item, dict) for item in inline):
        profile = [
            _document({"user_id": user_id, **item}, path, line, prefix=f"profile[{i}].")
            for i, item in enumerate(inline)
        ]
    else:
        raise DataError(path, line=line, field="profile", found=type(inline).__name__, expected="a list of documents")
    return Example(
        id=required_text(record, "id", path, line),
        user_id=user_id,
        task=task or required_text(record, "task", path, line),
        input=required_text(record, "input", path, line),
        output=required_text(record, "output", path, line),
        profile=tuple(profile),
    )


def _document(record: dict[str, Any], path: Path, line: int, prefix: str = "") -> Document:
    _refuse_unknown(record, DOCUMENT_FIELDS, path, line, prefix)
    rating = record.get("rating")
    if rating is not None and (isinstance(rating, bool) or not isinstance(rating, int | float)):
        raise DataError(path, line=line, field=prefix + "rating", found=repr(rating), expected="a number")
    optional = {
        name: text_field(record, name, path, line, required=False, prefix=prefix)
        for name in ("id", "title", "date", "item_id")
    }
    return Document(
        user_id=required_text(record, "user_id", path, line, prefix=prefix),
        text=required_text(record, "text", path, line, prefix=prefix),
        rating=rating,
        **optional,
    )


def _refuse_unknown(record: dict[str, Any], known: tuple[str, ...], path: Path, line: int, prefix: str = "") -> None:
    for name in record:
        if name not in known:
            raise DataError(
                path,
                line=line,
                field=prefix + name,
                found="an unknown field",
                expected=f"one of {', '.join(known)}",
            )
