"""What the benchmarks share: their arguments, real data, repeated measurements, and the last line they print."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from penname.config import SourceConfig
from penname.data.records import Example
from penname.data.sources import load_split
from penname.errors import UserError

LONGLAMP = "$PENNAME_DATA/longlamp-format"
Result = TypeVar("Result")
TASKS = ("abstract_generation_user", "email_completion_user", "product_review_user", "topic_writing_user")


def parser(doc: str | None) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    made.add_argument("--quick", action="store_true", help="less work, under a minute where it can")
    return made


def examples(task: str, split: str = "test") -> list[Example]:
    """Examples of a LongLaMP task; the folder is taken from PENNAME_DATA."""
    return load_split([SourceConfig(format="longlamp", path=f"{LONGLAMP}/{task}")], split, None, 0)


def timed(work: Callable[..., Result], *arguments: Any) -> tuple[float, Result]:
    """How many seconds `work(*arguments)` took, and its result."""
    started = time.perf_counter()
    result = work(*arguments)
    return time.perf_counter() - started, result


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def finish(ratio: float, target: float, *, at_most: bool = False, **facts: Any) -> None:
    """Print the benchmark's result as its last line; the target is a lower bound, or with `at_most` an upper one."""
    reached = ratio <= target if at_most else ratio >= target
    machine = {"machine": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    print(json.dumps({"ratio": round(ratio, 4), "target": target, "reached": reached, **facts, **machine}))


def run(main: Callable[[], None]) -> None:
    """Run a benchmark; what the user can mend is one line and exit code 2."""
    try:
        main()
    except UserError as error:
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        sys.exit(2)
