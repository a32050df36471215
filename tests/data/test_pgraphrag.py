"""PGraphRAG's records: the target is the first review and nowhere else; neighbours, shared names and divided splits."""

import json
import os
from pathlib import Path

import pytest

from penname.config import SourceConfig
from penname.data.duplicates import MIN_SHARE, ngrams_of
from penname.data.layouts import query_of, searched_text, shown_text
from penname.data.load_report import LoadReport
from penname.data.pgraphrag import CAP
from penname.data.sources import detect, load_split, read_split, splits_of
from penname.errors import DataError
from penname.words import plain_words

LONG = "This hotel has the quietest rooms that we have slept in for years, and a good breakfast too."


def review(text, item="i", title="Title", rating=4):
    return {"rating": rating, "title": title, "text": text, "pid": item}


def source(folder, *users, name="hotel_dev.json", **options):
    (folder / name).write_text(json.dumps([{"id": user, "profile": profile} for user, profile in users]))
    return SourceConfig(format="pgraphrag", path=str(folder / name), **options)


def load(*arguments, report=None, **options):
    return list(load_split([source(*arguments, **options)], "val", None, 0, report))


def test_target_history_and_neighbours(tmp_path):
    users = [
        ("ann1", [review(LONG, title="Quiet"), review("An older one.", "j"), review("The same item again.", "i")]),
        ("bob2", [review("Bob on another item.", "k"), review("Bob on the same item.")]),
        ("cat3", [review("Cat on the same item.")]),
    ]
    first, second, third = load(tmp_path, *users)
    assert (first.output, first.query, first.task) == (LONG, "Quiet", "hotel_long")
    assert "Review title: 'Quiet'" in first.input
    assert [d.text for d in first.profile] == ["An older one.", "The same item again."]
    assert [d.text for d in first.neighbours] == ["Bob on the same item.", "Cat on the same item."]
    assert second.neighbours == ()
    assert [d.user_id for d in third.neighbours] == ["ann1", "ann1", "bob2"]
    assert len({d.id for d in third.neighbours}) == 3
    document = first.profile[0]
    assert searched_text(first, document) == "Title An older one."
    assert shown_text(first, document) == 'Review title: "Title", Review text: "An older one."'


@pytest.mark.parametrize(
    ("task", "output", "query", "shown"),
    [
        ("long", LONG, "Quiet", "given the review title, without any explanation: Review title: 'Quiet'"),
        ("short", "Quiet", LONG, f"without any explanation: Review text: '{LONG}'"),
        ("rating", "4", f"Quiet {LONG}", f"without any explanation: Review title: 'Quiet', Review text: '{LONG}'"),
    ],
)
def test_the_three_tasks(tmp_path, task, output, query, shown):
    (example,) = load(tmp_path, ("ann1", [review(LONG, title="Quiet")]), task=task)
    assert (example.output, query_of(example)) == (output, query)
    assert example.input.endswith(shown)


def test_copies_of_the_target_are_nowhere_in_its_example(tmp_path):
    report = LoadReport()
    users = [
        ("ann1", [review(LONG), review(LONG.upper(), "j"), review("Mine.", "j")]),
        ("bob2", [review(LONG + " Indeed.")]),
    ]
    first, second = load(tmp_path, *users, report=report)
    assert [d.text for d in first.profile] == ["Mine."]
    assert first.neighbours == second.neighbours == ()
    assert report.noted["copy of a target, skipped"] == 3


def test_empty_targets_and_repeated_items_are_reported(tmp_path):
    report = LoadReport(strict=True)
    users = [
        ("ann1", [review("")]),
        ("bob2", [review("x", title=" ")]),
        ("cat3", [review("x"), review("y"), review("", "j")]),
    ]
    (example,) = load(tmp_path, *users, report=report)
    assert dict(report.skipped) == {"target with an empty text": 1, "target with an empty title": 1}
    assert report.noted["several reviews of an item by one user, kept as separate documents"] == 1
    assert [d.text for d in example.profile] == ["y"]
    assert (report.rows, report.kept) == (3, 1)


@pytest.mark.parametrize(("choice", "histories"), [("keep", [6, 1, 6, 6]), ("cap", [CAP, 1, CAP, 6]), ("drop", [6])])
def test_names_that_many_share_are_flagged_capped_or_dropped(tmp_path, choice, histories):
    many = [review(f"Review number {n}.", f"i{n}") for n in range(7)]
    users = [("Mark", many), ("A verified traveler", many[:2]), ("David P", many), ("mark_1972", many)]
    report = LoadReport()
    examples = load(tmp_path, *users, report=report, shared_names=choice)
    assert [len(e.profile) for e in examples] == histories
    flagged = report.skipped if choice == "drop" else report.noted
    assert flagged["name shared by many people"] == 3


