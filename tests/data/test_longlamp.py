"""LongLaMP's four tasks, as their records are: text, title, query, and what is searched and shown of a document."""

import json

import pytest

from penname.config import SourceConfig
from penname.data.layouts import query_of, searched_text, shown_text
from penname.data.load_report import LoadReport
from penname.data.sources import detect, load_split, read_split, splits_of
from penname.errors import DataError

EMAIL = {
    "user": "a",
    "input": "Complete the text of the following email. title: Re: Gas. text: Hello all",
    "output": "y",
    "profile": [{"id": "1", "title": "T", "text": "X"}],
}
ABSTRACT = {
    "name": "b",
    "input": 'Generate an abstract for the title "T" using the following items: k1, k2.',
    "output": "y",
    "profile": [{"id": 7, "title": "T", "abstract": "w " * 800, "year": 2001}],
}
REVIEW = {
    "reviewerId": "c",
    "input": "Generate the review: good.",
    "output": "y",
    "profile": [{"overall": "5.0", "summary": "S", "reviewText": "R", "description": "D"}],
}
TOPIC = {"author": "d", "input": "Generate the content: x", "output": "y", "profile": [{"input": "I", "output": "O"}]}


def write(folder, name, *records):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("".join(json.dumps(record) + "\n" for record in records))
    return SourceConfig(format="longlamp", path=str(folder))


@pytest.mark.parametrize(
    ("task", "record", "user", "query", "searched", "shown"),
    [
        ("email_completion_user", EMAIL, "a", "Re: Gas. text: Hello all", "X",
         '"T" is the title for "X" '),
        ("abstract_generation_temporal", ABSTRACT, "b", "k1, k2.", "T " + "w " * 800,
         f'"{" ".join(["w"] * 750)}" is the abstract for the title "T"'),
        ("product_review_user", REVIEW, "c", REVIEW["input"], "5.0 S D R",
         '"5.0" is a rating for the product with description "D". "S" is summary for "R" '),
        ("topic_writing_user", TOPIC, "d", TOPIC["input"], "I O", '"I" is a summary for "O" '),
    ],
)  # fmt: skip
@pytest.mark.parametrize("named", [True, False])
def test_each_task_is_read_as_the_benchmark_has_it(tmp_path, task, record, user, query, searched, shown, named):
    (example,) = load_split([write(tmp_path / (task if named else "mine"), "test.jsonl", record)], "test", None, 0)
    (document,) = example.profile
    assert (example.user_id, example.id, example.output) == (user, f"{user}-1", "y")
    assert searched_text(example, document) == searched
    assert shown_text(example, document) == shown
    assert query_of(example) == query


def test_what_is_known_of_a_document_is_kept(tmp_path):
    source = write(tmp_path, "train.jsonl", ABSTRACT, REVIEW)
    first, second = load_split([source], "train", None, 0)
    assert (first.profile[0].id, first.profile[0].date, first.profile[0].title) == ("7", "2001", "T")
    assert (second.profile[0].rating, second.profile[0].description) == (5.0, "D")


@pytest.mark.parametrize("name", ["val", "validation", "dev", "validation-00000-of-00001", "my_dev"])
def test_every_name_of_the_validation_split(tmp_path, name):
    source = write(tmp_path, f"{name}.jsonl", TOPIC)
    assert splits_of(source) == ["val"]
    assert len(load_split([source], "val", None, 0)) == 1


def test_shards_and_a_folder_named_data(tmp_path):
    write(tmp_path / "data", "train-00000-of-00002.jsonl", TOPIC)
    write(tmp_path / "data", "train-00001-of-00002.jsonl", TOPIC, {**TOPIC, "author": "e"})
    source = SourceConfig(format="longlamp", path=str(tmp_path))
    assert [e.id for e in load_split([source], "train", None, 0)] == ["d-1", "d-2", "e-3"]


def test_a_copy_of_all_tasks_and_the_name_of_one(tmp_path):
    write(tmp_path / "topic_writing_user", "test.jsonl", TOPIC)
    write(tmp_path / "email_completion_user", "test.jsonl", EMAIL)
    source = SourceConfig(format="longlamp", path=str(tmp_path), task="email_completion_user")
    assert [e.user_id for e in load_split([source], "test", None, 0)] == ["a"]
    assert sorted(path.name for _, path in detect(tmp_path)) == ["email_completion_user", "topic_writing_user"]


