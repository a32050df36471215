"""A log of reading data: rows kept, rows left out and why, and repairs within rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from penname.errors import DataError


class Report:
    """Counts of reading a data set once; every row is either kept or left out for one reason.

    strict: raise the first bad row's DataError instead of leaving the row out. Uninformative rows that real data is
        known to hold, such as those with an empty output, are left out and counted in any case.
    tell: called with one line for each problem as it occurs.
    """

    def __init__(self, *, strict: bool = False, tell: Callable[[str], None] | None = None) -> None:
        self._strict = strict
        self._tell = tell or (lambda line: None)
        self.rows = 0
        self.kept = 0
        self.faults = 0
        self.skipped: Counter[str] = Counter()
        self.noted: Counter[str] = Counter()

    def bad(self, error: DataError) -> None:
        """Leave out a row that is a fault of the data. Raises `error` when strict."""
        if self._strict:
            raise error
        self.faults += 1
        self.skip(error)

    def skip(self, error: DataError) -> None:
        """Leave out a row."""
        self.skipped[error.reason] += 1
        self._tell(str(error))

    def note(self, error: DataError) -> None:
        """Note a problem within a row that is kept: a repaired text, an omitted document, a suspicious user."""
        self.noted[error.reason] += 1
        self._tell(str(error))

    def summary(self) -> str:
        """All counts in one line; empty where there was no problem."""
        left_out = [f"{count:,} rows: {reason}" for reason, count in self.skipped.most_common()]
        noted = [f"{count:,} times: {reason}" for reason, count in self.noted.most_common()]
        parts = [f"left out {'; '.join(left_out)}"] if left_out else []
        return ", ".join([*parts, *([f"noted {'; '.join(noted)}"] if noted else [])])
