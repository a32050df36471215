"""Users in the studio: found, looked at, added to, and forgotten."""

from __future__ import annotations

import json
import shutil
import time
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote

import pytest
from selenium.webdriver.common.keys import Keys
from tests.studio.keys import check_keys
from tests.studio.looks import check_console, check_looks

from penname.data.presidents import load_examples
from penname.data.records import Document
from penname.serve.access import LOCAL_TENANT
from penname.serve.store.records import Feedback
from penname.studio.train.documents import DATA_FOLDER

STRANGE = "<b>Ö/ä?&\"' 100%#</b>"
"""A user's id may have any letters."""


def profiles() -> dict[str, list[Document]]:
    """Presidents, of each of whom there are a few documents, and their latest ones."""
    found: dict[str, list[Document]] = {}
    for example in load_examples("train"):
        found.setdefault(example.user_id, [*example.profile[::3]])
    return dict(list(found.items())[:8])


@pytest.fixture(scope="module", autouse=True)
def presidents(studio: Any) -> dict[str, list[Document]]:
    """The users of these tests."""
    found = profiles()
    studio.store.add_profiles(LOCAL_TENANT, found)
    return found


@pytest.fixture
def strange(studio: Any) -> Any:
    texts = [
        f"The quokka of Rottnest eats leaves, and {n} visitors watch it eat, quokka and leaf alike." for n in range(5)
    ]
    dated = [
        Document("", text, id=f"d/{n}", title=f"Note {n}", date=f"20{20 + n}-05-01") for n, text in enumerate(texts)
    ]
    studio.store.add_profiles(LOCAL_TENANT, {STRANGE: dated})
    yield STRANGE
    studio.store.forget(LOCAL_TENANT, STRANGE)


NARROW = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": False}


def of(user: str, part: str = "", **more: str) -> str:
    fields = "".join(f"&{name}={quote(value, safe='')}" for name, value in more.items())
    return f"/users/user{part}?id={quote(user, safe='')}{fields}"


def text_of(studio: Any, path: str) -> str:
    answer = studio.ask("GET", path)
    assert answer.status == 200, answer.body
    return answer.body.decode()


def test_users_are_listed_and_searched(studio, presidents, strange):
    shown = text_of(studio, "/users")
    assert f"{len(presidents) + 1} users" in shown
    assert quote(STRANGE, safe="/") in shown
    assert "<b>" not in shown
    assert "1 user" in text_of(studio, "/users/list?search=%C3%B6/%C3%84")
    assert "0 users" in text_of(studio, "/users/list?search=nobody+at+all")


def test_a_long_list_of_users_is_paged(studio, presidents):
    many = {f"user {n:04d}": [Document("", f"Text number {n}.", id="1")] for n in range(45)}
    studio.store.add_profiles(LOCAL_TENANT, many)
    assert text_of(studio, "/users").count("/users/user?id=") == 50
    assert "51 to" in text_of(studio, "/users?first=50")
    for user in many:
        studio.store.forget(LOCAL_TENANT, user)


def test_a_user_whom_nobody_knows(studio):
    for path in (of("nobody"), of("nobody", "/documents"), of("nobody", "/picture"), of("nobody", "/export")):
        assert studio.ask("GET", path).status == 404
    assert studio.ask("POST", "/users/user/forget", {"id": "nobody", "typed": "nobody"}).status == 404


def test_documents_are_paged_searched_and_deleted(studio, strange):
    assert "5 documents" in text_of(studio, of(strange, "/documents"))
    assert "Note 3" in text_of(studio, of(strange, "/documents", search="3 VISITORS"))
    assert "Note 1" not in text_of(studio, of(strange, "/documents", after="d/1"))
    answer = studio.ask("DELETE", of(strange, "/documents", document="d/1"))
    assert "The document is deleted. 4 documents" in " ".join(answer.body.decode().split())
    assert studio.ask("DELETE", of(strange, "/documents", document="d/1")).status == 404


def test_a_text_is_pasted_once(studio, strange):
    given = {"id": strange, "text": "A text that I\r\npasted.", "title": " ", "date": "2024-05-31"}
    for _ in range(2):
        assert studio.ask("POST", "/users/user/documents", given).status == 200
    kept = studio.store.documents(LOCAL_TENANT, strange)
    assert len(kept) == 6
    assert (kept[-1].text, kept[-1].title, kept[-1].date) == ("A text that I\npasted.", None, "2024-05-31")


@pytest.mark.parametrize("fields", [{"text": ""}, {"text": " \n"}, {"text": "x", "date": "soon"}])
def test_texts_that_cannot_be_kept_are_told(studio, strange, fields):
    answer = studio.ask("POST", "/users/user/documents", {"id": strange, **fields})
    assert answer.status == 400
    assert "expected" in answer.body.decode()
    assert len(studio.store.documents(LOCAL_TENANT, strange)) == 5


