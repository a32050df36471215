"""Documents that are known already become the data set that a conversion makes of the same texts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from penname.config import SourceConfig
from penname.data.convert import ConversionSettings, convert
from penname.data.from_documents import data_set_of
from penname.data.load_report import LoadReport
from penname.data.records import Document
from penname.data.sources import detect, load_split

WORDS = "rain bread trains chess birds stones tea dogs cats boats".split()


def documents(user: str, *, dated: bool) -> list[Document]:
    return [
        Document(user, f"{user} has much to say about {word}, as {number} others do.", date=date, title=f"On {word}")
        for number, word in enumerate(WORDS)
        for date in [f"2020-01-{number + 1:02d}" if dated else None]
    ]


@pytest.mark.parametrize("dated", [True, False])
def test_it_is_what_a_conversion_makes(tmp_path: Path, dated: bool):
    users = [document for user in ("ada", "bob", "eve") for document in documents(user, dated=dated)]
    short, copy = Document("ada", "Too short."), Document("bob", users[10].text, title="Again", date=users[10].date)
    every = [*users, short, copy]
    rows = [{name: value for name, value in vars(document).items() if value} for document in every]
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = ConversionSettings("texts")
    convert(tmp_path / "texts.jsonl", tmp_path / "converted", settings, LoadReport())

    report = LoadReport()
    data_set_of(every, settings, report).write(tmp_path / "made")
    assert (report.rows, report.kept) == (32, 30)
    assert set(report.skipped) == {"shorter than 5 words", "near-duplicate of another document of its user"}
    for name in ("documents", "train", "val", "test"):
        made, converted = (tmp_path / folder / f"{name}.jsonl" for folder in ("made", "converted"))
        assert made.read_text() == converted.read_text()


def test_a_run_reads_it(tmp_path: Path):
    data_set_of(documents("ada \U0001f600\u2028 <b>", dated=False), ConversionSettings(), LoadReport()).write(
        tmp_path / "made"
    )
    assert detect(tmp_path / "made") == [("jsonl", tmp_path / "made")]
    source = SourceConfig(format="jsonl", path=str(tmp_path / "made"))
    train, test = (load_split([source], split, None, 0) for split in ("train", "test"))
    assert (len(train), len(test)) == (8, 1)
    assert all(len(example.profile) == 7 for example in train)


def test_of_too_few_documents_a_split_has_no_example():
    made = data_set_of(documents("ada", dated=False)[:2], ConversionSettings(), LoadReport())
    assert {split: len(examples) for split, examples in made.examples.items()} == {"train": 0, "val": 1, "test": 1}