def test_a_development_split_is_divided_by_user(tmp_path):
    users = [(f"user{n}", [review(f"Review of user {n}.", f"i{n % 7}")]) for n in range(200)]
    divided = source(tmp_path, *users, split_by_user=True)
    assert splits_of(divided) == ["train", "val", "test"]
    parts = {split: load_split([divided], split, None, 0) for split in splits_of(divided)}
    ids = {split: {e.user_id for e in part} for split, part in parts.items()}
    assert sum(map(len, ids.values())) == 200
    assert len(set().union(*ids.values())) == 200
    assert min(map(len, ids.values())) > 5
    assert all(d.user_id in ids["train"] for e in parts["train"] for d in e.neighbours)
    assert splits_of(source(tmp_path, *users)) == ["val"]


def test_files_of_several_data_sets_lie_side_by_side(tmp_path):
    for name in ("amazon_train.json", "amazon_dev.json", "hotel_dev.json"):
        source(tmp_path, (f"user of {name}", [review("x")]), name=name)
    amazon = SourceConfig(format="pgraphrag", path=str(tmp_path / "amazon"))
    assert splits_of(amazon) == ["train", "val"]
    assert [(e.user_id, e.task) for e in load_split([amazon], "train", None, 0)] == [
        ("user of amazon_train.json", "amazon_long")
    ]
    assert detect(tmp_path) == [("pgraphrag", tmp_path / "amazon"), ("pgraphrag", tmp_path / "hotel")]
    with pytest.raises(DataError, match=r"found amazon_dev\.json, hotel_dev\.json for the split val"):
        load_split([SourceConfig(format="pgraphrag", path=str(tmp_path))], "val", None, 0)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"id": None, "profile": [review("x")]}, "field 'id': found nothing"),
        ({"id": "b", "profile": []}, "field 'profile': found no review, expected the target review first"),
        ({"id": "b", "profile": [{"text": "x", "pid": "i"}]}, "field 'profile[0].title': found nothing"),
        ({"id": "b", "profile": [{**review("x"), "pid": None}]}, "field 'profile[0].pid': found nothing"),
        ({"id": "b", "profile": [{**review("x"), "rating": "good"}]}, "field 'profile[0].rating': found 'good'"),
        ({"id": "a", "profile": [review("x")]}, "field 'id': found 'a' again"),
    ],
)
def test_a_fault_names_line_and_field(tmp_path, record, message):
    (tmp_path / "x_dev.json").write_text(json.dumps([{"id": "a", "profile": [review("x")]}, record], indent=0))
    config = SourceConfig(format="pgraphrag", path=str(tmp_path / "x_dev.json"))
    with pytest.raises(DataError) as error:
        load_split([config], "val", None, 0)
    assert message in str(error.value)
    assert "x_dev.json:13: " in str(error.value)


@pytest.mark.skipif("PENNAME_DATA" not in os.environ, reason="PENNAME_DATA is not set: no PGraphRAG data")
@pytest.mark.parametrize(("name", "kept", "zero"), [("amazon", 2496, 2374), ("hotel", 2500, 2267), ("gap", 2500, 1966)])
def test_the_real_development_splits(name, kept, zero):
    """The benchmark's own counts; what is left out of a history is blank or a copy; targets are nowhere to be seen."""
    path = Path(os.environ["PENNAME_DATA"]) / "pgraphrag" / f"{name}_dev.json"
    report = LoadReport()
    examples = list(read_split(SourceConfig(format="pgraphrag", path=str(path)), "val", report))
    assert len(examples) == kept == report.kept
    assert report.rows == kept + sum(report.skipped.values()) == 2500
    records = {record["id"]: record["profile"] for record in json.loads(path.read_text())}
    assert sum(len(profile) == 1 for profile in records.values()) == zero
    for example in examples[::7]:
        target, *history = records[example.user_id]
        assert example.output == target["text"]
        ngrams = ngrams_of(plain_words(example.output))
        shown = [d.text for d in example.profile]
        for text in (old["text"] for old in history):
            copied = len(ngrams & ngrams_of(plain_words(text))) >= MIN_SHARE * len(ngrams)
            assert (text in shown) == (bool(text.strip()) and not copied)
        assert not any(
            len(ngrams & ngrams_of(plain_words(d.text))) >= MIN_SHARE * len(ngrams) for d in example.neighbours
        )
        assert all(d.item_id == target["pid"] and d.user_id != example.user_id for d in example.neighbours)
