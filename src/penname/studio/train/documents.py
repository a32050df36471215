"""The documents in the studio as a data set that a run can be trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from penname.data.convert import ConversionSettings
from penname.data.from_documents import DataSet, data_set_of
from penname.data.load_report import LoadReport
from penname.data.records import Document
from penname.data.splits import SPLITS
from penname.errors import UserError
from penname.serve.access import LOCAL_TENANT
from penname.serve.store.store import Store

DATA_FOLDER = "texts"
"""The folder in a run's that has the documents that it is trained on, where these are from the studio."""

FEW = 12
"""With fewer documents a model hardly learns a manner."""

_SHORTEST, LONGEST, _STEP = 64, 512, 16
"""Tokens that a model learns to write, in the recipe for own texts."""
_SHARE_THAT_FITS = 0.8
_MEASURED = 300
"""Number of texts whose length is measured."""
_TRAINED_TOKENS = 9600
"""Tokens of all training targets together: with more, two cores take longer than ten to fifteen minutes."""


def all_users(store: Store) -> list[str]:
    """The ids of all users in the studio."""
    return list(store.user_ids(LOCAL_TENANT))


def documents_of(store: Store, users: Sequence[str]) -> Iterator[Document]:
    """All documents of users. Raises UnknownUser for one who was forgotten meanwhile."""
    for user in users:
        yield from store.profile(LOCAL_TENANT, user).documents


def own_data(store: Store, users: Sequence[str], report: LoadReport) -> DataSet:
    """The data set of users' documents; all in memory.

    report: counts the documents that are kept, and why others are not.

    Raises UserError where they are too few to train on.
    """
    data = data_set_of(documents_of(store, users), ConversionSettings(), report)
    lacking = [split for split in SPLITS if not data.examples[split]]
    if lacking:
        left_out = f" ({report.summary()})" if report.summary() else ""
        found = f"{report.kept} document{'' if report.kept == 1 else 's'} to learn from{left_out}"
        raise UserError(f"documents: found {found}, too few for an example to train on and one to test with")
    return data


def lengths_of(data: DataSet, count_tokens: Callable[[str], int]) -> list[int]:
    """The lengths of the texts to learn from in ascending order, or of some of these; in tokens.

    count_tokens: the number of tokens of a text for the model.
    """
    every = [example["output"] for example in data.examples["train"]]
    return sorted(count_tokens(text) for text in every[:: max(1, len(every) // _MEASURED)])


def fitted_settings(lengths: Sequence[int]) -> dict[str, object]:
    """The quickstart's settings that are fitted to texts, by dotted name: lengths, and how much is trained on.

    lengths: see `lengths_of`.
    """
    typical = lengths[min(len(lengths) - 1, int(_SHARE_THAT_FITS * len(lengths)))]
    output = min(LONGEST, max(_SHORTEST, -(-(typical + 2) // _STEP) * _STEP))
    train = min(40, max(FEW, _TRAINED_TOKENS // output))
    return {
        "limit": {"train": train, "val": None, "test": max(8, min(24, train // 2))},
        "retrieval.k": 2,
        "prompt.max_output_tokens": output,
        "prompt.max_input_tokens": min(896, 96 + 2 * output),
        "three_authors": None,
        "shard_size": 8,
    }
