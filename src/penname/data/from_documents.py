"""Makes documents and examples of documents that are known already, such as a server's, as `convert` makes them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penname.data.convert import ConversionSettings, document_record, example_of, is_too_short, leave_out_copies
from penname.data.jsonl import DOCUMENTS_FILE
from penname.data.load_report import LoadReport
from penname.data.readers.base import SourceText
from penname.data.records import Document
from penname.data.splits import SPLITS
from penname.data.targets import drop_undated, within_users
from penname.data.text_store import IN_MEMORY, TextStore


@dataclass(frozen=True)
class DataSet:
    """A data set in memory, in penname's own format.

    documents: the users' documents, but for those that are hidden from profiles.
    examples: by split.
    """

    documents: list[dict[str, Any]]
    examples: dict[str, list[dict[str, Any]]]

    def write(self, folder: Path) -> None:
        """Write it into a new folder."""
        folder.mkdir(parents=True)
        for name, records in ((DOCUMENTS_FILE, self.documents), *((f"{s}.jsonl", self.examples[s]) for s in SPLITS)):
            lines = (json.dumps(record, ensure_ascii=False) + "\n" for record in records)
            (folder / name).write_text("".join(lines), encoding="utf-8")


def data_set_of(documents: Iterable[Document], settings: ConversionSettings, report: LoadReport) -> DataSet:
    """Divide each user's documents into train, val and test, as `convert` does with the split `texts`.

    documents: of all users.
    settings: `min_documents`, `min_words`, `per_user` and `task` are used.
    report: counts the documents that are kept, and why others are not.

    A split may have no example.
    """
    with TextStore(IN_MEMORY) as store:
        for document in documents:
            report.rows += 1
            report.kept += 1
            if not is_too_short(document, settings, report):
                store.add(SourceText(document))
        leave_out_copies(store, settings, report, lambda stage, count, total: None)
        drop_undated(store, where_most_are_dated=True)
        examples: dict[str, list[dict[str, Any]]] = {split: [] for split in SPLITS}
        hidden = set()
        for target in within_users(store, settings.per_user):
            if (example := example_of(target, settings)) is not None:
                examples[target.split].append(example)
            if target.is_hidden:
                hidden.add(target.number)
        kept = (text for user in store.users() for text in store.texts_of(user))
        return DataSet([document_record(*text) for text in kept if text[0] not in hidden], examples)
