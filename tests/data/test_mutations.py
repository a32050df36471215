"""Thousands of mutated records: never a traceback, never a silent loss (rows in = rows kept + rows reported)."""

import json
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.mutations import EXAMPLES, mutated

from penname.config import SourceConfig
from penname.data.load_report import LoadReport
from penname.data.readers.base import ReadingSettings
from penname.data.readers.choice import read_texts
from penname.data.rows import read_rows
from penname.data.sources import read_split
from penname.errors import DataError

DOCUMENT = {"user_id": "u", "text": "a document of some words", "id": "d1", "title": "t", "date": "2020", "rating": 4}
SUFFIXES = [".jsonl", ".json", ".csv"]
RECORDS = {
    "jsonl": {"id": "e1", "user_id": "u", "task": "t", "input": "x", "output": "y y y", "profile": [DOCUMENT]},
    "longlamp": {
        "name": "a",
        "input": "Generate an abstract using the following items: k.",
        "output": "y y",
        "profile": [{"title": "T", "abstract": "A text.", "id": "7", "year": 2001}],
    },
    "pgraphrag": {
        "id": "u1",
        "profile": [
            {"rating": 4, "title": "T", "text": "The target.", "pid": "i"},
            {"rating": 2, "title": "T", "text": "Old.", "pid": "j"},
        ],
    },
    "table": {"user": "u", "text": "five words stand in here", "title": "t", "date": "2020-01-01", "rating": "3"},
}  # fmt: skip
BYTES = st.sampled_from(
    [b"\x00", b"\xff", b"\xfe\xff", b"\n", b"{", b"}", b"]", b'"', b",", b"\\u", b"\r", b"\xc3", b""]
)


def check(format, folder, path):
    """Read everything twice, in both ways; every line told is one line."""
    lines = []
    report = LoadReport(on_problem=lines.append)
    strict = LoadReport(strict=True)

    def read(report):
        if format == "table":
            return len(list(read_texts(path, ReadingSettings(), report)))
        source = SourceConfig(format=format, path=str(folder if format != "pgraphrag" else path))
        return sum(1 for _ in read_split(source, "val", report))

    kept, problem = attempt(read, report)
    assert len(problem.splitlines()) <= 1
    if problem:
        assert report.kept == 0
        assert "found no row" in problem or "the columns" in problem
        return
    assert kept == report.kept
    assert report.rows == report.kept + sum(report.skipped.values())
    assert len(lines) == sum(report.skipped.values()) + sum(report.noted.values())
    assert all(len(line.splitlines()) == 1 for line in lines)
    strictly, problem = attempt(read, strict)
    assert strictly == kept or len(problem.splitlines()) == 1


def attempt(read, report):
    """How many rows were kept, or the one line that says why none could be."""
    try:
        return read(report), ""
    except DataError as error:
        return None, str(error)


@pytest.mark.parametrize("format", list(RECORDS))
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_mutated_records_are_kept_or_reported(format, data):
    record = RECORDS[format]
    count = data.draw(st.integers(1, 4))
    records = [mutated(record, data.draw) if data.draw(st.booleans()) else record for _ in range(count)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / ("x_dev.json" if format == "pgraphrag" else "val.jsonl")
        lines = [json.dumps(record) for record in records]
        path.write_text(f"[{','.join(lines)}]" if format == "pgraphrag" else "\n".join(lines))
        check(format, folder, path)


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=max(1, EXAMPLES // 2), deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_mutated_bytes_are_kept_or_reported(suffix, data):
    """Bytes put in, taken out and cut off anywhere in a file."""
    records = [RECORDS["table"]] * 3
    if suffix == ".csv":
        text = "user,text,title\n" + 'u,"five words\nstand in here",t\n' * 3
    else:
        text = json.dumps(records) if suffix == ".json" else "".join(json.dumps(r) + "\n" for r in records)
    raw = text.encode()
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(raw)))
        raw = raw[:place] + data.draw(BYTES) + raw[place + data.draw(st.integers(0, 3)) :]
    raw = raw[: data.draw(st.integers(0, len(raw)))] if data.draw(st.booleans()) else raw
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / f"x{suffix}"
        path.write_bytes(raw)
        check("table", Path(name), path)


def test_as_many_faults_as_rows(tmp_path):
    """A file of ten thousand rows with every third one broken, in ways drawn at random."""
    draw = random.Random(0)
    faults = ["{", "[]", "null", '{"input": 3}', json.dumps(RECORDS["longlamp"] | {"profile": 1})]
    lines = [draw.choice(faults) if i % 3 == 0 else json.dumps(RECORDS["longlamp"]) for i in range(10_000)]
    (tmp_path / "val.jsonl").write_text("\n".join(lines))
    report = LoadReport()
    source = SourceConfig(format="longlamp", path=str(tmp_path))
    assert sum(1 for _ in read_split(source, "val", report)) == report.kept == 6_666
    assert report.rows == 10_000
    assert sum(1 for _ in read_rows(tmp_path / "val.jsonl", LoadReport())) > report.kept