def test_the_picture_shows_what_is_the_user_s_own(studio, strange):
    shown = text_of(studio, of(strange, "/picture"))
    assert "<li>quokka" in shown
    assert '<th scope="row">2022</th>' in shown
    assert "Burrows" in shown
    assert STRANGE not in shown
    assert "Texts of about" in text_of(studio, of(strange, "/style"))


def test_who_writes_alike_is_nearest(studio, strange):
    twin = [
        Document("", f"A quokka of Rottnest eats a leaf, and visitor {n} watches it eat, leaf and all.", id=str(n))
        for n in range(5)
    ]
    studio.store.add_profiles(LOCAL_TENANT, {"twin": twin})
    shown = text_of(studio, of(strange, "/picture"))
    nearest = shown[shown.index("most alike") :]
    assert nearest.index(">twin<") == nearest.index(">", nearest.index("/users/user?id="))
    studio.store.forget(LOCAL_TENANT, "twin")


def test_a_large_profile_among_many_is_pictured_within_two_seconds(studio, strange):
    texts = [f"{n} words of a long text, again and again. " * 60 for n in range(1000)]
    studio.store.add_profiles(LOCAL_TENANT, {"large": [Document("", text, id=str(n)) for n, text in enumerate(texts)]})
    started = time.monotonic()
    assert "of 1,000 documents were counted" in text_of(studio, of("large", "/picture"))
    assert time.monotonic() - started < 2
    studio.store.forget(LOCAL_TENANT, "large")


def test_a_user_without_documents_and_one_alone(studio):
    studio.store.put_user(LOCAL_TENANT, "empty")
    assert "There are none yet" in text_of(studio, of("empty"))
    assert studio.ask("GET", of("empty", "/picture")).status == 200
    assert "has no documents" in text_of(studio, of("empty", "/style"))
    studio.store.forget(LOCAL_TENANT, "empty")


def test_a_reasoning_is_written_by_hand_and_deleted(studio, strange):
    assert "None is kept" in text_of(studio, of(strange, "/reasonings"))
    given = {"id": strange, "method": "sft-reasoning", "text": "Writes of quokkas."}
    assert "Locked" in studio.ask("POST", "/users/user/reasonings", given).body.decode()
    (kept,) = studio.store.reasonings(LOCAL_TENANT, strange)
    assert (kept.text, kept.locked) == ("Writes of quokkas.", True)
    assert studio.ask("DELETE", of(strange, "/reasonings", model=kept.model)).status == 200
    assert studio.store.reasonings(LOCAL_TENANT, strange) == []
    assert studio.ask("DELETE", of(strange, "/reasonings", model=kept.model)).status == 404


@pytest.mark.parametrize(
    ("fields", "status"),
    [({"text": " "}, 400), ({"method": "sft", "text": "x"}, 400), ({"method": "nothing", "text": "x"}, 404)],
)
def test_reasonings_that_cannot_be_kept(studio, strange, fields, status):
    given = {"id": strange, "method": "sft-reasoning", **fields}
    assert studio.ask("POST", "/users/user/reasonings", given).status == status


def test_a_reasoning_of_a_model_that_is_not_loaded_is_shown(studio, strange):
    studio.store.put_reasoning(LOCAL_TENANT, strange, "older model", "<i>Was so.</i>")
    shown = text_of(studio, of(strange, "/reasonings"))
    assert "not loaded now" in shown
    assert "&lt;i&gt;Was so." in shown


def test_feedback_is_shown_and_taken_back(studio, strange):
    assert "None is kept: below each text" in text_of(studio, of(strange, "/feedback"))
    given = [
        Feedback("Write of <b>tea</b>.", "Tea is hot.", edited="Tea & <i>rest</i>."),
        Feedback("Write of rain.", "Rain falls.", thumbs="down"),
    ]
    edited, _ = [studio.store.add_feedback(LOCAL_TENANT, strange, one) for one in given]
    shown = text_of(studio, of(strange, "/feedback"))
    assert shown.index("Write of rain.") < shown.index("Write of &lt;b&gt;tea")
    assert "your edited text" in shown
    assert "Tea &amp; &lt;i&gt;rest" in shown
    assert "you do not like it" in shown
    answer = studio.ask("DELETE", of(strange, "/feedback", feedback=edited))
    assert answer.status == 200
    assert "kept no longer" in answer.body.decode()
    assert [one.thumbs for one in studio.store.feedback(LOCAL_TENANT, strange)] == ["down"]
    assert studio.ask("DELETE", of(strange, "/feedback", feedback=edited)).status == 404


