"""What a reading of data came upon: rows kept, rows left out and why, and what was mended within rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from penname.errors import DataError


class Report:
    """Counts of one reading; every row read is either kept or left out for one reason.

    strict: raise the first bad row's DataError instead of leaving the row out. Rows that real data is known to hold and
        that say nothing, such as those with an empty output, are left out and counted in any case.
    tell: called with one line for each thing found, as it is found.
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
        """A row that cannot be understood: a fault of the data. Raises `error` when strict."""
        if self._strict:
            raise error
        self.faults += 1
        self.skip(error)

    def skip(self, error: DataError) -> None:
        """A row that is left out."""
        self.skipped[error.reason] += 1
        self._tell(str(error))

    def note(self, error: DataError) -> None:
        """Something within a row that is kept: a text mended, a document left out, a user to be wary of."""
        self.noted[error.reason] += 1
        self._tell(str(error))

    def summary(self) -> str:
        """One line, empty where nothing was found."""
        left_out = [f"{count:,} rows: {reason}" for reason, count in self.skipped.most_common()]
        noted = [f"{count:,} times: {reason}" for reason, count in self.noted.most_common()]
        parts = [f"left out {'; '.join(left_out)}"] if left_out else []
        return ", ".join([*parts, *([f"noted {'; '.join(noted)}"] if noted else [])])
