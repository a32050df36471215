"""Loaders: real formats come in whole; every fault names its file, line and field."""

import json

import pytest

from penname.config import SourceConfig
from penname.data import presidents
from penname.data.load_report import LoadReport
from penname.data.profiles import load_profile
from penname.data.sources import load_split
from penname.errors import DataError, UserError

EXAMPLE = {"id": "e1", "user_id": "u", "task": "t", "input": "x", "output": "y", "profile": [{"text": "d"}]}


def write(path, *records):
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records))


def load(folder, format="jsonl", split="train"):
    return load_split([SourceConfig(format=format, path=str(folder))], split, None, 0)


def test_own_format_reads_inline_and_shared_profiles(tmp_path):
    shared = {k: v for k, v in EXAMPLE.items() if k != "profile"} | {"id": "e2", "user_id": "v"}
    write(tmp_path / "train.jsonl", EXAMPLE, shared)
    write(tmp_path / "documents.jsonl", {"user_id": "v", "text": "z", "rating": 4.5, "date": "2020-01-02"})
    first, second = load(tmp_path)
    assert (first.profile[0].text, first.profile[0].user_id) == ("d", "u")
    assert (second.profile[0].text, second.profile[0].rating) == ("z", 4.5)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{broken", "train.jsonl:2: found broken JSON"),
        ("[1]", "train.jsonl:2: found list, expected a JSON object"),
        ({**EXAMPLE, "id": "e2", "input": None}, "train.jsonl:2: field 'input': found nothing, expected text"),
        ({**EXAMPLE, "id": "e2", "input": "  "}, "train.jsonl:2: field 'input': found empty text"),
        ({**EXAMPLE, "id": "e2", "input": ["x"]}, "train.jsonl:2: field 'input': found list, expected text"),
        ({**EXAMPLE, "id": "e2", "imput": "x"}, "train.jsonl:2: field 'imput': found an unknown field"),
        ({**EXAMPLE, "id": "e2", "profile": "d"}, "train.jsonl:2: field 'profile': found str"),
        ({**EXAMPLE, "id": "e2", "profile": [{"txt": "d"}]}, "train.jsonl:2: field 'profile[0].txt'"),
        ({**EXAMPLE, "id": "e2", "profile": [{"text": "d", "rating": "5"}]}, "field 'profile[0].rating'"),
        (EXAMPLE, "train.jsonl:2: field 'id': found 'e1' again (first on line 1)"),
    ],
)
def test_a_fault_names_file_line_and_field(tmp_path, line, message):
    write(tmp_path / "train.jsonl", EXAMPLE, line)
    with pytest.raises(DataError) as error:
        load(tmp_path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("format", ["jsonl", "longlamp"])
def test_a_missing_split_or_folder_is_named(tmp_path, format):
    with pytest.raises(DataError, match="the split test"):
        load(tmp_path, format, "test")
    with pytest.raises(DataError, match="no such file or folder"):
        load(tmp_path / "nowhere", format)


def test_an_unset_variable_in_a_path_is_named(monkeypatch):
    monkeypatch.delenv("PENNAME_NOWHERE", raising=False)
    with pytest.raises(UserError, match="PENNAME_NOWHERE is not set"):
        load("$PENNAME_NOWHERE/x")


def test_a_profile_holds_its_users_documents_alone(tmp_path):
    """Under another name the user's own text, the hidden and the target's copies too, would count as another's."""
    profile = [{"text": "d"}, {"text": "e", "user_id": "u"}, {"text": "f", "user_id": "w"}]
    write(tmp_path / "test.jsonl", EXAMPLE | {"profile": profile[:2]})
    assert len(load(tmp_path, split="test")[0].profile) == 2
    write(tmp_path / "test.jsonl", EXAMPLE | {"profile": profile})
    with pytest.raises(DataError, match=r"test.jsonl.*1.*profile\[2\].user_id.*'w'.*none, or the example's 'u'"):
        load(tmp_path, split="test")


def test_a_folder_of_texts_is_a_profile(tmp_path):
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "b.md").write_text("# two")
    (tmp_path / "c.pdf").write_text("no")
    assert [d.text for d in load_profile(tmp_path)] == ["one", "# two"]


def test_the_bundled_corpus_keeps_messages_apart():
    splits = {split: presidents.load_examples(split) for split in presidents.SPLITS}
    messages = {s: {e.id.rsplit("-", 1)[0] for e in examples} for s, examples in splits.items()}
    assert not messages["train"] & messages["test"]
    assert not messages["train"] & messages["val"]
    assert len({e.user_id for e in splits["train"]}) > 30
    for example in splits["test"]:
        message = example.id.rsplit("-", 1)[0]
        assert all(d.title != message for d in example.profile)
        assert example.output not in {d.text for d in example.profile}


def test_a_limit_draws_the_same_examples_again():
    sources = [SourceConfig(format="presidents")]
    first = [e.id for e in load_split(sources, "train", 10, 7)]
    assert first == [e.id for e in load_split(sources, "train", 10, 7)]
    assert len(first) == 10
    assert first != [e.id for e in load_split(sources, "train", 10, 8)]


