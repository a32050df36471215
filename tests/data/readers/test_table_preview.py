"""How a table is understood before it is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from penname.data.load_report import LoadReport
from penname.data.readers.base import ReadingSettings, SourceFile
from penname.data.readers.choice import read_texts
from penname.data.readers.table_preview import preview_table
from penname.errors import DataError


def table(tmp_path: Path, content: str, name: str = "texts.csv") -> SourceFile:
    path = tmp_path / name
    path.write_text(content)
    return SourceFile(path, (path.name,))


def test_columns_and_first_rows_are_shown(tmp_path):
    rows = "".join(f"ada,{'word ' * 40}{n}\n" for n in range(9))
    found = preview_table(table(tmp_path, f"author,body\n{rows}"), ReadingSettings())
    assert (found.names, found.of_kinds) == (["author", "body"], {"user": "author", "text": "body"})
    assert len(found.rows) == 3
    assert found.rows[0][1].endswith("…")


def test_rows_of_json_have_columns_of_their_own(tmp_path):
    lines = '{"user": "ada", "text": "one"}\n{"user": "bo", "text": "two", "title": null}\n'
    found = preview_table(table(tmp_path, lines, "texts.jsonl"), ReadingSettings())
    assert found.names == ["user", "text", "title"]
    assert found.rows == [["ada", "one", ""], ["bo", "two", ""]]


def test_a_table_that_cannot_be_read_so_shows_what_is_known(tmp_path):
    file = table(tmp_path, "wer,was,Date\nada,eins,2024\n")
    assert preview_table(file, ReadingSettings()).of_kinds == {"date": "Date"}
    found = preview_table(file, ReadingSettings((("user", "wer"), ("date", "nowhere"))))
    assert found.of_kinds == {"user": "wer"}
    with pytest.raises(DataError, match="no row"):
        preview_table(table(tmp_path, "wer,was\n"), ReadingSettings())


def test_a_kind_of_column_may_be_left_out(tmp_path):
    file = table(tmp_path, "user,text,title\nada,one,first\n")
    settings = ReadingSettings((("user", ""), ("title", "")), author="me")
    assert preview_table(file, settings).of_kinds == {"text": "text"}
    (found,) = read_texts(file.path, settings, LoadReport())
    assert (found.document.user_id, found.document.title) == ("me", None)
