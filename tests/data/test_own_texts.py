"""One author's texts of a table: with and without a column for the user."""

import json

import pytest

from penname.data.load_report import LoadReport
from penname.data.own_texts import own_texts
from penname.errors import ArgumentError

TEXT = "The garden was full of bees today"


def written(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    return tmp_path / name


def test_a_table_without_a_column_for_the_user_is_the_users(tmp_path):
    path = written(tmp_path, "t.csv", f"body,date\n{TEXT},2024-05-31\n")
    (document,) = own_texts(path, "ada", (), LoadReport(), lambda line: None)
    assert (document.user_id, document.text, document.date) == ("ada", TEXT, "2024-05-31")


def test_rows_that_name_nobody_are_nobodys_beside_those_that_do(tmp_path):
    rows = [{"author": "Ann", "text": f"{TEXT} one"}, {"text": f"{TEXT} two"}, {"author": "Bob", "text": "Other words"}]
    path = written(tmp_path, "t.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    report = LoadReport()
    found = own_texts(path, "ada", ["ann"], report, lambda line: None)
    assert [document.text for document in found] == [f"{TEXT} one"]
    assert dict(report.skipped) == {"missing column": 1, "by others": 1}
    with pytest.raises(ArgumentError, match=r"me: found texts by several people, .*: Ann \(1\), Bob \(1\)"):
        own_texts(path, "ada", (), LoadReport(), lambda line: None)