def test_two_files_for_a_split_are_an_error(tmp_path):
    write(tmp_path, "val.jsonl", TOPIC)
    with pytest.raises(DataError, match=r"found dev\.jsonl, val\.jsonl for the split val, expected one of them"):
        load_split([write(tmp_path, "dev.jsonl", TOPIC)], "val", None, 0)


def test_empty_outputs_and_documents_are_left_out_and_counted(tmp_path):
    empty = {**TOPIC, "profile": [{"input": "I", "output": None}, {"input": "I", "output": " "}, TOPIC["profile"][0]]}
    huge = {**TOPIC, "profile": [{"input": "I", "output": "x" * 20_000_000}]}
    source = write(
        tmp_path, "test.jsonl", empty, {**TOPIC, "output": ""}, {**TOPIC, "output": None}, huge,
        {**TOPIC, "profile": None},
    )  # fmt: skip
    lines = []
    report = LoadReport(strict=True, on_problem=lines.append)
    examples = load_split([source], "test", None, 0, report)
    assert [len(e.profile) for e in examples] == [1, 0, 0]
    assert dict(report.skipped) == {"empty output": 2}
    assert dict(report.noted) == {"document without text, skipped": 2, "text too long": 1}
    assert any("test.jsonl:4: field 'profile[0].output': found a text of 20,000,000 characters" in x for x in lines)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({**TOPIC, "input": None}, "field 'input': found nothing, expected text"),
        ({**TOPIC, "author": ["a"]}, "field 'author': found list, expected text"),
        ({k: v for k, v in TOPIC.items() if k != "author"}, "field 'name': found nothing, expected one of name"),
        ({k: v for k, v in TOPIC.items() if k != "output"}, "field 'output': found nothing, expected text"),
        ({**TOPIC, "profile": {"a": 1}}, "field 'profile': found dict, expected a list of documents"),
        ({**TOPIC, "profile": ["x"]}, "field 'profile[0]': found str, expected a document"),
        ({**TOPIC, "profile": [{"txt": "x"}]}, "field 'profile[0].output': found nothing"),
        (
            {**REVIEW, "author": "x", "profile": [{"output": "x", "overall": "five"}]},
            "field 'profile[0].overall': found",
        ),
    ],
)
def test_a_fault_names_file_line_and_field(tmp_path, record, message):
    source = write(tmp_path / "topic_writing_user", "test.jsonl", TOPIC, record, {**TOPIC, "author": "last"})
    with pytest.raises(DataError) as error:
        load_split([source], "test", None, 0)
    assert "test.jsonl:2: " + message in str(error.value)
    report = LoadReport()
    assert [e.user_id for e in read_split(source, "test", report)] == ["d", "last"]
    assert (report.rows, report.kept) == (3, 2)


def test_a_date_that_does_not_sort_is_left_out_and_noted(tmp_path):
    report = LoadReport(strict=True)
    odd = {**TOPIC, "profile": [{"input": "I", "output": "O", "reviewTime": "5. Januar"}]}
    (example,) = load_split([write(tmp_path, "test.jsonl", odd)], "test", None, 0, report)
    assert example.profile[0].date is None
    assert dict(report.noted) == {"invalid date, ignored": 1}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("04 20, 2013", "2013-04-20"),
        ("1366416000", "2013-04-20T00:00:00"),
        ("20240531120000", None),
        ("13 13, 2013", None),
    ],
)
def test_dates_as_amazon_writes_them(tmp_path, written, read):
    dated = {**TOPIC, "profile": [{"input": "I", "output": "O", "reviewTime": written}]}
    (example,) = load_split([write(tmp_path, "test.jsonl", dated)], "test", None, 0, LoadReport())
    assert example.profile[0].date == read


def test_examples_of_a_user_share_equal_documents(tmp_path):
    twice = {**TOPIC, "profile": [{"input": "I", "output": "O"}, {"input": "I", "output": "O"}]}
    first, second = load_split([write(tmp_path, "test.jsonl", twice, twice)], "test", None, 0)
    assert len({id(document) for document in (*first.profile, *second.profile)}) == 1


def test_a_repeated_id_is_named(tmp_path):
    source = write(tmp_path, "test.jsonl", {**TOPIC, "id": "1"}, {**TOPIC, "id": 1})
    with pytest.raises(DataError, match=r"test\.jsonl:2: field 'id': found '1' again"):
        load_split([source], "test", None, 0)