def test_a_limit_is_of_examples_whose_users_have_enough_documents(tmp_path):
    few, many = [{"text": "one"}], [{"text": f"text {n}"} for n in range(5)]
    write(tmp_path / "test.jsonl", *({**EXAMPLE, "id": f"e{i}", "profile": few if i % 3 else many} for i in range(12)))
    source = SourceConfig(format="jsonl", path=str(tmp_path))
    assert [e.id for e in load_split([source], "test", None, 0, min_documents=5)] == ["e0", "e3", "e6", "e9"]
    drawn = list(load_split([source], "test", 3, 0, min_documents=5))
    assert len(drawn) == 3
    assert all(len(e.profile) == 5 for e in drawn)
    assert not load_split([source], "test", None, 0, min_documents=6)


def test_tasks_that_number_their_examples_alike_stand_together(tmp_path):
    for task in ("one", "two"):
        (tmp_path / task).mkdir()
        (tmp_path / task / "train.jsonl").write_text(json.dumps(EXAMPLE | {"task": task}) + "\n")
    sources = [SourceConfig(format="jsonl", path=str(tmp_path / task)) for task in ("one", "two")]
    assert [example.id for example in load_split(sources, "train", None, 0)] == ["one-e1", "two-e1"]


def test_more_examples_than_memory_holds_are_read_as_asked_for(tmp_path):
    write(tmp_path / "train.jsonl", *({**EXAMPLE, "id": f"e{i}"} for i in range(10)))
    examples = load(tmp_path)
    assert [e.id for e in examples[3:6]] == ["e3", "e4", "e5"]
    assert [e.id for e in examples[6:8]] == ["e6", "e7"]
    assert (examples[0].id, examples[-1].id, len(examples)) == ("e0", "e9", 10)
    assert [e.id for e in examples[8:1:-3]] == ["e8", "e5", "e2"]
    assert examples[5:5] == []
    assert [e.id for e in examples] == [f"e{i}" for i in range(10)]


def test_documents_of_their_own_file_less_the_target_and_the_future(tmp_path):
    documents = [
        {"user_id": "u", "id": f"d{n}", "text": f"text {n}", **({"date": date} if date else {})}
        for n, date in enumerate(("2020", "2021", "2022", None))
    ]
    write(tmp_path / "documents.jsonl", *documents, {"user_id": "v", "text": "another's"})
    plain = {k: v for k, v in EXAMPLE.items() if k != "profile"}
    write(tmp_path / "train.jsonl", {**plain, "document_id": "d1"}, {**plain, "id": "e2", "date": "2022"})
    first, second = load(tmp_path)
    assert [d.id for d in first.profile] == ["d0", "d2", "d3"]
    assert [d.id for d in second.profile] == ["d0", "d1"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_files_of_any_unicode(tmp_path, encoding):
    (tmp_path / "a.txt").write_text("Grüße,\n\nzwei Zeilen.\n", encoding=encoding)
    assert [d.text for d in load_profile(tmp_path)] == ["Grüße,\n\nzwei Zeilen."]


def test_a_repeated_document_id_is_a_bad_row_unless_it_is_of_another_user(tmp_path):
    documents = [{"user_id": user, "id": "d0", "text": f"text {n}"} for n, user in enumerate("uvu")]
    write(
        tmp_path / "documents.jsonl", *documents, {"user_id": "u", "text": "no id"}, {"user_id": "u", "text": "again"}
    )
    write(tmp_path / "train.jsonl", {k: v for k, v in EXAMPLE.items() if k != "profile"})
    with pytest.raises(
        DataError, match=r"documents\.jsonl:3: field 'id': found 'd0' again of user 'u' \(first on line 1"
    ):
        load(tmp_path)
    report = LoadReport()
    source = SourceConfig(format="jsonl", path=str(tmp_path))
    assert [d.text for d in load_split([source], "train", None, 0, report)[0].profile] == ["text 0", "no id", "again"]
    assert (report.rows, report.kept, report.skipped) == (6, 5, {"repeated document id": 1})


def test_odd_dates_are_bad_rows_and_a_year_is_not_before_its_days(tmp_path):
    documents = [
        {"user_id": "u", "text": date, "date": date} for date in ("2019", "2020", "2020-02", "2020-01-31T10:00")
    ]
    write(tmp_path / "documents.jsonl", *documents, {"user_id": "u", "text": "odd", "date": "12/31/2019"})
    plain = {k: v for k, v in EXAMPLE.items() if k != "profile"}
    write(tmp_path / "train.jsonl", {**plain, "date": "2020-02-01"})
    with pytest.raises(DataError, match=r"documents\.jsonl:5: field 'date': found '12/31/2019'"):
        load(tmp_path)
    write(tmp_path / "documents.jsonl", *documents)
    assert [d.text for d in load(tmp_path)[0].profile] == ["2019", "2020-01-31T10:00"]
