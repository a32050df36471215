"""The page on which models are trained: a run is planned, begun, watched, paused, gone on with and deleted."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psutil
import pytest
from huggingface_hub import constants
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait
from tests.studio.hostile import as_file_name, check_is_text, check_nothing_ran, hostile_texts
from tests.studio.keys import check_keys
from tests.studio.looks import check_console, check_looks
from tests.studio.studios import Studio, running_studio
from tests.studio.train_runs import SUBJECTS, add_documents, copy_run, finished_run

from penname.data.records import Document
from penname.data.sources import load_split
from penname.runs.folder import read_records, write_records
from penname.runs.progress import POSITION, format_duration
from penname.serve.access import LOCAL_TENANT
from penname.serve.store.opening import open_store
from penname.serve.store.records import Feedback
from penname.session.stage_names import training
from penname.shipped import shipped_recipes
from penname.studio.train import processes, watched
from penname.studio.train.documents import DATA_FOLDER
from penname.studio.train.offers import OFFERS
from penname.studio.train.request import RunRequest, planned

BEGUN = {"arguments": ["train", "laptop"], "folder": "/", "users": 1, "pid": 0, "created": 0.0}
OWN = {"recipe": "own", "data": "own", "whose": "all"}


@pytest.fixture(scope="module")
def people(studio: Studio, bundled: str) -> Studio:
    """A studio with documents of two people. bundled: whose tokens are counted."""
    for user in ("ada", "bob"):
        add_documents(studio.store, user)
    return studio


@pytest.fixture
def runs(studio: Studio) -> Iterator[Path]:
    """The studio's folder of runs, which is left as it was."""
    known = set(studio.runs.iterdir())
    yield studio.runs
    for folder in set(studio.runs.iterdir()) - known:
        if processes.holder(folder) is not None:
            processes.pause(folder)
            wait_until(lambda folder=folder: processes.holder(folder) is None)
        shutil.rmtree(folder)


@pytest.fixture
def run(tiny_model: Path, notes: Path, tmp_path_factory: pytest.TempPathFactory, runs: Path) -> Path:
    """A run that is finished."""
    return copy_run(finished_run(tiny_model, notes, tmp_path_factory), runs, "tiny")


def wait_until(is_so: Any, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.02)


def text_of(browser: Any, selector: str) -> str:
    return browser.execute_script("return document.querySelector(arguments[0])?.innerText ?? ''", selector)


def wait_for_text(browser: Any, selector: str, text: str, seconds: float = 30.0) -> None:
    WebDriverWait(browser, seconds, 0.05).until(lambda _: text in text_of(browser, selector))


def tab_to(browser: Any, selector: str) -> Any:
    """The element that the tab key leads to."""
    for _ in range(60):
        focused = browser.switch_to.active_element
        if browser.execute_script("return arguments[0].matches(arguments[1])", focused, selector):
            return focused
        focused.send_keys(Keys.TAB)
    raise AssertionError(f"the tab key does not lead to {selector}")


