"""One prompt is written side by side, watched, stopped, kept as feedback, and forgotten with its user."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from itertools import product
from typing import Any
from urllib.parse import quote

import pytest
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait
from tests.serve.serving import METHODS, Client, make_run
from tests.serve.test_forgetting_served import SHORTEST, backwards, held
from tests.studio.hostile import check_is_text, check_nothing_ran, hostile_texts
from tests.studio.keys import check_keys
from tests.studio.looks import check_console, check_looks
from tests.studio.studios import Studio, running_studio

from penname.data.records import Document
from penname.engines import batch
from penname.engines.live import LiveEngine
from penname.runs.folder import RunFolder, write_text
from penname.serve.access import LOCAL_TENANT
from penname.serve.store.opening import open_store
from penname.session import stage_names
from penname.studio.models import Choice, choices_of_runs, usual_choice
from penname.studio.pages import part
from penname.studio.train.documents import DATA_FOLDER
from penname.studio.write import users
from penname.studio.write.found import found_documents

HOSTILE = "<script data-hostile>window.hostile_ran=1</script>{{ 7 * 7 }} \" ' & </textarea>"
DOCUMENTS = [
    Document(
        "ada", "I grew up by the river Elbe. Water is patient, and so are we.", title="The Elbe", date="2020-05-01"
    ),
    Document("ada", f"Bread needs salt, and time. {HOSTILE}", title="Bread"),
]
WRITE = {"prompt": "Write about the river.", "seed": 7, "method": ["sft-reasoning", "sft"], "user": ["ada", ""]}
LONG = {**WRITE, "method": ["long:sft"], "user": ["ada"], "temperature": 0}
"""What takes seconds to be written."""


@pytest.fixture(scope="module", autouse=True)
def long_run(studio: Studio) -> Iterator[None]:
    """A run that takes seconds to write a text on any machine: each step is slowed down, and adds one token alone."""
    make_run(studio.runs / "long", prompt={"max_input_tokens": 500, "max_output_tokens": 1400}, retrieval={"k": 2})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LiveEngine, "on_seconds", staticmethod(lambda seconds: time.sleep(0.005)))
        patch.setattr(batch, "DRAFT_BATCH", 0)
        yield


@pytest.fixture(autouse=True)
def ada(studio: Studio) -> None:
    studio.store.add_documents(LOCAL_TENANT, "ada", DOCUMENTS, put_user=True)


def begun(studio: Studio, **changes: Any) -> Any:
    """The sheet of texts that were asked for as the page does it."""
    answer = studio.ask("POST", "/write", {**WRITE, **changes})
    assert answer.status == 200, answer.body.decode()
    return sheet_of(studio, answer.headers["hx-push-url"].rpartition("/")[2])


def sheet_of(studio: Studio, sheet: str) -> Any:
    return studio.pages.sheets.get(sheet)


def wait_until(true: Any, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def feet(column: Any) -> list[str]:
    """What is told below a text, once it has ended."""
    return [event.html for event in column.log._events if event and event.kind == f"foot-{column.number}"]


def first_events(studio: Studio, sheet: str) -> str:
    """What a page is sent that opens the stream and leaves."""
    connection = HTTPConnection("127.0.0.1", studio.port, timeout=60)
    cookie = {"Cookie": f"penname-studio-{studio.port}={studio.session.cookie}"}
    connection.request("GET", f"/studio/write/{sheet}/events", headers=cookie)
    answer, lines = connection.getresponse(), b""
    while b"event: told" not in lines:
        lines += answer.readline()
    connection.close()
    return lines.decode()


def ended(sheet: Any) -> Any:
    wait_until(lambda: not any(column.under_way for column in sheet.columns))
    return sheet


def shown(browser: Any, css: str) -> str:
    return browser.find_element("css selector", css).text


def content(browser: Any, element: str) -> str:
    """All letters of an element, also of one that is not on the screen."""
    return browser.execute_script("return document.getElementById(arguments[0])?.textContent ?? ''", element)


def press(browser: Any, found_by: str, key: str) -> None:
    """Press a key where an element has the focus. found_by: a path of XPath, or a selector."""
    by = "xpath" if found_by.startswith("/") else "css selector"
    wait_for(browser, lambda b: b.find_elements(by, found_by))
    browser.find_element(by, found_by).send_keys(key)


def quoted(text: str) -> str:
    return f'"{text}"'


def close_other_tab(browser: Any) -> None:
    """Go on in the tab that was opened first."""
    if len(browser.window_handles) > 1:
        browser.close()
        browser.switch_to.window(browser.window_handles[0])


def in_page(text: str) -> str:
    """A text as a page can hold it: a model of random weights writes any character."""
    return re.sub("\r\n?", "\n", text).replace("\0", "")


def wait_for(browser: Any, condition: Any) -> None:
    WebDriverWait(browser, 20).until(condition)


def test_by_keyboard_from_a_prompt_to_feedback(studio, browser):
    studio.enter(browser, "/write")
    browser.find_element("id", "prompt").send_keys("Write about the river.", Keys.TAB)
    active = browser.switch_to.active_element
    assert (active.get_attribute("name"), active.get_attribute("value")) == ("user", "ada")
    browser.find_element("id", "add").send_keys(Keys.ENTER)
    wait_for(browser, lambda b: len(b.find_elements("css selector", "[data-column]")) == 3)
    wait_for(browser, lambda b: b.switch_to.active_element.get_attribute("name") == "user")
    browser.switch_to.active_element.send_keys("ada", Keys.TAB, "sft", Keys.TAB, Keys.TAB)
    browser.find_element("id", "seed").clear()
    browser.find_element("id", "seed").send_keys("7", Keys.ENTER)
    wait_for(browser, lambda b: shown(b, "#stream [role=status]") == "All done")
    assert re.search(r"/studio/write/\w+$", browser.current_url)
    sheet = studio.pages.sheets.newest
    for column in sheet.columns:
        assert content(browser, f"text-{column.number}") == in_page(column.text) != ""
        assert content(browser, f"reasoning-{column.number}") == in_page(column.reasoning)
    assert [column.reasoning == "" for column in sheet.columns] == [False, False, True]
    browser.execute_script("scrollTo(0, 0)")
    check_looks(browser, "write", written="[id^=text-], [id^=reasoning-]")
    press(browser, "#found-0 summary", Keys.ENTER)
    assert [mark.text for mark in browser.find_elements("css selector", "#found-0 mark")] == ["the", "river"]
    for name, told in (
        ("Best of this user's", "you chose it"),
        ("I like it", "you like it"),
        ("I do not like it", "not"),
    ):
        press(browser, f"//*[@id='foot-0']//button[.={quoted(name)}]", Keys.ENTER)
        wait_for(browser, lambda b, told=told: told in shown(b, "#told-0"))
    press(browser, "#foot-0 summary", Keys.ENTER)
    browser.find_element("id", "edited-0").send_keys(" Mine.", Keys.TAB, Keys.ENTER)
    wait_for(browser, lambda b: "your edited text" in shown(b, "#told-0"))
    kept = studio.store.feedback(LOCAL_TENANT, "ada")
    first, _, third = sheet.columns
    assert {(one.prompt, one.seed) for one in kept} == {("Write about the river.", 7)}
    assert [(one.method, one.response, one.chosen, one.thumbs) for one in kept] == [
        ("sft", third.text, first.text, None),
        ("sft-reasoning", first.text, None, "down"),
        ("sft-reasoning", first.text, None, None),
    ]
    assert kept[2].edited.endswith(" Mine.")
    permissions = {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    browser.execute_cdp_cmd("Browser.grantPermissions", permissions)
    press(browser, "//*[@id='foot-0']//button[.='Copy']", Keys.ENTER)
    wait_for(browser, lambda b: shown(b, "#copied-0") == "Copied.")
    copied = browser.execute_async_script("navigator.clipboard.readText().then(arguments[0], arguments[0])")
    assert copied == first.text
    press(browser, "#back-0", Keys.ENTER)
    wait_for(browser, lambda b: shown(b, "#told-0") == "Nothing is kept.")
    assert browser.switch_to.active_element.get_attribute("id") == "title-0"
    assert studio.store.feedback(LOCAL_TENANT, "ada") == []
    check_console(browser)


def test_the_same_seed_writes_the_same_text_again(studio):
    first, again, other = (ended(begun(studio, seed=seed)) for seed in (7, 7, 8))
    assert [column.text for column in first.columns] == [column.text for column in again.columns]
    assert [column.text for column in first.columns] != [column.text for column in other.columns]


def test_reloaded_and_in_another_tab_it_goes_on(studio, browser):
    sheet = begun(studio, **LONG)
    studio.enter(browser, f"/write/{sheet.id}")
    wait_for(browser, lambda b: content(b, "text-0") != "")
    browser.refresh()
    wait_for(browser, lambda b: content(b, "text-0") != "")
    browser.switch_to.new_window("tab")
    browser.get(f"{studio.url}/write")
    wait_for(browser, lambda b: content(b, "text-0") != "")
    assert sheet.columns[0].under_way, "it was written too soon for this test"
    press(browser, "#stop-0", Keys.ENTER)
    for _ in range(2):
        wait_for(browser, lambda b: shown(b, "#state-0") == "stopped")
        assert content(browser, "text-0") == sheet.columns[0].text != ""
        close_other_tab(browser)
    assert not studio.app.state.penname.in_flight


def at_step(title):
    """Whether a page of the import is at a step; it may be exchanged for another one meanwhile."""
    return lambda browser: browser.execute_script("return document.getElementById('step').textContent") == title


def test_many_open_tabs_leave_connections_for_another_one(studio, browser):
    """A browser has six to a host: only a page that is looked at holds one, and goes on where it was."""
    sheet = ended(begun(studio, user=["ada", ""]))
    first = browser.current_window_handle
    for path in [f"/write/{sheet.id}", *["/import"] * 8]:
        browser.switch_to.new_window("tab")
        browser.get(f"{studio.url}{path}")
    wait_for(browser, at_step("Bring your texts"))
    studio.ask("POST", "/import/begin", {"files": 1, "size": 1})
    wait_for(browser, at_step("Files are coming in"))
    handles = [handle for handle in browser.window_handles if handle != first]
    browser.switch_to.window(handles[3])
    wait_for(browser, at_step("Files are coming in"))
    studio.ask("POST", "/import/cancel")
    wait_for(browser, at_step("Bring your texts"))
    browser.switch_to.window(handles[0])
    wait_for(browser, lambda b: shown(b, "#stream [role=status]") == "All done")
    for handle in handles:
        browser.switch_to.window(handle)
        browser.close()
    browser.switch_to.window(first)


def test_the_focus_stays_where_the_stop_button_was(studio, browser):
    sheet = begun(studio, **LONG)
    studio.enter(browser, f"/write/{sheet.id}")
    press(browser, "#stop-0", Keys.ENTER)
    wait_for(browser, lambda b: shown(b, "#state-0") == "stopped")
    assert browser.switch_to.active_element.get_attribute("id") == "title-0"


@pytest.mark.parametrize("by", ["the server", "another process"])
def test_who_is_forgotten_is_in_no_text_that_is_written_or_was(studio, browser, by):
    done, going = ended(begun(studio)), begun(studio, **LONG)
    studio.enter(browser, f"/write/{going.id}")
    wait_for(browser, lambda b: content(b, "text-0") != "")
    assert going.columns[0].under_way, "it was written too soon for this test"
    if by == "the server":
        assert Client(studio.port)("DELETE", "/v1/users/ada").status == 200
    else:
        with open_store(f"sqlite:///{studio.runs.parent}/penname.db") as other:
            assert other.forget(LOCAL_TENANT, "ada")
    wait_for(browser, lambda b: "This user was forgotten" in shown(b, "#column-0"))
    wait_until(lambda: done.columns[0].stage == "forgotten")
    assert "ada" not in browser.find_element("id", "main").text
    for column in (done.columns[0], going.columns[0]):
        assert (column.user, column.text, column.reasoning, column.kept) == (None, "", "", [])
    assert done.columns[1].text != "", "that of nobody stays"
    for sheet in (done, going):
        assert not [word for word in ("ada", "Elbe", "Bread") if word in str(vars(sheet.log))]
    assert studio.ask("POST", f"/write/{done.id}/0/feedback", {"thought": "up"}).status == 400
    assert not studio.app.state.penname.in_flight


@pytest.mark.slow
def test_memory_holds_nothing_of_a_forgotten_user(studio):
    planted = [secrets.token_hex(SHORTEST // 2) for _ in range(3)]  # backwards, so as not to be found here
    user, title, word = backwards(planted)
    documents = [Document(user, f"The river, {word}, and rain: {n}.", title=title) for n in range(9)]
    studio.store.add_documents(LOCAL_TENANT, user, documents, put_user=True)
    del documents, title, word
    sheet = ended(begun(studio, user=[user, user]))
    for column in sheet.columns:  # a model of random weights also writes what cannot be kept
        column.text = f"Text {column.number} of the river."
    assert studio.ask("POST", f"/write/{sheet.id}/0/feedback", {"thought": "chosen"}).status == 200
    assert "event: found-0" in studio.ask("GET", f"/write/{sheet.id}").body.decode() + first_events(studio, sheet.id)
    assert held(planted) != []
    assert Client(studio.port)("DELETE", f"/v1/users/{user}").status == 200
    del user
    wait_until(lambda: [column.stage for column in sheet.columns] == ["forgotten"] * 2)
    for _ in range(2):  # loops keep what they did last until they do something else
        studio.ask("GET", "/write")
        left = held(planted)
    assert left == []


def test_what_was_written_before_a_restart_is_said_to_be_gone(studio, browser):
    studio.enter(browser, "/write/0123456789ab")
    assert "The texts of this address are gone" in shown(browser, ".notice")
    events = studio.ask("GET", "/write/0123456789ab/events").body.decode()
    assert "event: told" in events
    assert events.endswith("event: end\ndata: \n\n")
    assert studio.ask("POST", "/write/0123456789ab/0/stop").status == 404
    check_console(browser)


@pytest.mark.slow
def test_an_open_page_is_told_of_a_restart(studio, served_run, opened, tmp_path):
    with open_store(f"sqlite:///{tmp_path}/penname.db") as store:
        with running_studio(store, served_run, tmp_path / "runs") as first:
            first.enter(opened, f"/write/{ended(begun(first, user=['', ''])).id}")
            wait_for(opened, lambda b: content(b, "text-0") != "")
        with running_studio(store, served_run, tmp_path / "runs", first.port):
            wait_for(opened, lambda b: "keeps these texts no longer" in shown(b, "#stream [role=status]"))
            assert content(opened, "text-0") != "", "what is on the screen stays there"
            opened.refresh()
            assert "The texts of this address are gone" in shown(opened, ".notice")


def test_at_most_two_models_of_runs_are_loaded_and_all_texts_are_written(studio, served_run):
    for name in ("one", "two"):
        if not (studio.runs / name).exists():
            shutil.copytree(served_run, studio.runs / name)
    methods = ["one:sft", "one:sft-reasoning", "two:sft", "two:sft-reasoning"]
    sheet = ended(begun(studio, method=methods, user=["ada"] * 4))
    assert [column.stage for column in sheet.columns] == ["written"] * 4
    of_the_studio = ended(begun(studio, method=["sft", "sft-reasoning"], user=["ada"] * 2)).columns
    texts = [column.text for column in of_the_studio]
    assert [column.text for column in sheet.columns] == texts * 2, "a copy of the model writes the same"
    assert len(studio.pages.models.loaded) == 2


def test_a_run_that_is_damaged_cannot_be_chosen_or_says_what_it_lacks(studio, served_run):
    run = studio.runs / "damaged"
    shutil.copytree(served_run, run)
    next(run.glob("sft/training/**/model.safetensors")).write_bytes(b"x")
    column = ended(begun(studio, method=["damaged:sft"], user=["ada"])).columns[0]
    assert (column.stage, column.text) == ("failed", "")
    assert column.problem
    (run / "recipe.yaml").write_text("seed: [")
    assert 'value="damaged:sft"' not in studio.ask("GET", "/write").body.decode()
    assert studio.ask("POST", "/write", {**WRITE, "method": ["damaged:sft"], "user": ["ada"]}).status == 404


def test_nobody_known_is_written_for_with_a_note(studio):
    columns = ended(begun(studio, user=["nobody knows me", ""])).columns
    assert [column.stage for column in columns] == ["written"] * 2
    wait_until(lambda: feet(columns[0]))
    foot = feet(columns[0])
    assert "nobody knows this user: written as for a new user" in foot[-1]
    assert "Feedback is kept with a user" in foot[-1]


def test_a_name_that_nobody_has_is_no_heading_and_leads_on(studio, browser):
    sheet = ended(begun(studio, user=["Annn", "ada"]))
    studio.enter(browser, f"/write/{sheet.id}")
    wait_for(browser, lambda b: shown(b, "#stream [role=status]") == "All done")
    assert shown(browser, "#title-0") == "as a new user"
    assert "Nobody in the studio is called Annn" in shown(browser, "#found-0 .notice")
    links = [link.get_attribute("href") for link in browser.find_elements("css selector", "#found-0 .notice a")]
    assert links == [f"{studio.url}/users", f"{studio.url}/import"]
    assert shown(browser, "#title-1") == "as ada"
    assert browser.find_elements("css selector", "#found-1 .notice") == []
    check_console(browser)


def test_every_user_is_found_by_a_part_of_the_name(studio):
    for name in ("few a", "few b", "few c", "few d", "few e"):
        studio.store.put_user(LOCAL_TENANT, name)
    assert users.known_users(studio.store, LOCAL_TENANT, "FEW") == [f"few {letter}" for letter in "abcde"]
    assert users.known_users(studio.store, LOCAL_TENANT, "few e") == ["few e"]
    for letter in "abcde":
        studio.store.forget(LOCAL_TENANT, f"few {letter}")


def test_nothing_that_users_wrote_is_markup(studio, browser):
    user = f"eve {HOSTILE}"
    studio.store.add_documents(
        LOCAL_TENANT, user, [Document(user, f"The river. {HOSTILE}", title=HOSTILE)], put_user=True
    )
    reasoning = Client(studio.port)("PUT", f"/v1/users/{quote(user, safe='')}/reasoning", {"text": HOSTILE})
    assert reasoning.status == 200, reasoning.body
    browser.get(f"{studio.url}/write?user={quote(user)}")
    assert browser.find_element("name", "user").get_attribute("value") == user
    browser.find_element("id", "prompt").send_keys(f"Write about the river. {HOSTILE}")
    browser.find_element("id", "write").send_keys(Keys.ENTER)
    wait_for(browser, lambda b: shown(b, "#stream [role=status]") == "All done")
    assert content(browser, "reasoning-0") == HOSTILE
    assert HOSTILE in content(browser, "found-0")
    browser.refresh()
    wait_for(browser, lambda b: HOSTILE in content(b, "reasoning-0"))
    assert browser.find_element("id", "prompt").get_attribute("value") == f"Write about the river. {HOSTILE}"
    check_nothing_ran(browser)


def test_a_thousand_hostile_texts_stay_texts(studio):
    texts = hostile_texts()
    sheet = ended(begun(studio, prompt=" ".join(texts)[:100_000], method=["sft"], user=[""]))
    for text in texts:
        document = Document("eve", text, title=text[:100], date="2020-01-01")
        documents = found_documents([document], f"river {text}", [])
        check_is_text(part("write_found.html", column=sheet.columns[0], documents=documents))
    assert sheet.columns[0].stage == "failed", "it is too long"
    check_is_text(studio.ask("GET", f"/write/{sheet.id}").body.decode())
    for text in texts[::50]:
        check_is_text(studio.ask("GET", f"/write?user={quote(text[:300])}&run={quote(text[:300])}").body.decode())


def test_all_of_the_page_is_reached_by_keys(studio, browser):
    sheet = ended(begun(studio, user=["ada", "ada"]))
    studio.enter(browser, f"/write/{sheet.id}")
    wait_for(browser, lambda b: content(b, "foot-1") != "")
    reached = "".join(check_keys(browser))
    for name in ('name="user"', 'name="method"', "Another seed", ">Write<", "Copy", "Best of this user", "Edit"):
        assert name in reached


def test_a_link_to_a_run_chooses_its_last_method(studio):
    html = studio.ask("GET", "/write?run=long").body.decode()
    assert html.count('<option value="long:sft-reasoning" selected>') == 1
    assert "that can write" not in html


def test_a_link_to_a_method_chooses_it_beside_the_studios_own(studio):
    begun(studio)  # what was written last is in no link's way
    html = studio.ask("GET", f"/write?method={quote('long:sft')}").body.decode()
    assert html.count('<option value="long:sft" selected>') == 1
    added = studio.ask("GET", f"/write/asked?method=sft&method={quote('long:sft')}").body.decode()
    assert added.count('<option value="long:sft" selected>') == 1
    unknown = studio.ask("GET", f"/write?method={quote('<b>:sft')}").body.decode()
    assert "Nothing here is called &lt;b&gt;:sft that can write" in unknown
    assert unknown.count('<option value="sft-reasoning" selected>') == 2


def test_runs_in_training_and_what_methods_are_is_told(studio):
    page = studio.ask("GET", "/write").body.decode()
    assert "Still being trained" not in page
    assert "sft: the model trained on people" in page
    run = RunFolder(studio.runs / "busy & slow", None)
    with run.lock():
        write_text(run.folder / "recipe.yaml", "methods: [rag]\n")
        page = studio.ask("GET", "/write").body.decode()
    assert 'href="/studio/train/runs/busy%20%26%20slow">busy &amp; slow</a>' in page
    shutil.rmtree(run.folder)


def test_the_runs_of_a_sweep_can_be_chosen(studio, served_run):
    shutil.copytree(served_run, studio.runs / "sweep" / "seed-1")
    html = studio.ask("GET", f"/write?run={quote('sweep/seed-1')}").body.decode()
    assert html.count('<option value="sweep/seed-1:sft-reasoning" selected>') == 1
    assert '<optgroup label="sweep/seed-1">' in html
    column = ended(begun(studio, method=["sweep/seed-1:sft"], user=["ada"])).columns[0]
    assert (column.stage, column.text == "") == ("written", False)


def test_where_nothing_is_chosen_the_newest_finished_run_writes_unless_the_studio_has_a_trained_model(tmp_path):
    for name, seconds in (("finished", 1), ("newer", 2), ("goes-on", 3)):
        os.utime(make_run(tmp_path / name) / "recipe.yaml", (seconds, seconds))
    for (run, user), method in product((("finished", "bob"), ("newer", "ada")), METHODS):
        evaluated = tmp_path / run / stage_names.evaluation("test", method) / "stage.json"
        evaluated.parent.mkdir(parents=True)
        evaluated.write_text(json.dumps({"examples": 1}))
        (tmp_path / run / DATA_FOLDER).mkdir(exist_ok=True)
        (tmp_path / run / DATA_FOLDER / "documents.jsonl").write_text(json.dumps({"user_id": user, "text": "x"}))
    own, of_runs = Choice("rag", "rag"), choices_of_runs(tmp_path)
    assert usual_choice([own, *of_runs]).name == "newer:sft-reasoning"
    assert usual_choice([own, *of_runs], "ada").name == "newer:sft-reasoning"
    assert usual_choice([own, *of_runs], "bob").name == "finished:sft-reasoning"
    assert usual_choice([own, *of_runs], "carol").name == "rag", "no run has learned from carol"
    assert usual_choice([own]).name == "rag"
    assert usual_choice([Choice("sft", "sft"), *of_runs]).name == "sft"
    evaluated = tmp_path / "newer" / stage_names.evaluation("test", "sft") / "stage.json"
    evaluated.write_text(json.dumps({"mean_reward": 0.2}))
    assert usual_choice([own, *of_runs], "ada").name == "newer:sft", "its reward is the highest"


@pytest.mark.parametrize(
    ("changes", "status", "told"),
    [
        ({"prompt": " "}, 400, "prompt: found nothing but white space"),
        ({"prompt": ""}, 400, "prompt: found no"),
        ({"seed": "x"}, 400, "seed: found a string, expected an integer"),
        ({"seed": -1}, 400, "seed: found"),
        ({"seed": 2**53}, 400, "seed: found"),
        ({"method": ["sft"] * 5, "user": [""] * 5}, 400, "method: found a list of length 5, expected at most 4"),
        ({"method": [], "user": [""]}, 400, "method: found"),
        ({"user": ["ada"]}, 400, "user: found 1, expected one for each of 2 columns"),
        ({"method": ["sft", "nothing"]}, 404, "method: found one that cannot write here"),
        ({"method": ["sft", "../x:sft"]}, 404, "method: found one that cannot write here"),
        ({"temperature": "nan"}, 400, "temperature: found"),
        ({"temperature": 3}, 400, "temperature: found"),
        ({"most_tokens": 0}, 400, "most_tokens: found"),
    ],
    ids=str,
)
def test_bad_requests_are_told_in_a_line(studio, changes, status, told):
    answer = studio.ask("POST", "/write", {**WRITE, **changes})
    assert (answer.status, told in answer.body.decode()) == (status, True), answer.body.decode()
    assert answer.headers["hx-retarget"] == "#alert"


def test_bad_feedback_is_told(studio):
    sheet = ended(begun(studio))
    for form in ({}, {"thought": "well"}, {"thought": "edited"}, {"thought": "edited", "edited": " "}):
        assert studio.ask("POST", f"/write/{sheet.id}/0/feedback", form).status == 400
    assert studio.ask("POST", f"/write/{sheet.id}/0/feedback", {"thought": "chosen"}).status == 400
    assert studio.ask("POST", f"/write/{sheet.id}/2/feedback", {"thought": "up"}).status == 404
    assert studio.ask("POST", f"/write/{sheet.id}/1/feedback", {"thought": "up"}).status == 400
    assert studio.store.feedback(LOCAL_TENANT, "ada") == []


def test_settings_are_those_that_texts_are_written_with(studio):
    sheet = ended(begun(studio, most_tokens=5, temperature=0))
    assert 0 < len(sheet.columns[1].text.encode(errors="replace")) <= 15
    page = studio.ask("GET", "/write").body.decode()
    assert 'name="most_tokens" type="number" min="1" max="100000" value="5"' in page
    assert 'value="0.0"' in page


def test_words_are_shared_as_documents_are_searched():
    text = "Rivers? The RIVER, the rivière. 東京は雨です"
    shown = [Document("u", text, date="2020"), Document("u", "x" * 5000)]
    first, second = found_documents(shown, "the river in 東京", [])
    assert [piece.text for piece in first.pieces if piece.shared] == ["The", "RIVER", "the", "東京"]
    assert "".join(piece.text for piece in first.pieces) == text
    assert (first.title, first.shared) == ("2020", ["the", "river", "東京"])
    assert (second.shared, second.left_out) == ([], 1000)
    # What most documents of the user have is no sign of what this one is about.
    usual = [Document("u", f"the rain of {day}") for day in range(9)]
    assert found_documents(shown, "the river in 東京", usual)[0].shared == ["river", "東京"]


def test_users_are_found_by_what_is_typed(studio):
    for name in ("Zoë Elbe", "zoo", "bob"):
        studio.store.put_user(LOCAL_TENANT, name)
    found = studio.ask("GET", f"/write/users?user={quote('ZO')}").body.decode()
    assert re.findall('value="(.*?)"', found) == ["Zoë Elbe", "zoo"]
