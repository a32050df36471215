"""Files that users send over HTTP, in both databases."""

from __future__ import annotations

import gzip
import io
import os
import tempfile
import zipfile
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest
from tests.serve.running import wait_until
from tests.serve.serving import form
from tests.serve.uploading import ADA, ROWS_OF_2_MB, Upload, readers, suspended

from penname.serve.errors import ApiError
from penname.serve.private_folder import PREFIX, PrivateFolder, remove_leftovers
from penname.serve.uploads.documents import TooLarge, documents_of_files
from penname.serve.uploads.form import Form, Sent, form_of
from penname.serve.uploads.process import Allowance

CHAT = "".join(
    f"[{day:02}.02.2024, 10:00:00] {('Ann', 'Bob')[day % 2]}: Today I saw {word} in the garden, quite a lot of it\n"
    for day, word in enumerate(("rain", "sun", "hail", "snow", "fog", "ice", "dew", "frost"), 1)
)


def archive(**files):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(name.replace("__", "/"), content)
    return packed.getvalue()


FIRST, SECOND = "The garden was full of bees today.", "Nobody came to the old harbour again."
TABLE = f"when,body\n2024-01-01,{FIRST}\n,short\n"
ROWS = f'{{"text": "{FIRST}"}}\n' * 2
MAILS = f"""From ann@example.org Mon Jan  1 10:00:00 2024
From: Ann <ann@example.org>
Subject: Hi
Date: Mon, 1 Jan 2024 10:00:00 +0000

{FIRST}
"""
PAGE = f"<!doctype html><html><body><p>{FIRST}</p></body></html>"
LONG = b" a long text" * 1000
YEARS = archive(**{"2019__a.txt": FIRST, "2020__a.txt": SECOND})
NEAR = "near-duplicate of another document"
READ = {
    "a chat": ({"_chat.txt": CHAT}, ["Ann"], 4, {"by others": 4}),
    "a table without a user": ({"t.csv": TABLE}, [], 1, {"shorter than 5 words": 1}),
    "rows of JSON": ({"t.jsonl": ROWS}, [], 1, {NEAR: 1}),
    "texts of one name": ({"x.zip": YEARS}, [], 2, {}),
    "several files": ({"a.txt": FIRST, "b.md": SECOND}, [], 2, {}),
    "a page": ({"a.html": PAGE}, [], 1, {}),
    "mails": ({"Sent.mbox": MAILS}, [], 1, {}),
}


def sent(files):
    return [(name, content if isinstance(content, bytes) else content.encode()) for name, content in files.items()]


@pytest.mark.parametrize("name", READ)
def test_files_are_read_as_the_users_texts(client, name):
    given, me, number, skipped = READ[name]
    files = sent(given)
    answer = client("POST", f"{ADA}/documents", files=files, me=me)
    assert answer.status == 200, answer.body
    assert answer.json["documents"] == number == len(answer.json["ids"])
    assert {row["reason"]: row["count"] for row in answer.json["skipped"]} == skipped
    assert tempfile.gettempdir() not in answer.body.decode()
    again = client("POST", f"{ADA}/documents", files=files, me=me)
    assert again.json["ids"] == answer.json["ids"]
    assert len(client("GET", f"{ADA}/documents").json["data"]) == number
    assert not folders()


def test_the_user_may_be_named_in_the_address_too(client):
    answer = client("POST", f"{ADA}/documents?me=Bob&me=bob@example.org", files=[("_chat.txt", CHAT.encode())])
    assert (answer.status, answer.json["documents"]) == (200, 4)


def test_what_was_guessed_and_left_out_is_told(client):
    files = [("t.csv", f"body,date\n{FIRST},13/02/2024\n".encode()), ("photo.png", b"\x89PNG\r\n\x1a\n")]
    lines = client("POST", f"{ADA}/documents", files=files).json["lines"]
    assert any(line.startswith("t.csv: text from 'body'") for line in lines)
    assert any(line.startswith("photo.png: found a file that is not read") for line in lines)


