"""Files are complete or absent, damage is reported, and a run has one process."""

import multiprocessing
import os

import pytest

from penname.errors import UserError
from penname.runs.folder import RunFolder, disk_errors, holder_of, read_records, read_stage, write_records, write_text


class Lines:
    def __init__(self):
        self.lines = []

    def start(self, stage, total, unit, completions=1):
        pass

    def advance(self, count, tokens=0, note=""):
        pass

    def finish(self, note=""):
        pass

    def say(self, line):
        self.lines.append(line)


@pytest.fixture
def run(tmp_path):
    return RunFolder(tmp_path / "run", Lines())


RECORDS = [{"id": "a", "n": 1, "metrics": {"x": 0.1}, "none": None}, {"id": "b", "n": 2, "metrics": {}, "none": None}]


@pytest.mark.parametrize("records", [RECORDS, []])
def test_records_come_back_as_they_were(tmp_path, records):
    write_records(tmp_path / "r.parquet", records)
    assert read_records(tmp_path / "r.parquet") == records
    assert [p.name for p in tmp_path.iterdir()] == ["r.parquet"]


def squares(calls):
    def work(part):
        calls.append(list(part))
        return [{"n": n, "square": n * n} for n in part]

    return work


def test_shards_are_processed_once_and_a_damaged_one_again(run):
    calls = []
    first = list(run.shards("s", range(10), 4, squares(calls)))
    assert calls == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    path = run.path("s") / "00001.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0xFF
    path.write_bytes(data)
    calls.clear()
    assert list(run.shards("s", range(10), 4, squares(calls))) == first
    assert calls == [[4, 5, 6, 7]]
    assert "00001.parquet: damaged" in run.progress.lines[-1]
    assert (run.path("s") / "00001.damaged").exists()
    assert list(read_stage(run.path("s"))) == first


def test_records_are_a_sequence_over_their_shards(run):
    made = run.shards("s", range(10), 4, squares([]))
    whole = list(made)
    assert len(made) == 10
    for part in (slice(0, 4), slice(3, 9), slice(8, None), slice(None), slice(None, None, -3), slice(4, 4)):
        assert made[part] == whole[part]
    assert (made[0], made[7], made[-1]) == (whole[0], whole[7], whole[-1])
    assert list(run.shards("empty", [], 4, squares([]))) == []


@pytest.mark.parametrize("size", [0, 10, 200])
def test_a_truncated_shard_is_damaged(tmp_path, size):
    path = tmp_path / "r.parquet"
    write_records(path, RECORDS)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(UserError, match=r"r\.parquet: damaged"):
        read_records(path)


def test_a_stage_is_done_once_and_again_if_it_failed(run):
    calls = []

    def fails(folder):
        calls.append("fails")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        run.stage("s", fails)
    assert not run.done("s")
    assert run.stage("s", lambda folder: {"n": 1}) == {"n": 1}
    assert run.stage("s", fails) == {"n": 1}
    assert calls == ["fails"]


def hold(folder, ready, release):
    with RunFolder(folder, Lines()).lock():
        ready.set()
        release.wait(30)


def test_a_second_process_is_refused_and_a_dead_one_is_not_in_the_way(run):
    context = multiprocessing.get_context("spawn")
    ready, release = context.Event(), context.Event()
    other = context.Process(target=hold, args=(run.folder, ready, release))
    other.start()
    assert ready.wait(60)
    with pytest.raises(UserError, match=f"in use by process {other.pid}"), run.lock():
        pass
    other.kill()
    other.join()
    with run.lock():
        assert holder_of(run.folder) == os.getpid()


@pytest.mark.parametrize("write", [lambda p: write_text(p, "x" * 99999), lambda p: write_records(p, RECORDS * 999)])
def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path, write):
    """/dev/full answers every write with the system's own 'no space left on device'."""
    write_records(tmp_path / "before.parquet", RECORDS)
    path = tmp_path / "next.parquet"
    (tmp_path / "next.parquet.partial").symlink_to("/dev/full")
    with (
        pytest.raises(UserError, match=r"no space left on the disk while writing .*start the same command again"),
        disk_errors(tmp_path),
    ):
        write(path)
    assert not path.exists()
    assert read_records(tmp_path / "before.parquet") == RECORDS
