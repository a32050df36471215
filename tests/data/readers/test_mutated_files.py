"""A thousand mutated files for each reader: never a traceback, and rows in = kept + reported."""

import random
import tracemalloc
from pathlib import Path

import pytest
from tests.data.mutations import mutated
from tests.data.readers.samples import SAMPLES

from penname.data.load_report import LoadReport
from penname.data.readers.base import ReadingSettings
from penname.data.readers.choice import read_texts
from penname.errors import DataError

ODD = (
    b"\x00",
    b"\xff",
    b"\n",
    b"\r",
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b",",
    b":",
    b"<",
    b">",
    b"null",
    b"\\ud800",
    b"-1",
    b"1e999",
    b"",
)


@pytest.mark.parametrize("seeds", [range(200), pytest.param(range(200, 1000), marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", SAMPLES)
def test_mutated_files_are_kept_or_reported(tmp_path, name, seeds):
    kept = 0
    for seed in seeds:
        path = tmp_path / Path(name).name
        path.write_bytes(mutated(SAMPLES[name], random.Random(seed), ODD))
        report = LoadReport()
        try:
            kept += (found := sum(1 for _ in read_texts(path, ReadingSettings(), report)))
        except DataError:
            continue
        assert report.rows == report.kept + sum(report.skipped.values())
        assert report.kept == found
    assert kept > len(seeds)


@pytest.mark.parametrize("level", [b"[", b'{"a":', b'[{"messages":', b'{"text":['])
@pytest.mark.parametrize("name", ["texts.json", "texts.jsonl"])
def test_json_that_is_nested_without_end_takes_little_memory(tmp_path, name, level):
    path, report = tmp_path / name, LoadReport()
    path.write_bytes(level * 50_000)
    tracemalloc.start()
    try:
        assert list(read_texts(path, ReadingSettings(), report)) == []
        assert tracemalloc.get_traced_memory()[1] < 2**26
    finally:
        tracemalloc.stop()
    assert list(report.skipped) == ["broken JSON"]


@pytest.mark.parametrize("number", ["9" * 6000, "-" + "9" * 6000, "1e" + "9" * 30, "0." + "9" * 6000, "9" * 25])
@pytest.mark.parametrize("name", ["texts.json", "texts.jsonl"])
def test_no_number_ends_the_process(tmp_path, name, number):
    path, report = tmp_path / name, LoadReport()
    row = f'{{"user": "ada", "text": "The heron stood in the water.", "rating": {number}}}'
    path.write_text(f"[{row}]" if name == "texts.json" else row)
    found = list(read_texts(path, ReadingSettings(), report))
    assert len(found) + report.skipped.total() == report.rows == 1