@pytest.mark.parametrize(
    ("files", "me", "told"),
    [
        ({"_chat.txt": CHAT}, [], "me: found texts by several people, expected whose they are to be: Bob (4), Ann (4)"),
        ({"_chat.txt": CHAT}, ["Eve"], "me: found no text by 'Eve', expected an author: Bob (4), Ann (4)"),
        ({"x.zip": b"PK\x03\x04"}, [], "x.zip: found a broken archive"),
        ({"x.docx": b"PK\x03\x04"}, [], "x.docx"),
        ({"x.unknown": b"\0\1"}, [], "a file named x.unknown of no known format"),
        ({"a.txt": "Too short."}, [], "a.txt: found no text to keep (skipped 1 row: shorter than 5 words)"),
        ({"a.txt": ""}, [], "a.txt"),
        ({"": "text"}, [], "found a file without a name"),
        ({"../../": "text"}, [], "found a file without a name"),
        ({"a.txt": FIRST, "./a.txt": SECOND}, [], "found two files, or a file and a folder, of one name"),
        ({"a": FIRST, "a/b.txt": SECOND}, [], "found two files, or a file and a folder, of one name"),
        ({"a/b.txt": FIRST, "a": SECOND}, [], "found two files, or a file and a folder, of one name"),
    ],
)
def test_of_files_that_cannot_be_taken_nothing_is(client, files, me, told):
    answer = client("POST", f"{ADA}/documents", files=sent(files), me=me)
    assert answer.status == 400, answer.body
    assert told in answer.error["message"]
    assert tempfile.gettempdir() not in answer.error["message"]
    assert client("GET", ADA).status == 404


def test_a_name_may_be_longer_than_a_file_system_takes(client):
    assert client("POST", f"{ADA}/documents", files=sent({"日" * 200 + ".txt": FIRST})).status == 200


@pytest.mark.parametrize(
    ("name", "content", "size"),
    [
        ("x.txt", LONG, len(LONG)),
        ("x.jsonl.gz", gzip.compress(LONG), len(LONG)),
        ("x.jsonl.gz", gzip.compress(LONG[:100]) + gzip.compress(LONG[100:]), len(LONG)),
        ("x.zip", archive(a__a=LONG, b=b"text"), len(LONG) + 4),
        ("x.zip", archive(**{"a.jsonl.gz": gzip.compress(LONG)}), len(LONG)),
    ],
    ids=["plain", "gzip", "two gzips in one", "zip", "gzip in zip"],
)
def test_files_with_more_in_them_than_may_be_read_are_refused(name, content, size, tmp_path):
    with pytest.raises(TooLarge):
        documents_of_files([Sent(name, content)], tmp_path / "a", "ada", [], size - 1)
    with suppress(ApiError):  # some are large enough, but no texts
        documents_of_files([Sent(name, content)], tmp_path / "b", "ada", [], size)