def plain(body: bytes) -> str:
    """A page's text."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body.decode())).split())


def test_a_run_is_begun_paused_and_deleted_by_keyboard_alone(people, browser, runs):
    people.enter(browser, "/train")
    tab_to(browser, "a[href$='/train/new']").send_keys(Keys.ENTER)
    WebDriverWait(browser, 10, 0.05).until(lambda _: browser.current_url.endswith("/train/new"))
    tab_to(browser, "#name").send_keys(Keys.CONTROL, "a")
    browser.switch_to.active_element.send_keys("by-hand")
    tab_to(browser, "#whose-all").send_keys(Keys.ARROW_DOWN)
    ticked = tab_to(browser, "input[name=user][value=bob]")
    ticked.send_keys(Keys.SPACE)
    tab_to(browser, "#to-plan").send_keys(Keys.ENTER)
    wait_for_text(browser, "#plan", "Plan of by-hand")
    assert "10 documents of 1 person" in text_of(browser, "#plan")
    assert browser.switch_to.active_element.get_attribute("id") == "plan-title"
    assert not (runs / "by-hand").exists()
    tab_to(browser, "#start").send_keys(Keys.ENTER)
    wait_for_text(browser, "#status", "Starting")
    tab_to(browser, "#action").send_keys(Keys.ENTER)
    wait_for_text(browser, "#status", "Paused")
    assert text_of(browser, "#action") == "Go on"
    written = "".join(path.read_text() for path in (runs / "by-hand" / "texts").iterdir())
    assert "bob said" in written
    assert "ada said" not in written
    tab_to(browser, "#delete summary").send_keys(Keys.ENTER)
    tab_to(browser, "#typed").send_keys("by-hand", Keys.ENTER)
    WebDriverWait(browser, 10, 0.05).until(lambda _: browser.current_url.endswith("/train"))
    assert not (runs / "by-hand").exists()
    check_console(browser)


def test_a_page_that_is_open_shows_what_comes(studio, browser, run):
    studio.enter(browser, "/train/runs/tiny")
    assert "Done" in text_of(browser, "#status")
    assert browser.find_elements(By.CSS_SELECTOR, "#chart canvas")
    steps = "return document.querySelector('#curves tbody tr:last-child td').innerText"
    before = int(browser.execute_script(steps))
    stage = run / training("rest-em/iteration-1") / "losses.jsonl"
    with stage.open("a") as file:
        file.write(f'{{"step": {before + 1}, "loss": 0.25}}\n')
    WebDriverWait(browser, 10, 0.05).until(lambda _: browser.execute_script(steps) == str(before + 1))
    check_console(browser)


@pytest.mark.slow
def test_a_page_tells_that_the_studio_does_not_answer_until_it_does(served_run, run, tmp_path, opened):
    with open_store(f"sqlite:///{tmp_path}/penname.db") as store:
        with running_studio(store, served_run, run.parent) as studio:
            studio.enter(opened, "/train/runs/tiny")
            assert text_of(opened, "#silent") == ""
        wait_for_text(opened, "#silent", "The studio does not answer")
        before = len(opened.get_log("browser"))
        time.sleep(3)
        assert before + len(opened.get_log("browser")) < 9  # not one each half second
        with running_studio(store, served_run, run.parent, studio.port):
            WebDriverWait(opened, 10, 0.05).until(lambda _: text_of(opened, "#silent") == "")
    opened.get_log("browser")


def stream(studio: Studio, path: str, last: str | None, most: int) -> list[tuple[str, str, str]]:
    """Events of a stream until so many have come, or none comes for a while: their ids, kinds and data."""
    connection = HTTPConnection("127.0.0.1", studio.port, timeout=0.4)
    cookie = f"penname-studio-{studio.port}={studio.session.cookie}"
    found: list[tuple[str, str, str]] = []
    try:
        connection.request(
            "GET", f"/studio{path}", headers={"Cookie": cookie} | ({"Last-Event-ID": last} if last else {})
        )
        response, lines = connection.getresponse(), []
        assert response.getheader("content-type").startswith("text/event-stream")
        while len(found) < most:
            line = response.readline().decode().rstrip("\n")
            lines.append(line)
            if line == "":
                fields = [part.partition(": ")[::2] for part in lines]
                values = {name: "\n".join(v for n, v in fields if n == name) for name, _ in fields}
                if "event" in values:
                    found.append((values["id"], values["event"], values["data"]))
                lines = []
    except TimeoutError:
        pass
    finally:
        connection.close()
    return found


def test_fifty_broken_connections_leave_nothing_out_and_send_nothing_twice(studio, run, monkeypatch):
    monkeypatch.setattr(watched, "SECONDS_BETWEEN_LOOKS", 0.0)
    losses = run / training("sft") / "losses.jsonl"
    path, last, seen = "/train/runs/tiny/events", None, []
    for number in range(50):
        with losses.open("a") as file:
            file.write(f'{{"step": {1000 + number}, "loss": {number}.5}}\n')
        events = stream(studio, path, last, len(watched.PARTS) if number == 0 else 2)
        last, seen = events[-1][0], seen + events
    assert sorted(kind for _, kind, _ in seen[: len(watched.PARTS)]) == sorted(watched.PARTS)
    rest = seen[len(watched.PARTS) :]
    assert [kind for _, kind, _ in rest] == ["losses", "points"] * 49
    assert all(f">{1001 + number // 2:,}<" in text for number, (_, _, text) in enumerate(rest))
    assert stream(studio, path, last, 1) == []


def test_two_open_pages_and_another_studio_show_the_same(studio, run):
    first, second = (studio.ask("GET", "/train/runs/tiny", HX_Request=None) for _ in range(2))
    assert first.body == second.body
    shown = plain(first.body)
    assert "Done" in shown
    assert "rest-em, iteration 1" in shown
    assert "Best samples of rest-em, iteration 1" in shown
    assert "Results" in shown


def test_all_samples_are_read_a_page_at_a_time(studio, run):
    rewards = []
    for at in range(1, 6):
        shown = plain(studio.ask("GET", f"/train/runs/tiny/samples?order=best&at={at}", HX_Request=None).body)
        rewards += [float(found) for found in re.findall(r"Reward (\d\.\d+)", shown)]
    assert rewards == sorted(rewards, reverse=True)
    assert len(rewards) > 30


@pytest.mark.parametrize(
    ("form", "status", "message"),
    [
        ({"name": "../x"}, 400, "letters without accents"),
        ({"name": ""}, 400, "letters without accents"),
        ({"name": ".studio-secret"}, 400, "letters without accents"),
        ({"name": "a" * 61}, 400, "letters without accents"),
        ({"name": "a" * 500}, 400, "name"),
        ({"name": "TINY"}, 400, "already"),
        ({"name": "x\0"}, 400, "letters without accents"),
        ({"recipe": "nothing"}, 400, "expected one of"),
        ({"recipe": "quickstart"}, 400, "has data of its own"),
        ({"data": "recipe"}, 400, "has no data of its own"),
        ({"whose": "some"}, 400, "tick one or more"),
        ({"whose": "some", "user": "nobody"}, 404, "found an id that no user has"),
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["/train/new/plan", "/train/runs"])
def test_what_cannot_be_begun_is_said_in_a_line_and_leaves_nothing(people, run, form, status, message, path):
    before = sorted(people.runs.iterdir())
    answer = people.ask("POST", path, {"name": "new", **OWN, **form})
    assert (answer.status, answer.headers["hx-retarget"]) == (status, "#alert")
    assert message in plain(answer.body)
    assert sorted(people.runs.iterdir()) == before


@pytest.mark.parametrize("name", ["nothing", "..", "%2e%2e", ".", "%00", "a%2Fb", ".studio-secret", "x" * 300])
@pytest.mark.parametrize("path", ["", "/events", "/samples"])
def test_a_run_that_is_not_there(studio, name, path):
    assert studio.ask("GET", f"/train/runs/{name}{path}", HX_Request=None).status == 404


def test_a_run_is_deleted_only_by_its_name_and_not_while_it_goes(studio, run):
    assert "another one than the run's" in plain(studio.ask("POST", "/train/runs/tiny/delete", {"typed": "x"}).body)
    assert studio.ask("POST", "/train/runs/tiny/pause").status == 400
    assert studio.ask("POST", "/train/runs/tiny/go-on").status == 400
    assert run.is_dir()
    assert studio.ask("POST", "/train/runs/tiny/delete", {"typed": "tiny"}).headers["hx-redirect"] == "/studio/train"
    assert not run.exists()


def test_nothing_of_a_forgotten_person_is_planned_or_begun(people, runs):
    add_documents(people.store, "gone", 10)
    form = {"name": "without", "recipe": "own", "data": "own", "whose": "some", "user": "gone"}
    assert "10 documents of 1 person" in plain(people.ask("POST", "/train/new/plan", form).body)
    assert people.store.forget(LOCAL_TENANT, "gone")
    assert people.ask("POST", "/train/runs", form).status == 404
    assert "gone" not in plain(people.ask("GET", "/train/new?user=gone", HX_Request=None).body)
    assert "2 people" in plain(people.ask("POST", "/train/new/plan", {"name": "without", **OWN}).body)
    assert not (runs / "without").exists()


def test_what_was_chosen_and_edited_in_write_is_trained_on_and_not_tested_with(people, runs):
    add_documents(people.store, "writer", 12)
    request = RunRequest("taken", OWN["recipe"], own=True, users=("writer",))
    before = planned(request, people.store, runs)
    given = [
        Feedback("Write about rain.", "It rains.", chosen="The rain came early."),
        Feedback("Write about rain.", "Rain!", chosen="The rain came early."),
        Feedback("Write about snow.", "It snows.", edited="Snow lay on the roofs."),
        Feedback("Write about hail.", "It hails.", thumbs="up"),
    ]
    for one in given:
        people.store.add_feedback(LOCAL_TENANT, "writer", one)
    run = planned(request, people.store, runs)
    assert run.data.examples["train"][: len(before.data.examples["train"])] == before.data.examples["train"]
    learned = run.data.examples["train"][len(before.data.examples["train"]) :]
    assert [(one["user_id"], one["input"], one["output"]) for one in learned] == [
        ("writer", "Write about rain.", "The rain came early."),
        ("writer", "Write about snow.", "Snow lay on the roofs."),
    ]
    for split in ("val", "test"):
        assert run.data.examples[split] == before.data.examples[split] != []
    assert run.data.documents == before.data.documents
    assert "among the texts to train on: 2 that were kept in Write" in run.notes
    run.data.write(runs / "taken" / DATA_FOLDER)
    assert {one["id"] for one in learned} <= {one.id for one in load_split(run.recipe.data, "train", None, seed=0)}
    people.store.forget(LOCAL_TENANT, "writer")


def test_few_documents_are_told_before_the_start(people):
    add_documents(people.store, "few", 4)
    few = {"name": "few", "recipe": "own", "data": "own", "whose": "some", "user": "few"}
    shown = plain(people.ask("POST", "/train/new/plan", few).body)
    assert "4 documents are few: from fewer than 12 a model" in shown
    add_documents(people.store, "two", 2)
    answer = people.ask("POST", "/train/new/plan", few | {"user": "two"})
    assert (answer.status, "too few for an example" in plain(answer.body)) == (400, True)
    for user in ("few", "two"):
        people.store.forget(LOCAL_TENANT, user)


def test_a_thousand_hostile_texts_are_text_in_samples(studio, browser, run):
    texts = hostile_texts(999, longest=2000)
    spoil(run / "rest-em/iteration-1", texts)
    (run / "evaluation/test/rest-em/stage.json").unlink()
    (run / processes.FILE).write_text(json.dumps(BEGUN | {"arguments": ["train", *texts[:40]]}))
    (run / processes.ERRORS).write_text("".join(f"penname: {text}\n" for text in texts[:60]), newline="")
    seen = ""
    for at in range(1, 35):
        answer = studio.ask("GET", f"/train/runs/tiny/samples?at={at}", HX_Request=None)
        check_is_text(answer.body.decode())
        seen += answer.body.decode()
    assert seen.count('class="card sample"') == 333
    for _, _, part in stream(studio, "/train/runs/tiny/events", None, len(watched.PARTS)):
        check_is_text(part)
    for path in ("/train/runs/tiny", "/train/runs/tiny/samples"):
        studio.enter(browser, path)
        check_nothing_ran(browser)


def test_hostile_names_of_people_and_runs_are_text(people, browser, run):
    names = [name for text in hostile_texts(60) if len(name := " ".join(text.split())[:100]) > 0 and name.isprintable()]
    for name in names[:25]:
        add_documents(people.store, name, 2)
    people.enter(browser, "/train/new")
    shown = browser.execute_script("return [...document.querySelectorAll('input[name=user]')].map(e => e.value)")
    assert set(shown) >= {*names[:25], "ada", "bob"}
    check_nothing_ran(browser)
    for number, name in enumerate(names):
        (run.parent / as_file_name(name, number)).mkdir()
        shutil.copy(run / "recipe.yaml", run.parent / as_file_name(name, number))
    people.enter(browser, "/train")
    check_nothing_ran(browser)
    first = browser.find_element(By.CSS_SELECTOR, ".runs a")
    named = first.text
    first.click()
    WebDriverWait(browser, 10, 0.05).until(lambda _: text_of(browser, "h1") == named)
    check_nothing_ran(browser)
    for name in names[:25]:
        people.store.forget(LOCAL_TENANT, name)


def spoil(iteration: Path, texts: list[str]) -> None:
    """Give an iteration samples of hostile texts, three in each."""
    for stage in ("samples", "rewards"):
        first, *others = sorted((iteration / stage).glob("*.parquet"))
        record = read_records(first)[0]
        hostile = [
            record | {"response": a, "reasoning": b, "completion": c, "sample": n}
            for n, (a, b, c) in enumerate(zip(texts[::3], texts[1::3], texts[2::3], strict=True))
        ]
        write_records(first, hostile)
        for shard in others:
            shard.unlink()


@pytest.mark.parametrize("path", ["/train", "/train/new", "/train/runs/tiny", "/train/runs/tiny/samples"])
def test_every_key_leads_somewhere(people, browser, run, path):
    people.enter(browser, path)
    check_keys(browser)


@pytest.mark.slow
def test_a_thousand_people_are_shown_a_few_at_a_time(studio):
    for number in range(1000):
        studio.store.put_user(LOCAL_TENANT, f"person {number}")
    began = time.monotonic()
    answer = studio.ask("GET", "/train/new?user=person 7".replace(" ", "%20"), HX_Request=None)
    assert time.monotonic() - began < 0.2
    assert answer.body.count(b'name="user"') == 31
    answer = studio.ask("GET", "/train/new/users?search=ON+99&user=person+7")
    assert re.findall(r'value="(person \d+)"( checked)?', answer.body.decode())[0] == ("person 7", " checked")
    assert answer.body.count(b'name="user"') == 12
    for number in range(1000):
        studio.store.forget(LOCAL_TENANT, f"person {number}")


@pytest.fixture
def asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The machines whose addresses are asked for, of which none is found; the hub may be asked, no model is here."""
    asked: list[str] = []
    resolve = socket.getaddrinfo

    def refuse(host: Any, *about: Any, **more: Any) -> Any:
        if host == "127.0.0.1":
            return resolve(host, *about, **more)
        asked.append(host)
        raise socket.gaierror(f"nobody is to be asked for {host}")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    return asked


