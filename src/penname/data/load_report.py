"""What happened while data was loaded: rows kept, rows skipped and why, and repairs within rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from penname.errors import DataError


class LoadReport:
    """Counts what happens while a data set is read once; every row is either kept or skipped for one reason.

    strict: raise the first bad row's DataError instead of skipping the row. Uninformative rows that real data is known
        to contain, such as those with an empty output, are skipped and counted in any case.
    on_problem: called with a line of text for each problem as it occurs.
    on_bytes: called with the number of bytes that were read of a file, as they are.
    """

    def __init__(
        self,
        *,
        strict: bool = False,
        on_problem: Callable[[str], None] | None = None,
        on_bytes: Callable[[int], None] | None = None,
    ) -> None:
        self._strict = strict
        self._on_problem = on_problem or (lambda line: None)
        self._on_bytes = on_bytes or (lambda count: None)
        self.rows = 0
        self.kept = 0
        self.faults = 0
        self.skipped: Counter[str] = Counter()
        self.noted: Counter[str] = Counter()

    def reject(self, error: DataError) -> None:
        """Skip a bad row, one that is a fault of the data. Raises `error` when strict."""
        if self._strict:
            raise error
        self.faults += 1
        self.skip(error)

    def skip(self, error: DataError) -> None:
        """Skip a row for the reason that `error` gives."""
        self.skipped[error.reason] += 1
        self._on_problem(str(error))

    def leave_out(self, reason: str, count: int = 1) -> None:
        """Count rows as skipped that were valid, and counted as kept before."""
        if count:
            self.kept -= count
            self.skipped[reason] += count

    def note(self, error: DataError) -> None:
        """Note a problem within a row that is kept: a repaired text, a skipped document, a suspicious user id."""
        self.noted[error.reason] += 1
        self._on_problem(str(error))

    def add_bytes(self, count: int) -> None:
        """Count bytes that were read."""
        self._on_bytes(count)

    def skipped_records(self) -> list[dict[str, Any]]:
        """Why rows were skipped and how many, the most frequent reason first, for JSON."""
        return [{"reason": reason, "count": count} for reason, count in self.skipped.most_common()]

    def summary(self) -> str:
        """All counts in one line; empty where there was no problem."""
        skipped = [f"{count:,} row{'s' * (count != 1)}: {reason}" for reason, count in self.skipped.most_common()]
        noted = [f"{count:,} time{'s' * (count != 1)}: {reason}" for reason, count in self.noted.most_common()]
        parts = [f"skipped {'; '.join(skipped)}"] if skipped else []
        return ", ".join([*parts, *([f"noted {'; '.join(noted)}"] if noted else [])])
