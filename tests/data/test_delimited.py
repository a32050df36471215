"""The delimiter of a table is told by its rows, or named by an option."""

import pytest

from penname.data.delimited import delimiter_named
from penname.data.load_report import LoadReport
from penname.data.rows import read_rows
from penname.errors import ArgumentError, DataError


def read(tmp_path, content, delimiter=None, name="a.csv"):
    (tmp_path / name).write_text(content)
    lines = []
    report = LoadReport(on_problem=lines.append)
    return [record for _, record in read_rows(tmp_path / name, report, delimiter=delimiter)], lines


@pytest.mark.parametrize(
    "content",
    [
        "user,text\nann,\"a, b; c\"\nbob,d\n",
        "user;text\nann;a, b: c\nbob;d, e, f\n",
        'user;"a text, or none"\nann;a, b\nbob;"c;d"\n',
        '"user;x",text\nann,b\nbob,c\n',
        "user;text;rating\nann;It is, well, good;4,5\nbob;b;3,0\n",
        "user|text\nann|a, b; c\nbob|d\n",
        "user^text\nann^a, b\nbob^d\n",
        "user~text\nann~a, b\nbob~d\n",
        "user\ttext\nann\ta, b\nbob\td\n",
        "user\x01text\nann\x01a, b\nbob\x01d\n",
        "sep=;\nuser;text\nann;b\nbob;c\n",
        '"sep=|"\nuser|text\nann|b\nbob|c\n',
        'user;last, first;text\nann;a;b\nbob;c;"d, e"\n',
        'user,"text | note"\nann,b\nbob,"c | d"\n',
        'user;text\nann;"two\nlines, here"\nbob;c\n',
        "user;text;url\nann;b;http://x.org:80\nbob;c;12:30\n",
    ],
)  # fmt: skip
def test_the_delimiter_is_told(tmp_path, content):
    rows, _ = read(tmp_path, content)
    assert [next(iter(row.values())) for row in rows] == ["ann", "bob"]
    assert all(len(row) > 1 and None not in row.values() for row in rows)


def test_another_delimiter_than_the_name_says_is_noted(tmp_path):
    assert read(tmp_path, "a,b\n1,2\n")[1] == []
    (line,) = read(tmp_path, "a;b\n1;2\n")[1]
    assert "a.csv:1: found the delimiter ';', expected a comma, as the name says; it is read with the other one" in line
    assert read(tmp_path, "a,b\n1,2\n", name="a.tsv")[0] == [{"a": "1", "b": "2"}]


def test_a_column_alone_has_no_delimiter(tmp_path):
    assert read(tmp_path, "text\nhello\nyou; there\n")[0] == [{"text": "hello"}, {"text": "you; there"}]


def test_a_delimiter_that_is_named_is_taken(tmp_path):
    rows, lines = read(tmp_path, "user:text, long\nann:a, b\nbob:c\n", delimiter=":")
    assert rows == [{"user": "ann", "text, long": "a, b"}, {"user": "bob", "text, long": "c"}]
    assert lines == []
    with pytest.raises(DataError, match=r"a.csv:1: found the header 'user,text', expected the delimiter ';' in it"):
        read(tmp_path, "user,text\nann,b\n", delimiter=";")


@pytest.mark.parametrize(
    ("name", "delimiter"), [(None, None), ("tab", "\t"), ("\\t", "\t"), ("Semicolon", ";"), ("¦", "¦"), ("x", "x")]
)
def test_names_of_delimiters(name, delimiter):
    assert delimiter_named(name) == delimiter


@pytest.mark.parametrize("name", ["", ";;", "\n", '"', "tabs"])
def test_other_names_are_refused(name):
    with pytest.raises(ArgumentError, match=r"delimiter: found .*, expected one character, or tab"):
        delimiter_named(name)
