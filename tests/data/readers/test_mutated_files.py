"""A thousand mutated files for each reader: never a traceback, and rows in = kept + reported."""

import random
from pathlib import Path

import pytest
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


def mutated(content, random):
    """The file with some bytes replaced, dropped, repeated or moved, or its end cut off."""
    content = bytearray(content)
    for _ in range(random.randint(1, 6)):
        at, length = random.randrange(len(content) + 1), random.choice([0, 1, 1, 2, 8, 60])
        what = random.random()
        if what < 0.5:
            content[at : at + length] = random.choice(ODD)
        elif what < 0.7:
            content[at:at] = content[at : at + length]
        elif what < 0.9:
            content[at : at + length] = b""
        else:
            del content[at:]
    return bytes(content)


@pytest.mark.parametrize("seeds", [range(200), pytest.param(range(200, 1000), marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", SAMPLES)
def test_mutated_files_are_kept_or_reported(tmp_path, name, seeds):
    kept = 0
    for seed in seeds:
        path = tmp_path / Path(name).name
        path.write_bytes(mutated(SAMPLES[name], random.Random(seed)))
        report = LoadReport()
        try:
            kept += (found := sum(1 for _ in read_texts(path, ReadingSettings(), report)))
        except DataError:
            continue
        assert report.rows == report.kept + sum(report.skipped.values())
        assert report.kept == found
    assert kept > len(seeds)
