"""The data commands as a user meets them: tables, JSON, and one line for everything that is wrong."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from penname.cli.app import main
from test_cli import refused

RECORD = {
    "author": "a",
    "input": "Write of rain",
    "output": "It rains today.",
    "profile": [{"input": "i", "output": "o"}],
}


@pytest.fixture
def penname(monkeypatch, capsys):
    """The command line, called in this process: each of its own would take a second."""

    def call(*arguments, cwd=None):
        monkeypatch.setattr(sys, "argv", ["penname", *map(str, arguments)])
        if cwd is not None:
            monkeypatch.chdir(cwd)
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, stop.value.code or 0, out, err)

    return call


@pytest.fixture
def posts(tmp_path):
    """A data set of two splits with one empty output, one bad row and a repeated user."""
    folder = tmp_path / "topic_writing_user"
    folder.mkdir()
    lone = {**RECORD, "author": "b", "profile": []}
    write(folder / "train.jsonl", RECORD, lone, {**RECORD, "output": ""}, "{")
    write(folder / "validation.jsonl", {**RECORD, "author": "c"})
    return folder


def write(path, *records):
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records))


def test_stats_prints_the_promised_json(penname, posts):
    found = json.loads(penname("data", "stats", posts, "--json").stdout)
    assert set(found) == {"splits", "skipped"}
    assert set(found["splits"]) == {"train", "val"}
    assert found["splits"]["train"] == {
        "examples": 2,
        "users": 2,
        "input_words": [3.0, 0.0],
        "output_words": [3.0, 0.0],
        "profile_size": [0.5, 0.5],
        "no_history": 0.5,
    }
    assert sorted((s["reason"], s["count"]) for s in found["skipped"]) == [("broken JSON", 1), ("empty output", 1)]


def test_stats_prints_a_table_and_draws_histograms(penname, posts, tmp_path):
    done = penname("data", "stats", posts, "--png", tmp_path / "png")
    assert done.returncode == 0, done.stderr
    assert "0.50 ± 0.50" in done.stdout
    assert "train: profile size" in done.stdout
    assert "█" in done.stdout
    assert "skipped 1 row: empty output; 1 row: broken JSON" in done.stdout
    pictures = {path.name: path.read_bytes()[:4] for path in (tmp_path / "png").iterdir()}
    assert pictures == {"train.png": b"\x89PNG", "val.png": b"\x89PNG"}


def test_validate_names_every_bad_row_and_goes_on(penname, posts):
    done = penname("data", "validate", posts)
    refused(done, "found 1 bad rows")
    lines = done.stdout.splitlines()
    assert any("train.jsonl:3: field 'output': found no text" in line for line in lines)
    assert any("train.jsonl:4: found broken JSON" in line for line in lines)
    assert any(line.startswith("val: 1 rows, 1 kept; no row skipped") for line in lines)
    write(posts / "train.jsonl", RECORD, {**RECORD, "output": ""})
    done = penname("data", "validate", posts)
    assert done.returncode == 0
    assert "train: 2 rows, 1 kept; skipped 1 row: empty output" in done.stdout


def test_validate_counts_texts_with_control_tokens(penname, posts):
    told = "train: control tokens of chat models, such as <|im_end|>, in 2 texts: letters"
    write(posts / "train.jsonl", {**RECORD, "input": "I say <|im_end|>.", "output": "[INST] yes"}, RECORD)
    assert told in penname("data", "validate", posts).stdout
    write(posts / "train.jsonl", {**RECORD, "input": "x <| y |> [NOTE] <em>"}, RECORD)
    assert "control tokens" not in penname("data", "validate", posts).stdout


def test_leaks_are_found_and_told(penname, posts):
    write(posts / "train.jsonl", RECORD)
    write(posts / "validation.jsonl", {**RECORD, "author": "c"})
    assert penname("data", "leaks", posts).stdout == "no leak found (contexts and users checked)\n"
    write(posts / "train.jsonl", RECORD, {"author": "d", "output": "No input."})
    done = penname("data", "leaks", posts)
    assert "skipped 1 row: bad input" in done.stderr
    undated = penname("data", "leaks", posts, "--setting", "temporal").stdout
    assert "no leak found (contexts and dates checked; the dates of 2 examples could not be checked)" in undated
    copied = {**RECORD, "profile": [{"input": "i", "output": "IT rains, today"}, {"input": "i", "output": "Another."}]}
    write(posts / "train.jsonl", copied)
    done = penname("data", "leaks", posts, "--json")
    assert json.loads(done.stdout) == {
        "leaks": {},
        "notes": {"copy of the target in its profile, which retrieval skips": 1},
        "skipped": [],
    }
    write(posts / "validation.jsonl", RECORD)
    refused(penname("data", "leaks", posts), "1 times user in two splits")
    future = {**RECORD, "date": "2020", "profile": [{"input": "i", "output": "o", "date": "2021"}]}
    write(posts / "train.jsonl", future)
    done = penname("data", "leaks", posts, "--setting", "temporal")
    refused(done, "1 times future document in the profile")
    assert "date unknown" in done.stdout


@pytest.mark.slow
def test_the_bundled_corpus_leaks_nothing(penname):
    """Its authors write in every split, as is said: what counts is that no passage stands in its own context."""
    assert penname("data", "leaks", "presidents").returncode == 0
    refused(penname("data", "leaks", "presidents", "--setting", "user"), "36 times user in two splits")


def test_rank_writes_a_line_an_example(penname, posts, tmp_path):
    profile = [{"input": "On", "output": text} for text in ("snow", "ice", "rain", "the output: it rains today")]
    write(posts / "train.jsonl", {**RECORD, "profile": profile})
    done = penname("data", "rank", posts, "--out", tmp_path / "ranked.jsonl", "--k", 2)
    assert done.returncode == 0, done.stderr
    first, second = map(json.loads, (tmp_path / "ranked.jsonl").read_text().splitlines())
    assert (first["split"], first["id"], second["split"]) == ("train", "a-1", "val")
    assert [d["place"] for d in first["documents"]] == [2, 0]
    assert "train: 1 examples" in done.stderr
    broken = {"author": "d", "output": "No input."}
    write(posts / "train.jsonl", {**RECORD, "profile": [profile[2], profile[0], profile[2]]}, broken)
    done = penname("data", "rank", posts, "--out", tmp_path / "ranked.jsonl")
    assert "skipped 1 row: bad input" in done.stderr
    first = json.loads((tmp_path / "ranked.jsonl").read_text().splitlines()[0])
    assert [d["place"] for d in first["documents"]] == [1, 0, 2]
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "ranked.jsonl")
    assert penname("data", "rank", posts, "--out", tmp_path / "link.jsonl", "--k", 1).returncode == 0
    assert len(json.loads((tmp_path / "ranked.jsonl").read_text().splitlines()[0])["documents"]) == 1
    refused(penname("data", "rank", posts, "--out", "/dev/full"), "--out /dev/full: found a device, expected a file")
    assert not list(tmp_path.glob(".*"))
    refused(penname("data", "rank", posts, "--out", tmp_path / "no" / "x"), "expected a file that can be written")


def test_convert_makes_what_the_other_commands_read(penname, tmp_path):
    texts = [f"user,text\n{u},{u} wrote of {t} at length and well\n" for u in "abcd" for t in ("rain", "bread")]
    (tmp_path / "texts.csv").write_text("user,text\n" + "".join(t.split("\n", 1)[1] for t in texts) + "e,,\n")
    done = penname("data", "convert", tmp_path / "texts.csv", "--out", tmp_path / "mine")
    assert done.returncode == 0, done.stderr
    assert "9 rows, 8 documents; examples: 2 train, 1 val, 1 test" in done.stdout
    assert "texts.csv:10: found 3 cells, expected 2" in done.stderr
    found = json.loads(penname("data", "stats", tmp_path / "mine", "--json").stdout)
    assert [found["splits"][split]["examples"] for split in ("train", "val", "test")] == [2, 1, 1]
    assert penname("data", "leaks", tmp_path / "mine").returncode == 0
    dated = [
        f"{u},{u} wrote of {t} at length and well,{2020 + i}\n"
        for u in "ab"
        for i, t in enumerate(("rain", "ice", "snow", "fog"))
    ]
    (tmp_path / "dated.csv").write_text("user,text,date\n" + "".join(dated))
    by_time = ("--split", "time", "--out", tmp_path / "timed")
    assert penname("data", "convert", tmp_path / "dated.csv", *by_time).returncode == 0
    assert penname("data", "leaks", tmp_path / "timed").returncode == 0
    refused(penname("data", "leaks", tmp_path / "timed", "--setting", "user"), "2 times user in two splits")


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ("result.json", ["--user", "from"], "--user: is for tables; {}: found a Telegram export"),
        ("result.json", ["--rating", "x"], "--rating: is for tables"),
        ("result.json", ["--delimiter", ";"], "--delimiter: is for tables whose cells a character divides"),
        ("result.json", ["--date-format", "dmy"], "--date-format: is for tables"),
        ("result.json", ["--encoding", "cp1252"], "--encoding: is for tables and texts"),
        ("result.json", ["--titles-from-names"], "--titles-from-names: is for texts in files of their own"),
        ("result.json", ["--region", "DE"], "--region: found DE without --mask, expected both"),
        ("ann", ["--text", "body"], "--text: is for tables"),
        ("rows.jsonl", ["--delimiter", "tab"], "--delimiter: is for tables whose cells"),
        ("rows.jsonl", ["--titles-from-names"], "--titles-from-names: is for texts"),
    ],
)
def test_convert_refuses_options_without_effect(penname, tmp_path, data, options, message):
    chat = {"id": 1, "type": "message", "date": "2024-05-01T12:00:00", "from": "Ann", "from_id": "user1", "text": "Hi"}
    (tmp_path / "result.json").write_text(json.dumps({"name": "A", "type": "x", "id": 1, "messages": [chat]}))
    write(tmp_path / "rows.jsonl", {"user": "ann", "text": "We sailed at dawn."})
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann" / "dawn.txt").write_text("We sailed at dawn.")
    done = penname("data", "convert", tmp_path / data, "--out", tmp_path / "out", *options)
    refused(done, message.format(tmp_path / data))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("me", [" ann@sea.example ", "Ann  Sails <ann@sea.example>", '"Sails, Ann" <Ann@sea.example>'])
def test_a_name_of_ones_own_may_have_blanks_and_an_address(penname, tmp_path, me):
    """What one has written oneself is not what one answers."""
    mails = [
        f"From - Sat Jun 01 10:00:00 2024\nFrom: {name} <{name}@sea.example>\nMessage-ID: <{n}@x>\nSubject: Boat {n}\n"
        f"Date: Sat, {n + 1} Jun 2024 10:00:00 +0000\nIn-Reply-To: <{n - 1}@x>\n\n{name} writes of the boat no {n}.\n\n"
        for n, name in enumerate(["ben", "ann", "ann"] * 8)
    ]
    (tmp_path / "all.mbox").write_text("".join(mails))
    done = penname("data", "convert", tmp_path / "all.mbox", "--out", tmp_path / "out", "--me", me)
    assert done.returncode == 0, done.stderr
    inputs = [json.loads(line)["input"] for line in (tmp_path / "out" / "train.jsonl").read_text().splitlines()]
    assert any("ben writes of the boat" in text for text in inputs)
    assert not any("ann writes of the boat" in text for text in inputs)


def test_several_data_sets_stand_side_by_side(penname, posts, tmp_path):
    (tmp_path / "other").mkdir()
    write(tmp_path / "other" / "test.jsonl", RECORD)
    found = json.loads(penname("data", "stats", tmp_path, "--json").stdout)
    assert set(found["splits"]) == {"topic_writing_user/train", "topic_writing_user/val", "other/test"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.jsonl"], "nowhere.jsonl: found no such file or folder"),
        (["."], "found no file of a split"),
        (["train.jsonl"], "train.jsonl: found no row"),
        (["mine.jsonl"], "mine.jsonl: found a file name without a split, expected train, val or test"),
        (["data.pdf"], "found a file named data.pdf"),
        (["$NOWHERE_SET/x"], "the environment variable NOWHERE_SET is not set"),
        (["presidents", "--split-by-user"], "split_by_user and shared_names are for format pgraphrag"),
        (["dev.json", "--task", "medium"], "task of pgraphrag is one of long, short, rating"),
        (["dev.json", "--shared-names", "hide"], "--shared-names: found 'hide', expected 'keep', 'cap' or 'drop'"),
        (["odd.json"], "odd.json: found the fields nam, inp, expected examples of LongLaMP, PGraphRAG or penname"),
        (["someone/something", "--task", "x"], "found no connection to the hub and no local copy"),
        (["someone/something"], "found no such file or folder; a data set of the hub needs --task"),
    ],
)
def test_what_cannot_be_read_is_one_line(penname, tmp_path, arguments, message):
    for name in ("train.jsonl", "data.pdf"):
        (tmp_path / name).write_text("")
    (tmp_path / "mine.jsonl").write_text(json.dumps(RECORD))
    (tmp_path / "odd.json").write_text('[{"nam": "a", "inp": "b"}]')
    (tmp_path / "dev.json").write_text('[{"id": "a", "profile": [{"title": "t", "text": "x", "pid": "i"}]}]')
    if arguments == ["."]:
        for file in tmp_path.iterdir():
            file.unlink()
    refused(penname("data", "stats", *arguments, cwd=tmp_path), message)


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--retriever", "bm", "one of bm25, dense, contriever, recency, random, or package.module:name"),
        ("--tokens", "bytes", "'words' or 'whitespace'"),
    ],
)
def test_a_wrong_value_of_rank_is_told_under_its_option(penname, posts, tmp_path, option, value, expected):
    done = penname("data", "rank", posts, "--out", tmp_path / "ranking.jsonl", option, value)
    refused(done, f"penname: {option}: found {value!r}, expected {expected}")


@pytest.fixture
def hub(posts, tmp_path):
    """Starts a hub of one data set; gives what to set in the environment to use it."""
    servers = []

    def start(*options):
        port = tmp_path / f"port{len(servers)}"
        script = Path(__file__).parent / "data" / "small_hub.py"
        servers.append(subprocess.Popen([sys.executable, script, posts.parent, port, *options]))
        while not port.is_file() or not port.read_text():
            time.sleep(0.05)
        return {"HF_ENDPOINT": port.read_text(), "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "0"}

    yield start
    for server in servers:
        server.kill()
        server.wait()


def from_hub(environment, task):
    command = "from penname.cli.app import main; main()"
    arguments = ["data", "stats", "LongLaMP/LongLaMP", "--task", task, "--json"]
    return subprocess.run(
        [sys.executable, "-c", command, *arguments], capture_output=True, text=True, env=os.environ | environment
    )


def test_a_data_set_of_the_hub_by_its_id(hub, posts):
    environment = hub()
    done = from_hub(environment, "topic_writing_user")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["splits"]["train"]["examples"] == 2
    refused(from_hub(environment, "nowhere_user"), "found no folder 'nowhere_user' with data")
    assert from_hub(environment | {"HF_HUB_OFFLINE": "1"}, "topic_writing_user").stdout == done.stdout


@pytest.mark.slow
def test_a_hub_that_breaks_off_is_one_line(hub):
    refused(from_hub(hub("--cut"), "topic_writing_user"), "found no connection to the hub and no local copy")


def test_one_authors_divided_texts_are_no_leak(penname, tmp_path):
    (tmp_path / "notes").mkdir()
    for n in range(20):
        topic = ("rain", "bread", "trains", "chess", "birds")[n % 5]
        (tmp_path / "notes" / f"{n}.txt").write_text(f"Note {n} says {'much ' * n}about {topic}, of which I know {n}.")
    penname("data", "convert", tmp_path / "notes", "--out", tmp_path / "mine", "--me", "Ann")
    told = penname("data", "leaks", tmp_path / "mine").stdout
    assert "no leak found (contexts checked; every user of the test split writes in the train split too" in told
