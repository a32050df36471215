"""A run killed half-way in its expectation step: how much of the step's work the next start repeats.

`penname train` is started as a user would, killed (SIGKILL) at several points around the middle of the sampling stage,
and started again. What a kill costs is the time since the last whole shard, as a share of the stage's time in a run
without kills. Shards are of one input here, 32 samples. A kill repeats at most the shard it was at: the step's share of
it is shard_size over the number of inputs: 0.04 % for a paper's 43,000 inputs in a recipe's default of 16, a fifth for
laptop's five shards, and all of quickstart's step of a minute, which is one.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import LONGLAMP, finish, median, parser, run

from penname.session import stage_names

STAGE = stage_names.samples(stage_names.iteration("rest-em", 1))


def command(folder: Path, inputs: int, samples: int, new_tokens: int) -> list[str]:
    settings = {
        "methods": "[rest-em]",
        "data": f"[{{format: longlamp, path: {LONGLAMP}/email_completion_user}}]",
        "limit": f"{{train: {inputs}, test: 1}}",
        "retrieval": "{retriever: bm25, k: 1}",
        "prompt": f"{{max_input_tokens: 512, max_output_tokens: {new_tokens}}}",
        "training.max_steps": "1",
        "expectation.samples": str(samples),
        "shard_size": "1",
        "three_authors": "null",
    }
    overrides = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    penname = str(Path(sys.executable).with_name("penname"))
    return [penname, "train", "quickstart", "--run", str(folder), *overrides]


def shards(folder: Path) -> list[Path]:
    return sorted((folder / STAGE).glob("*.parquet"))


def written(folder: Path) -> float:
    """When the last whole shard was written."""
    return max(path.stat().st_mtime for path in shards(folder))


def start(folder: Path, *settings: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command(folder, *settings), stdout=subprocess.DEVNULL)


def stop_at(folder: Path, process: subprocess.Popen[bytes], number: int, wait: float) -> float:
    """Kill `process` `wait` seconds after shard `number` was written; return the seconds of work it loses."""
    while len(shards(folder)) < number:
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.01)
    time.sleep(wait)
    process.kill()
    process.wait()
    return time.time() - written(folder)


def main() -> None:
    given = parser(__doc__).parse_args()
    inputs, samples, new_tokens = (52, 2, 48) if given.quick else (64, 32, 48)
    with tempfile.TemporaryDirectory() as scratch:
        whole = Path(scratch) / "whole"
        process = start(whole, inputs, samples, new_tokens)
        while not shards(whole):
            assert process.poll() is None, "the run ended before its expectation step"
            time.sleep(0.01)
        first = written(whole)
        stop_at(whole, process, inputs, 0)
        a_shard = (written(whole) - first) / (inputs - 1)
        total = a_shard * inputs
        lost = []
        for number, share in enumerate((0.2, 0.5, 0.8)):
            folder = Path(scratch) / f"killed-{number}"
            process = start(folder, inputs, samples, new_tokens)
            lost.append(stop_at(folder, process, inputs // 2, share * a_shard))
            before = {path: path.stat().st_mtime_ns for path in shards(folder)}
            process = start(folder, inputs, samples, new_tokens)
            stop_at(folder, process, inputs // 2 + 1, 0)
            assert all(path.stat().st_mtime_ns == at for path, at in before.items()), "a whole shard was made again"
    finish(
        median(lost) / total,
        0.02,
        at_most=True,
        largest_share=round(max(lost) / total, 4),
        step_s=round(total, 2),
        lost_s=[round(seconds, 3) for seconds in lost],
        inputs=inputs,
        samples_an_input=samples,
        kills=len(lost),
    )


if __name__ == "__main__":
    run(main)
