import io

import pytest
from rich.console import Console

from penname.runs import progress


@pytest.fixture
def console(monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", -1.0)
    return Console(file=io.StringIO(), width=200)


def lines(console):
    return console.file.getvalue().splitlines()


def test_time_left_is_shown_before_the_first_shard_is_complete(console):
    bar = progress.ConsoleProgress(console)
    bar.start("samples", 10, "examples", completions=4)
    bar.add_generated(100, 0)
    bar.add_generated(100, 20)
    assert lines(console)[0].startswith("samples: 0/10 examples")
    assert lines(console)[0].endswith("? left")
    assert lines(console)[1].startswith("samples: 5/10 examples")
    assert lines(console)[1].endswith("0s left")


def test_generated_completions_count_once_their_shard_is_complete(console, tmp_path):
    bar = progress.ConsoleProgress(console, tmp_path / "log.txt")
    bar.start("samples", 10, "examples", completions=4)
    bar.add_generated(100, 20)
    bar.advance(5)
    bar.add_generated(100, 4)
    bar.advance(5)
    bar.finish()
    assert [line.split(",")[0] for line in lines(console)] == [
        "samples: 5/10 examples",
        "samples: 5/10 examples",
        "samples: 6/10 examples",
        "samples: 10 examples in 0s",
    ]
    assert "samples: 10 examples in 0s" in (tmp_path / "log.txt").read_text()


def test_stages_are_timed_whether_they_end_or_are_interrupted(console, tmp_path):
    def broken_off():
        with progress.ConsoleProgress(console, tmp_path / "log.txt") as bar:
            bar.start("samples", 10, "examples")
            bar.add_generated(100, 10)
            bar.advance(10)
            bar.finish()
            bar.start("training", 3, "steps")
            bar.advance(1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()
    with (tmp_path / "timing.jsonl").open("a") as file:
        file.write('{"stage": "cut')
    timed = progress.read_timing(tmp_path)
    assert [(t["stage"], t["unit"], t["count"], t["tokens"]) for t in timed] == [
        ("samples", "examples", 10, 100),
        ("training", "steps", 1, 0),
    ]
    assert all(0 <= t["seconds"] < 1 for t in timed)
