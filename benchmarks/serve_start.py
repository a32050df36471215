"""`penname serve` with many users: how long it takes to start.

A database is filled with users of a hundred documents each, of the length of the bundled corpus' own. The server is
then started on it and on an empty database in turn; the ratio is the median of the former's seconds to five seconds.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from pathlib import Path

import common

import serve
from penname.data.records import Document
from penname.serve.access import LOCAL_TENANT
from penname.serve.store.opening import open_store

TARGET = 5.0
DOCUMENTS = 100
STARTS = 5


def main() -> None:
    """Fill a database, and start the server."""
    options = common.parser(__doc__)
    options.add_argument("--users", type=int, default=10_000)
    chosen = options.parse_args()
    users, starts = (20, 1) if chosen.quick else (chosen.users, STARTS)
    with tempfile.TemporaryDirectory() as folder:
        empty, full = Path(folder, "empty"), Path(folder, "full")
        fill(full, users)
        seconds: dict[Path, list[float]] = {empty: [], full: []}
        for _ in range(starts):
            for database in (empty, full):
                seconds[database].append(seconds_to_start(database))
    common.finish(
        statistics.median(seconds[full]) / TARGET,
        1.0,
        at_most=True,
        seconds_to_start=statistics.median(seconds[full]),
        seconds_to_start_when_empty=statistics.median(seconds[empty]),
    )


def fill(database: Path, users: int) -> None:
    """Write the users' documents to the database."""
    passages, chosen = serve.passages(), random.Random(0)
    with open_store(f"sqlite:///{database}") as store:
        store.put_tenant(LOCAL_TENANT)
        for user in range(users):
            store.put_user(LOCAL_TENANT, f"u{user}")
            own = [Document("", f"{user} {chosen.choice(passages)}") for _ in range(DOCUMENTS)]
            store.add_documents(LOCAL_TENANT, f"u{user}", own)


def seconds_to_start(database: Path) -> float:
    """Seconds from the command until the server says that it is ready."""
    started = time.perf_counter()
    with serve.ready(database, 64):
        return time.perf_counter() - started


if __name__ == "__main__":
    common.run(main)
