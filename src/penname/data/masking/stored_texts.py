"""Masks the texts that are being converted, once it is known who wrote or received any of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from penname.data.masking.masker import Masker, MaskReport
from penname.data.text_store import TextStore

SAMPLE_TEXTS = 2000
"""How many texts tell which names are words too, and of which countries phone numbers are."""


def mask_texts(
    store: TextStore,
    names: Iterable[str],
    own_names: Mapping[str, Sequence[str]],
    regions: Sequence[str],
    path: Path,
    advance: Callable[[int], None],
) -> tuple[str, Sequence[str]]:
    """Mask personal details in the stored texts, their titles, and what they answer.

    names: everyone whose name is masked.
    own_names: the names of each user, which are kept in the user's own texts; none for a user who is not there.
    regions: countries of phone numbers, see `Masker`.
    path: where the report is written, with a line for each text, named by its number.
    advance: called with the number of texts that are done.

    Returns the report in one line, and the countries of phone numbers. Raises UserError as `Masker` does.
    """
    users = store.users()
    sample = (found.document.text for user in users for _, found in store.texts_of(user))
    masker = Masker(names, regions, list(islice(sample, SAMPLE_TEXTS)))
    with path.open("w", encoding="utf-8") as file:
        report = MaskReport(file)
        for user in users:
            own = own_names.get(user, ())
            for number in store.numbers_of(user):
                found = store.text(number)
                document = found.document
                text, counts = masker.mask(document.text, own)
                title, in_title = masker.mask(document.title or "", own)
                answers, _ = masker.mask(found.answers or "", own)
                report.add(number, counts + in_title)
                masked = replace(document, text=text, title=title or None)
                store.replace(number, replace(found, document=masked, answers=answers or None))
                advance(1)
    return report.summary(), masker.regions