@pytest.mark.parametrize(
    ("form", "shown"),
    [
        ({"recipe": "control", "data": "recipe"}, "It cannot be begun: control: found no such file or folder"),
        ({"recipe": "pat", "data": "recipe"}, "hf download meta-llama/Llama-3.1-8B-Instruct"),
        ({"recipe": "paper", "data": "own", "whose": "all"}, "hf download google/gemma-2b"),
    ],
    ids=str,
)
def test_no_hub_is_asked_for_a_plan(people, runs, asked_for, form, shown):
    answer = people.ask("POST", "/train/new/plan", {"name": "new", **form})
    assert answer.status == 200, answer.body
    assert shown in plain(answer.body)
    assert asked_for == []


def test_every_recipe_that_comes_with_penname_is_offered():
    assert {offer.recipe for offer in OFFERS} == set(shipped_recipes())


def test_it_looks_as_before(people, browser, run):
    people.enter(browser, "/train")
    check_looks(browser, "train")
    people.enter(browser, "/train/new")
    check_looks(browser, "train-new")
    people.enter(browser, "/train/runs/tiny")
    check_looks(browser, "train-run")


def test_why_a_run_has_failed_is_shown(studio, browser, run):
    run = run.rename(run.with_name("failed"))
    (run / "evaluation/test/rest-em/stage.json").unlink()
    (run / processes.FILE).write_text(json.dumps(BEGUN))
    (run / processes.ERRORS).write_text("penname: no space left on the disk\n")
    studio.enter(browser, "/train/runs/failed")
    assert text_of(browser, "#problem").startswith("no space left on the disk")
    assert text_of(browser, "#action") == "Go on"
    assert "the documents of 1 person, unencrypted" in text_of(browser, "main")
    check_looks(browser, "train-failed")


