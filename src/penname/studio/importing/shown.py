"""What the page of the import shows of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from anyio.to_thread import run_sync

from penname.data.readers.table_columns import COLUMNS
from penname.serve.access import LOCAL_TENANT
from penname.serve.store.store import Store
from penname.studio.importing.choice import samples_of, summary_of
from penname.studio.importing.found import Author
from penname.studio.importing.work import Importing, Step, shown

ON_A_PAGE = 50
"""How many authors are shown at once."""


@dataclass(frozen=True)
class Row:
    """An author. place: among all authors. known: documents of the user of this name; None where there is none."""

    place: int
    author: Author
    known: int | None


async def import_shown(importing: Importing, store: Store, first: int = 0, search: str = "") -> dict[str, Any]:
    """The step that an import is at.

    first: the place of the first author who is shown, among those whose names have `search` in them.
    """
    values: dict[str, Any] = {
        "step": importing.step,
        "number": importing.number,
        "held": importing.held,
        "steps": Step,
        "bar": shown(importing.progress),
        "kinds": COLUMNS,
    }
    if importing.step is not Step.PREVIEW:
        return values
    found, choice = importing.preview()
    folded = search.strip().casefold()
    fitting = [(place, author) for place, author in enumerate(found.authors) if folded in author.name.casefold()]
    here = fitting[first : first + ON_A_PAGE]
    values |= {
        "summary": summary_of(choice.authors(found) or found.authors),
        "users": 1 if choice.as_ == "one" else len(choice.chosen),
        "samples": samples_of(found, choice),
        "is_outdated": False,
        "suggested": choice.first_name(found),
        "first": first,
        "fitting": len(fitting),
        "search": search,
        "on_a_page": ON_A_PAGE,
    }
    names = [author.name for _, author in here]
    known = await run_sync(store.count_documents, LOCAL_TENANT, {*names, choice.name})
    values["known"] = known.get(choice.name)
    return values | {"rows": [Row(place, author, known.get(author.name)) for place, author in here]}
