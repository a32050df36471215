"""Rows of every format come in whole; what cannot be read is one line each, and the rows around it are kept."""

import gzip
import json
import zlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penname.data.load_report import LoadReport
from penname.data.rows import read_rows
from penname.errors import DataError

RECORDS = [{"name": "ann", "text": "Grüße — naïve 😀"}, {"name": "bob", "text": 'a "quoted", text\nof two lines'}]


def read(path):
    lines = []
    report = LoadReport(on_problem=lines.append)
    rows = list(read_rows(path, report))
    assert report.rows == len(rows) + sum(report.skipped.values())
    assert all("\n" not in line for line in lines)
    return rows, lines


def json_lines(records=RECORDS):
    return "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records)


def csv_text(separator):
    rows = [",".join(["name", "text"]), "ann,Grüße — naïve 😀", 'bob,"a ""quoted"", text\nof two lines"']
    return (
        "\n".join(rows).replace(",", separator, 1)
        if separator == ","
        else ('name\ttext\nann\tGrüße — naïve 😀\nbob\t"a ""quoted"", text\nof two lines"')
    )


def test_every_whole_line_of_a_broken_gzip_is_read(tmp_path):
    """As many as zlib unpacks; several files in one are one."""
    content = b"".join(b'{"n": %d, "text": "%d"}\n' % (n, hash(n * n)) for n in range(3000))
    packed = gzip.compress(content)
    path = tmp_path / "a.jsonl.gz"
    for whole, count, fault in (
        (packed[: len(packed) // 2], None, "found a gzip file that ends early; the rest is not read"),
        (packed[:-4], 3000, "ends early"),
        (packed[:-8] + b"12345678", 3000, "found a broken gzip file (Error -3 while decompressing data"),
        (packed + b"garbage", 3000, "found a broken gzip file"),
        (packed + gzip.compress(b'{"n": 3000}\n'), 3001, None),
    ):
        path.write_bytes(whole)
        rows, told = read(path)
        unpacked = zlib.decompressobj(31).decompress(whole) if count is None else b""
        assert len(rows) == (unpacked.count(b"\n") if count is None else count)
        faults = [line for line in told if "gzip" in line]
        assert len(faults) == (fault is not None)
        assert fault is None or fault in faults[0]


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(
    ("name", "content", "lines"),
    [
        ("a.jsonl", json_lines().encode(), [1, 2]),
        ("a.jsonl", b"\xef\xbb\xbf" + json_lines().encode(), [1, 2]),
        ("a.jsonl", json_lines().encode("utf-16"), [1, 2]),
        ("a.json", json_lines().encode(), [1, 2]),
        ("a.json", json.dumps(RECORDS, indent=1).encode(), [2, 6]),
        ("a.csv", csv_text(",").encode(), [2, 3]),
        ("a.tsv", csv_text("\t").encode(), [2, 3]),
    ],
)
def test_every_format_gives_the_same_records(tmp_path, name, content, lines, zipped):
    path = tmp_path / (name + ".gz" if zipped else name)
    path.write_bytes(gzip.compress(content) if zipped else content)
    rows, told = read(path)
    assert [record for _, record in rows] == RECORDS
    assert [line for line, _ in rows] == lines
    assert told == []


def test_parquet_with_nested_records_and_dates(tmp_path):
    import datetime

    table = pa.Table.from_pylist([{"n": 1, "profile": [{"text": "x", "date": datetime.date(2020, 1, 2)}]}, {"n": 2}])
    pq.write_table(table, tmp_path / "a.parquet")
    rows, told = read(tmp_path / "a.parquet")
    assert rows == [(1, {"n": 1, "profile": [{"text": "x", "date": "2020-01-02"}]}), (2, {"n": 2, "profile": None})]
    assert told == []


@pytest.mark.parametrize(
    ("name", "content", "kept", "message"),
    [
        ("a.jsonl", b'{"n": 1}\n{"n": \n{"n": 3}\n', [1, 3], "a.jsonl:2: found broken JSON"),
        ("a.jsonl", b'{"n": 1}\n[2]\n{"n": 3}\n', [1, 3], "a.jsonl:2: found list, expected a JSON object"),
        ("a.jsonl", b'{"n": 1}\n' + b'{"n": ' * 100_000, [1], "a.jsonl:2: found broken JSON"),
        ("a.json", b'[{"n": 1},\n {"n": 2', [1], "a.json:2: found broken JSON"),
        ("a.json", b'[{"n": 1},\n {"n": 2}\n', [1, 2], "a.json:3: found the end of the file, expected the list's end"),
        ("a.json", b'[{"n": 1}]\n x', [1], "a.json:1: found "),
        ("a.csv", b"n,m\n1,2\n3\n4,5\n", ["1", "4"], "a.csv:3: found 1 cells, expected 2, as in the header"),
        ("a.csv", b'n,m\n1,"2\n3,4\n5,6\n', ["3", "5"], "a.csv:2: found a broken row (unexpected end of data)"),
        ("a.csv", b'n,m\n1,"' + b"He said, so\n" * 100_000 + b'"\n3,4\n', ["3"], "a.csv:2: found a text of 1,200,000 "),
        ("a.parquet", b"PAR1 and no more", [], "a.parquet: found broken Parquet"),
        ("a.csv.gz", gzip.compress(b"n,m\n" + b"1,2\n" * 99, mtime=0)[:-20], None, "found a gzip file that ends early"),
        ("a.jsonl.gz", gzip.compress(b'{"n": 1}\n' * 5000, mtime=0)[:-20], None, "found a gzip file that ends early"),
    ],
)
def test_a_fault_is_one_line_and_the_rest_is_kept(tmp_path, name, content, kept, message):
    (tmp_path / name).write_bytes(content)
    rows, told = read(tmp_path / name)
    assert len(told) == 1
    assert message in told[0]
    if kept is not None:
        assert [record["n"] for _, record in rows] == kept


def test_bytes_of_another_encoding_leave_the_other_characters(tmp_path):
    (tmp_path / "a.jsonl").write_bytes('{"t": "caf\u00e9 au lait"}\n{"t": "ok"}\n'.encode("latin-1"))
    rows, told = read(tmp_path / "a.jsonl")
    assert [record["t"] for _, record in rows] == ["caf\ufffd au lait", "ok"]
    assert len(told) == 1
    assert "a.jsonl:1: found 1 byte sequences that are not UTF-8, expected UTF-8" in told[0]


def test_unpaired_surrogates_are_replaced_and_named(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"t": ["\\ud83d and \\ud83d\\ude00"]}\n')
    rows, told = read(tmp_path / "a.jsonl")
    assert rows[0][1] == {"t": ["\ufffd and 😀"]}
    assert "1 unpaired surrogates" in told[0]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b"", "found no row, expected at least one"),
        ("a.jsonl", b"\n \n", "found no row"),
        ("a.json", b"[]", "found no row"),
        ("a.csv", b"user,text\n", "found no row"),
        (
            "a.csv",
            b"user,text,text\na,b,c\n",
            "a.csv:1: found the columns user, text, text, expected each name only once",
        ),
        ("a.docx", b"x", "found a file named a.docx, expected one that ends in .jsonl"),
        ("a.csv.zip", b"x", "found a file named a.csv.zip"),
    ],
)
def test_a_file_without_rows_is_an_error(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read(tmp_path / name)
    with pytest.raises(DataError, match="no such file"):
        read(tmp_path / "other.jsonl")


def test_strict_raises_the_first_bad_row(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'{"n": 1}\n{\n{\n')
    with pytest.raises(DataError, match=r"a\.jsonl:2"):
        list(read_rows(tmp_path / "a.jsonl", LoadReport(strict=True)))