def test_the_plan_says_what_becomes_of_each_document_and_what_the_methods_are(people):
    dated = [
        Document(
            "dated", f"{number} {subject}: I said what I had to say of it, at length.", date=f"2024-01-{number:02d}"
        )
        for number, subject in enumerate(SUBJECTS, 1)
    ]
    people.store.add_documents(
        LOCAL_TENANT, "dated", [*dated, Document("dated", "Short.", date="2024-02-01")], put_user=True
    )
    form = {"name": "dated", "recipe": "own", "data": "own", "whose": "some", "user": "dated"}
    shown = plain(people.ask("POST", "/train/new/plan", form).body)
    people.store.forget(LOCAL_TENANT, "dated")
    assert "10 documents of 1 person: it trains on 7 texts, and tests with 1 other. The rest: 1 set aside" in shown
    assert "; 1 left out (a person's earliest" in shown
    assert "left out: 1 document: shorter than 5 words" in shown
    assert (
        "rag (the untrained model, shown some of the person's texts), sft (the model trained on people's texts)"
        in shown
    )


def test_a_run_that_starts_again_does_not_say_what_it_did_before(studio, run):
    assert (run / POSITION).is_file()
    os.utime(run / POSITION, (0, 0))
    here = psutil.Process()
    (run / processes.FILE).write_text(json.dumps(BEGUN | {"pid": here.pid, "created": here.create_time()}))
    shown = plain(studio.ask("GET", "/train/runs/tiny", HX_Request=None).body)
    (run / processes.FILE).unlink()  # or the test's own process were told to end
    assert "Starting : the model and the data are loaded" in shown
    assert "goes on with the same run" not in shown


@pytest.mark.parametrize(("seconds", "said"), [(59.4, "59s"), (60, "1m 00s"), (3599, "59m 59s"), (22851, "6h 20m")])
def test_a_long_time_is_said_in_hours(seconds, said):
    assert format_duration(seconds) == said