def test_runs_that_have_copies_are_named_to_whoever_forgets(studio, strange):
    texts = studio.runs / "has copies" / DATA_FOLDER
    texts.mkdir(parents=True)
    (texts.parent / "recipe.yaml").write_text("methods: [rag]\n")
    (texts / "documents.jsonl").write_text(json.dumps({"user_id": strange, "text": "x"}) + "\n")
    forgotten = studio.ask("POST", "/users/user/forget", {"id": strange, "typed": strange}).body.decode()
    assert 'href="/studio/train/runs/has%20copies#delete">has copies</a>' in forgotten
    shutil.rmtree(texts.parent)


def test_all_that_is_kept_is_given_out(studio, strange):
    answer = studio.ask("GET", of(strange, "/export"))
    assert len(json.loads(answer.body)["documents"]) == 5
    assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''%3Cb%3E")
    lines = studio.ask("GET", of(strange, "/export", format="jsonl")).body.decode().splitlines()
    assert json.loads(lines[0])["user_id"] == strange


@pytest.mark.parametrize("typed", ["", " ", "ö", STRANGE.lower()])
def test_nobody_is_forgotten_without_the_whole_name(studio, strange, typed):
    assert studio.ask("POST", "/users/user/forget", {"id": strange, "typed": typed}).status == 400
    assert studio.store.user(LOCAL_TENANT, strange).id == strange


def test_forgetting_stops_what_is_written(studio, strange):
    body = {"model": "penname", "user": strange, "stream": True, "max_tokens": 900, "temperature": 2, "n": 4}
    connection = HTTPConnection("127.0.0.1", studio.port, timeout=60)
    sent = json.dumps({**body, "messages": [{"role": "user", "content": "Write."}]})
    connection.request("POST", "/v1/chat/completions", sent, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert answer.readline().startswith(b"data: ")
    assert studio.ask("POST", "/users/user/forget", {"id": strange, "typed": strange}).status == 200
    assert b"forgotten meanwhile" in answer.read()
    assert studio.ask("GET", of(strange)).status == 404


def shown(browser: Any, text: str, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while text not in browser.find_element("css selector", "main").text:
        assert time.monotonic() < end, browser.find_element("css selector", "main").text
        time.sleep(0.05)


def tab_to(browser: Any, text: str, most: int = 120) -> Any:
    """Go on with the tab key until something with this text or id has the focus."""
    for _ in range(most):
        here = browser.switch_to.active_element
        if here.tag_name != "body" and text in (here.text or here.get_attribute("id") or ""):
            return here
        here.send_keys(Keys.TAB)
    raise AssertionError(f"the tab key does not lead to {text!r}")


def test_a_user_is_found_looked_at_and_forgotten_by_keyboard(studio, browser, strange):
    browser.get(f"{studio.url}/users")
    check_looks(browser, "users")
    tab_to(browser, "user-search").send_keys("100%")
    shown(browser, "1 user")
    tab_to(browser, "100%").send_keys(Keys.ENTER)
    shown(browser, "Who writes most alike")
    shown(browser, "None is kept")
    tab_to(browser, "Note 0").send_keys(Keys.ENTER)
    tab_to(browser, "Delete this document").send_keys(Keys.ENTER)
    browser.switch_to.alert.accept()
    shown(browser, "The document is deleted. 4 documents")
    time.sleep(0.2)
    assert "The document is deleted" in browser.switch_to.active_element.text
    tab_to(browser, "Forget <b>").send_keys(Keys.ENTER)
    tab_to(browser, "typed").send_keys(strange, Keys.ENTER)
    shown(browser, "Nothing of <b>")
    time.sleep(0.2)
    assert browser.switch_to.active_element.text == "Forgotten"
    check_console(browser)


def test_a_user_s_page_looks_as_before(studio, browser, presidents):
    browser.get(f"{studio.url}{of(next(iter(presidents)))}")
    shown(browser, "Who writes most alike")
    shown(browser, "None is kept")
    check_looks(browser, "user")
    check_keys(browser)


def test_a_word_of_any_length_makes_no_page_wider(studio, browser):
    texts = [f"the river {'long' * 100} is wide, and {'slow' * 100} it goes, number {n}" for n in range(6)]
    studio.store.add_profiles(LOCAL_TENANT, {"long": [Document("", text) for text in texts]})
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", NARROW)
    try:
        browser.get(f"{studio.url}{of('long')}")
        shown(browser, "Who writes most alike")
        assert browser.execute_script("return document.documentElement.scrollWidth") <= NARROW["width"]
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        studio.store.forget(LOCAL_TENANT, "long")