def test_the_columns_of_parquet_count_unpacked(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    content = io.BytesIO()
    words = [f"Text {n} of {'bees ' * 500}" for n in range(100)]
    parquet.write_table(pa.table({"text": words}), content, compression="zstd", use_dictionary=False)
    files = [Sent("x.parquet", content.getvalue())]
    assert len(content.getvalue()) < 50_000
    with pytest.raises(TooLarge):
        documents_of_files(files, tmp_path / "a", "ada", [], 200_000)
    assert documents_of_files(files, tmp_path / "b", "ada", [], 500_000).rows == 100


def test_a_text_that_many_rows_of_parquet_share_counts_for_each(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    content = io.BytesIO()
    titles = pa.array(["bees " * 2000] * 300).dictionary_encode()
    table = pa.table({"text": [f"Text {n} of some words." for n in range(300)], "title": titles})
    parquet.write_table(table, content, compression="zstd")
    files = [Sent("x.parquet", content.getvalue())]
    assert len(content.getvalue()) < 50_000
    with pytest.raises(TooLarge):
        documents_of_files(files, tmp_path / "a", "ada", [], 2_000_000)
    assert documents_of_files(files, tmp_path / "b", "ada", [], 4_000_000).rows == 300


def test_more_documents_than_a_request_may_bring_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr("penname.serve.uploads.documents.MOST_DOCUMENTS", 2)
    rows = "".join(f'{{"text": "{noun} and rain on {noun} and snow"}}\n' for noun in ("roofs", "hills", "ponds"))
    with pytest.raises(ApiError, match="found 3 texts, expected at most 2 in a request"):
        documents_of_files([Sent("x.jsonl", rows.encode())], tmp_path, "ada", [], 10_000)


def test_a_form_is_taken_apart_in_memory(monkeypatch):
    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", lambda file: pytest.fail("a text is on the disk"))
    content, kind = form([("x.jsonl", ROWS_OF_2_MB), ("b.txt", b"b")], ["Ada"])
    assert form_of(kind, content) == Form([Sent("x.jsonl", ROWS_OF_2_MB), Sent("b.txt", b"b")], ["Ada"])


@pytest.mark.parametrize("charset", ["undefined", "idna", "no-such"])
def test_a_form_of_an_unknown_encoding_is_no_fault_of_the_server(client, charset):
    content, kind = form([("a.txt", FIRST.encode())], ["Adä"])
    answer = client("POST", f"{ADA}/documents", content=content, headers={"Content-Type": f"{kind}; charset={charset}"})
    assert answer.status in (200, 400), answer.body


@pytest.fixture
def paused(client):
    """An upload whose reader is paused."""
    upload = Upload(client)
    with suspended():
        yield upload
    assert upload.answer


def folders():
    """Folders in which the names of files are, while they are read."""
    return list(Path(tempfile.gettempdir()).glob(f"{PREFIX}{os.getpid()}-*"))


@pytest.mark.parametrize("has_begun", [False, True])
def test_files_that_end_their_reader_end_nothing_else(client, has_begun):
    """As a fault in a library may: it is killed here before it begins, or while it reads."""
    upload = Upload(client)
    wait_until(readers)
    if has_begun:
        wait_until(lambda: any(list(folder.rglob("x.jsonl")) for folder in folders()))
    for process in readers():
        process.kill()
    assert (upload.answer.status, upload.answer.error["code"]) == (400, "invalid_value")
    assert "end the program that reads them" in upload.answer.error["message"]
    assert client("GET", ADA).status == 404
    assert not folders()
    assert client("POST", f"{ADA}/documents", files=[("a.txt", FIRST.encode())]).status == 200


def test_files_that_take_too_long_to_read_are_refused(client, monkeypatch):
    deep = gzip.compress(b"[" + b"[]," * 40_000_000, 1)
    monkeypatch.setattr("penname.serve.uploads.uploads.LARGE", Allowance(1, 2**27))
    answer = client("POST", f"{ADA}/documents", files=[("x.json.gz", deep)])
    assert (answer.status, "take too much memory or time" in answer.error["message"]) == (400, True)


def test_a_user_who_is_forgotten_while_files_are_read_stays_so(client, request):
    client("PUT", ADA)
    upload = request.getfixturevalue("paused")
    assert client("DELETE", ADA).status == 200
    assert (upload.answer.status, upload.answer.error["code"]) == (404, "user_not_found")
    assert client("GET", ADA).status == 404
    assert not readers()
    assert not folders()


@pytest.mark.usefixtures("paused")
def test_small_files_do_not_wait_for_large_ones_however_they_are_packed(client):
    assert client("POST", f"{ADA}/documents", files=[("a.jsonl.gz", gzip.compress(ROWS.encode()))]).status == 200


def test_a_tenant_waits_for_its_own_large_files_alone_and_not_for_long(
    server, served_store, client, monkeypatch, paused
):
    monkeypatch.setattr("penname.serve.uploads.turns.SECONDS_TO_WAIT", 1)
    rows = gzip.compress(ROWS_OF_2_MB)
    waits = client("POST", f"{ADA}/documents", files=[("x.jsonl.gz", rows)])
    assert (waits.status, waits.error["code"], waits.headers["retry-after"]) == (429, "server_busy", "1")
    other = server.with_key(served_store.add_key("another tenant"))
    assert other("POST", f"{ADA}/documents", files=[("x.jsonl.gz", rows)]).status == 200


def test_reading_ends_when_the_client_hangs_up(client):
    content, kind = form([("x.txt", FIRST.encode() * 100_000)], [])
    connection = HTTPConnection("127.0.0.1", client.port, timeout=60)
    headers = {"Authorization": f"Bearer {client.key}", "Content-Type": kind}
    connection.request("POST", f"{ADA}/documents", content, headers)
    with suspended():
        connection.close()
        wait_until(lambda: not readers())
    wait_until(lambda: not folders())
    assert client("GET", ADA).status == 404


def test_leftovers_of_a_server_that_was_killed_are_deleted(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    killed, earlier, starting = (tmp_path / f"{PREFIX}{name}" for name in ("killed", "earlier", "starting"))
    for folder in (killed, earlier, starting):
        folder.mkdir()
    (killed / "lock").touch()
    running = PrivateFolder()
    for folder in (killed, earlier, running.outer):
        os.utime(folder, (0, 0))
    remove_leftovers()
    assert set(tmp_path.iterdir()) == {starting, running.outer}
    running.close()
    assert set(tmp_path.iterdir()) == {starting}
