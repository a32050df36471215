"""A person brings files to the studio: they are sent, shown, chosen from and saved, or nothing is."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from tests.serve.serving import form
from tests.studio.hostile import FRAGMENTS, check_is_text, check_nothing_ran, hostile_texts
from tests.studio.keys import check_keys
from tests.studio.looks import check_console, check_looks

from penname.serve.access import LOCAL_TENANT
from penname.serve.private_folder import PREFIX

CHAT = "\n".join(
    f"[2024-0{1 + n % 9}-1{n % 10}, 10:{n:02d}:00] {'Ada' if n % 2 else 'Bo'}: I saw {n} grey herons by the river today"
    for n in range(12)
)


def table(rows: int, users: int = 3, **names: str) -> bytes:
    """A table of texts, of which each is another one. names: of columns, in the place of usual ones."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow([names.get(kind, kind) for kind in ("user", "text", "title", "date")])
    for n in range(rows):
        words = " ".join(f"w{n * 7 + k}x" for k in range(30))
        day = f"20{10 + n % 12}-0{1 + n % 9}-15"
        writer.writerow([f"user{n % users}", f"The heron stood in the water, and {words}.", f"Note {n}", day])
    return file.getvalue().encode()


def send(studio: Any, *files: tuple[str, bytes]) -> None:
    """Send files as the page's script does, and wait until they are read."""
    size = sum(len(content) for _, content in files)
    assert studio.ask("POST", "/import/begin", {"files": len(files), "size": size}).status == 200
    body, kind = form(files, ())
    assert studio.ask("POST", "/import/files", content=body, Content_Type=kind).status == 204
    assert studio.ask("POST", "/import/read").status == 200
    wait(studio, lambda: step(studio) != "reading")


def importing(studio: Any) -> Any:
    return studio.pages.importing


def step(studio: Any) -> str:
    return str(importing(studio).step)


def wait(studio: Any, true: Any, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, step(studio)
        time.sleep(0.02)


def number(studio: Any) -> int:
    return int(importing(studio).number)


def save(studio: Any) -> None:
    assert studio.ask("POST", "/import/save", {"number": number(studio)}).status == 200
    wait(studio, lambda: step(studio) != "saving")


def folders() -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob(f"{PREFIX}{os.getpid()}-*"))


@pytest.fixture(autouse=True)
def empty(studio: Any) -> Any:
    """No import, no users and no folder before each test, and no folder after it."""
    yield
    if step(studio) == "saving":
        studio.ask("POST", "/import/stop")
    studio.ask("POST", "/import/cancel")
    for user in studio.store.users(LOCAL_TENANT, limit=10_000):
        studio.store.forget(LOCAL_TENANT, user.id)
    assert folders() == []


def users(studio: Any) -> dict[str, int]:
    ids = [user.id for user in studio.store.users(LOCAL_TENANT, limit=10_000)]
    return studio.store.count_documents(LOCAL_TENANT, ids)


def test_a_table_is_understood_and_saved(studio):
    send(studio, ("texts.csv", table(30)))
    shown = studio.ask("GET", "/import").body.decode()
    assert "30 texts by 3 authors" in shown
    assert "2010-01-15 to 2021-" in shown
    assert "English" in shown
    save(studio)
    assert users(studio) == {"user0": 10, "user1": 10, "user2": 10}
    document = studio.store.documents(LOCAL_TENANT, "user0", limit=1)[0]
    assert (document.title, document.date) == ("Note 0", "2010-01-15")


def test_the_same_texts_again_are_not_doubled(studio):
    for _ in range(2):
        send(studio, ("texts.csv", table(30)))
        save(studio)
    assert users(studio) == {"user0": 10, "user1": 10, "user2": 10}


def test_columns_that_are_not_known_are_chosen(studio):
    send(studio, ("texts.csv", table(6, user="wer", text="was", title="ding")))
    shown = studio.ask("GET", "/import").body.decode()
    assert step(studio) == "unread"
    assert '<option value="was">' in shown
    assert '<option value="date" selected>' in shown
    assert "found no column that is known to have the text, among wer, was, ding, date" in shown
    chosen = {"user": "wer", "text": "was", "title": "", "date": "date", "item": "", "rating": ""}
    assert studio.ask("POST", "/import/columns", chosen).status == 200
    wait(studio, lambda: step(studio) == "preview")
    save(studio)
    document = studio.store.documents(LOCAL_TENANT, "user0", limit=1)[0]
    assert (document.title, document.date) == (None, "2010-01-15")


def test_of_a_chat_only_who_is_ticked_is_saved(studio):
    send(studio, ("WhatsApp Chat with Bo.txt", CHAT.encode()))
    answer = studio.ask("POST", "/import/save", {"number": number(studio)})
    assert "nobody is ticked yet" in answer.body.decode()
    assert (answer.status, step(studio)) == (200, "preview")
    names = [author.name for author in importing(studio).held.found.authors]
    ticked = {"number": number(studio), "as": "one", "shown": [0, 1], "author": names.index("Ada")}
    assert studio.ask("POST", "/import/chosen", ticked).status == 200
    save(studio)
    assert users(studio) == {"Ada": 6}


def test_two_names_are_one_person(studio):
    send(studio, ("WhatsApp Chat with Bo.txt", CHAT.encode()))
    ticked = {"number": number(studio), "as": "one", "shown": [0, 1], "author": [0, 1], "name": "Ada Ä"}
    assert studio.ask("POST", "/import/chosen", ticked).status == 200
    save(studio)
    assert list(users(studio)) == ["Ada Ä"]


def choose(studio: Any, *ticked: int, **fields: Any) -> str:
    given = {"number": number(studio), "as": "one", "shown": [0, 1], "author": list(ticked), **fields}
    answer = studio.ask("POST", "/import/chosen", given)
    assert answer.status == 200
    return answer.body.decode()


def test_the_name_follows_the_ticks_until_one_is_typed(studio):
    send(studio, ("WhatsApp Chat with Bo.txt", CHAT.encode()))
    first, second = [author.name for author in importing(studio).held.found.authors]
    choose(studio, 0, name="", name_before="")
    assert f'value="{first}"' in choose(studio, 0, name="", name_before="")
    assert importing(studio).held.choice.name == first
    choose(studio, name=first, name_before=first)
    choose(studio, 1, name="", name_before="")
    assert importing(studio).held.choice.name == second
    choose(studio, name=second, name_before=second, all="none")
    choose(studio, 0, name="", name_before="")
    assert importing(studio).held.choice.name == first
    choose(studio, 1, name="typed", name_before=first)
    choose(studio, 0, name="typed", name_before="typed")
    assert importing(studio).held.choice.name == "typed"
    choose(studio, 1, name=" ", name_before="typed")
    assert importing(studio).held.choice.name == second


def test_a_name_that_was_changed_on_another_page_is_shown_before_it_is_saved(studio):
    send(studio, ("WhatsApp Chat with Bo.txt", CHAT.encode()))
    choose(studio, 0, name="here", name_before="Ada")
    given = {"number": number(studio), "as": "one", "shown": [0, 1], "author": 0}
    answer = studio.ask("POST", "/import/save", given | {"name": "Ada", "name_before": "Ada"}).body.decode()
    assert "this was changed on another page meanwhile" in answer
    assert 'value="here"' in answer
    assert (step(studio), users(studio)) == ("preview", {})
    studio.ask("POST", "/import/save", given | {"name": "here", "name_before": "here"})
    wait(studio, lambda: step(studio) == "saved")
    assert users(studio) == {"here": 6}


def test_ticks_that_were_changed_on_another_page_are_shown_before_they_are_saved(studio):
    send(studio, ("WhatsApp Chat with Bo.txt", CHAT.encode()))
    choose(studio, 0, 1, name="me", name_before="")
    given = {"number": number(studio), "as": "one", "name": "me", "name_before": "me", "shown": [0, 1]}
    answer = studio.ask("POST", "/import/save", given | {"author": 0}).body.decode()
    assert "this was changed on another page meanwhile" in answer
    assert answer.count(" checked") == 3
    assert (step(studio), users(studio)) == ("preview", {})
    studio.ask("POST", "/import/save", given | {"author": [0, 1]})
    wait(studio, lambda: step(studio) == "saved")


def test_who_is_a_user_already_is_told_of_the_name_that_is_typed(studio):
    send(studio, ("texts.csv", table(6, users=2)))
    save(studio)
    studio.ask("POST", "/import/cancel")
    send(studio, ("WhatsApp Chat with Bo.txt", CHAT.encode()))
    assert "a user of this name already" not in choose(studio, 0, name="", name_before="")
    given = {"number": number(studio), "as": "one", "shown": [0, 1], "author": 0, "name": "user1", "name_before": "Ada"}
    answer = studio.ask("POST", "/import/name", given)
    assert "There is a user of this name already, with 3 documents" in answer.body.decode()


def test_folders_are_authors_and_the_folder_that_was_chosen_is_not(studio):
    text = "The heron stood in the water and looked at the boats number {}."
    files = [(f"all/{who}/{n}.txt", text.format(f"{who} {n} " * 9).encode()) for who in ("ada", "bo") for n in (1, 2)]
    send(studio, *files)
    assert sorted(author.name for author in importing(studio).held.found.authors) == ["ada", "bo"]


def test_what_is_left_out_is_said(studio):
    twice = b"user,text\nada,too short\n" + b"ada,The heron stood in the water and looked at us.\n" * 2
    send(studio, ("texts.csv", twice))
    shown = studio.ask("GET", "/import").body.decode()
    assert "3 texts by 1 author, 2 left out (see below)" in shown
    assert "shorter than 5 words" in shown
    assert "near-duplicate" in shown


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("x.bin", b"\0\1\2", "of no known format"),
        ("x.csv", b"user,text\n", "found no row"),
        ("x.zip", b"PK broken", "a broken archive"),
        (
            "x.csv",
            b"user,text\nada,short\n",
            "no text to keep, of 5 words or more: skipped 1 row: shorter than 5 words",
        ),
        ("x.pdf", b"%PDF-1.4 broken", "broken: a PDF file"),
    ],
)
def test_files_that_cannot_be_read_are_told_in_a_line(studio, name, content, line):
    send(studio, (name, content))
    shown = studio.ask("GET", "/import").body.decode()
    assert "This could not be read" in shown
    assert line in shown
    assert tempfile.gettempdir() not in shown


def test_columns_are_asked_for_only_where_others_help(studio):
    for content, helps in (
        (b'[{"user": "ada", "text": "The heron', False),
        (b'[{"who": "ada", "words": "Ah."}]', True),
    ):
        send(studio, ("texts.json", content))
        shown = studio.ask("GET", "/import").body.decode()
        assert "This could not be read" in shown
        assert ("Columns of the table" in shown) == helps
        studio.ask("POST", "/import/cancel")


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("begin", {"files": 0, "size": 1}, 400),
        ("begin", {"files": 30_000, "size": 1}, 400),
        ("begin", {"files": 1, "size": 2**40}, 413),
        ("begin", {"files": "many", "size": 1}, 400),
        ("read", {}, 409),
        ("save", {"number": 0}, 409),
        ("save", {"number": "x"}, 400),
        ("chosen", {"number": 0}, 409),
        ("columns", {"text": "x"}, 409),
        ("authors", {}, 405),
        ("nowhere", {}, 404),
    ],
)
def test_requests_that_make_no_sense_are_refused_in_a_line(studio, path, fields, status):
    answer = studio.ask("POST", f"/import/{path}", fields)
    assert answer.status == status
    assert answer.body.decode().count("<p>") == 1


@pytest.mark.parametrize(
    ("changes", "status"),
    [({"author": 9}, 400), ({"name": "a\nb", "author": 0}, 400), ({"as": "two"}, 400), ({"number": 0}, 409)],
)
def test_choices_that_make_no_sense_are_refused(studio, changes, status):
    send(studio, ("texts.csv", table(6)))
    assert studio.ask("POST", "/import/chosen", {"number": number(studio), "as": "one", **changes}).status == status


@pytest.mark.parametrize(
    "name", ["../../evil.txt", "/etc/evil.txt", "a\\..\\evil.txt", "x" * 400 + ".txt", "é" * 300 + ".txt"]
)
def test_names_of_files_lead_nowhere_else(studio, name):
    send(studio, (name, b"The heron stood in the water and looked at the boats."))
    assert step(studio) == "preview"
    assert not list(Path(tempfile.gettempdir()).glob("evil*"))


def test_a_second_import_waits_for_the_first(studio):
    send(studio, ("texts.csv", table(6)))
    assert studio.ask("POST", "/import/begin", {"files": 1, "size": 1}).status == 409


def test_files_are_private_and_gone_once_they_are_read(studio):
    studio.ask("POST", "/import/begin", {"files": 1, "size": 1})
    body, kind = form([("a.txt", b"The heron stood in the water and looked.")], ())
    studio.ask("POST", "/import/files", content=body, Content_Type=kind)
    (folder,) = folders()
    assert folder.stat().st_mode & 0o777 == 0o700
    studio.ask("POST", "/import/read")
    wait(studio, lambda: step(studio) == "preview")
    assert folders() == []


def test_cancelling_keeps_nothing(studio):
    send(studio, ("texts.csv", table(6)))
    assert len(folders()) == 1  # a table may be read again
    assert studio.ask("POST", "/import/cancel").status == 200
    assert (folders(), importing(studio).held.found, users(studio)) == ([], None, {})


def test_stopping_to_save_keeps_nothing_and_what_was_read_is_still_there(studio):
    send(studio, ("texts.csv", table(300, users=100)))
    studio.ask("POST", "/import/save", {"number": number(studio)})
    wait(studio, lambda: importing(studio).progress.done > 20)
    answer = studio.ask("POST", "/import/stop").body.decode()
    assert "Nothing was saved" in answer
    assert users(studio) == {}
    assert len(importing(studio).held.found.authors) == 100


def forget(studio: Any, user: str) -> int:
    connection = HTTPConnection("127.0.0.1", studio.port, timeout=60)
    connection.request("DELETE", f"/v1/users/{user}")
    return connection.getresponse().status


def test_who_is_forgotten_is_dropped_from_what_was_read(studio):
    send(studio, ("texts.csv", table(30)))
    studio.store.put_user(LOCAL_TENANT, "user1")
    assert forget(studio, "user1") == 200
    assert [author.name for author in importing(studio).held.found.authors] == ["user0", "user2"]
    assert folders() == []
    save(studio)
    assert users(studio) == {"user0": 10, "user2": 10}


def test_who_is_forgotten_while_all_are_saved_is_not_there_afterwards(studio):
    send(studio, ("texts.csv", table(120, users=30)))
    studio.ask("POST", "/import/save", {"number": number(studio)})
    wait(studio, lambda: importing(studio).progress.done > 20)
    forget(studio, "user1")
    wait(studio, lambda: step(studio) == "saved")
    assert "user1" not in users(studio)
    assert len(users(studio)) == 29


@pytest.mark.slow
def test_ten_thousand_documents(studio):
    content = table(10_000, users=20)
    started = time.monotonic()
    send(studio, ("texts.csv", content))
    before = time.monotonic()
    assert studio.ask("GET", "/import").status == 200
    assert studio.ask("POST", "/import/save", {"number": number(studio)}).status == 200
    assert time.monotonic() - before < 2
    wait(studio, lambda: step(studio) == "saved", 60)
    assert time.monotonic() - started < 60
    assert sum(users(studio).values()) == 10_000


def test_texts_are_nowhere_markup(studio, browser):
    names = [" ".join(text.split())[:90] for text in FRAGMENTS[::4]]
    rows = [
        {
            "user": names[n % len(names)],
            "text": f"There are five words and {text}",
            "title": text,
            "<b data-hostile>": text,
        }
        for n, text in enumerate(hostile_texts())
    ]
    send(studio, ("<i data-hostile>.json", json.dumps(rows).encode()))
    browser.get(f"{studio.url}/import")
    check_nothing_ran(browser)
    check_is_text(studio.ask("GET", "/import/authors").body.decode())
    save(studio)
    browser.get(f"{studio.url}/import")
    check_nothing_ran(browser)
    browser.get(f"{studio.url}/users")
    check_nothing_ran(browser)
    ids = list(users(studio))
    assert len(ids) > 15
    for user in ids:
        for part in ("", "/documents", "/reasonings"):
            answer = studio.ask("GET", f"/users/user{part}?id={quote(user, safe='')}")
            assert answer.status == 200
            check_is_text(answer.body.decode())
    browser.get(f"{studio.url}/users/user?id={quote(ids[0], safe='')}")
    shown(browser, "Words that")
    check_nothing_ran(browser)


def press(browser: Any, *keys: str) -> None:
    for key in keys:
        browser.switch_to.active_element.send_keys(key)


def tab_to(browser: Any, text: str, most: int = 60) -> None:
    """Go on with the tab key until something with this text has the focus."""
    for _ in range(most):
        here = browser.switch_to.active_element
        if here.tag_name != "body" and text in (here.text or here.get_attribute("id") or ""):
            return
        here.send_keys(Keys.TAB)
    raise AssertionError(f"the tab key does not lead to {text!r}")


def shown(browser: Any, text: str, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while text not in browser.find_element("css selector", "main").text:
        assert time.monotonic() < end, browser.find_element("css selector", "main").text
        time.sleep(0.05)


def focused(browser: Any, text: str, seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while browser.switch_to.active_element.text != text:
        assert time.monotonic() < end, browser.switch_to.active_element.text
        time.sleep(0.05)


def test_the_whole_way_by_keyboard(studio, browser, tmp_path):
    browser.get(f"{studio.url}/import")
    check_looks(browser, "import-empty")
    check_keys(browser)
    file = tmp_path / "chat.txt"
    file.write_text(CHAT)
    browser.find_element("id", "files").send_keys(str(file))  # what the system's dialog does
    shown(browser, "Who of these is you?")
    focused(browser, "This is what was understood")
    browser.refresh()  # another tab sees the same
    shown(browser, "Who of these is you?")
    place = [author.name for author in importing(studio).held.found.authors].index("Ada")
    tab_to(browser, f"author-{place}")
    press(browser, Keys.SPACE)
    shown(browser, "Save 6 documents")
    assert browser.switch_to.active_element.get_attribute("id") == f"author-{place}"
    check_looks(browser, "import-preview")
    check_keys(browser)
    tab_to(browser, "Save 6 documents")
    press(browser, Keys.ENTER)
    shown(browser, "6 documents of 1 user are in the studio")
    focused(browser, "Saved")
    check_looks(browser, "import-saved")
    tab_to(browser, "see the style of these texts")
    check_console(browser)


ONE = b"The heron stood in the water and looked at the boats."


def rename(browser: Any, name: str) -> None:
    browser.find_element("id", "user-name").clear()
    browser.find_element("id", "user-name").send_keys(name)


def renamed(studio: Any, name: str) -> None:
    wait(studio, lambda: importing(studio).held.choice.name == name)


def test_a_name_is_typed_and_the_save_button_pressed(studio, browser):
    studio.store.put_user(LOCAL_TENANT, "Ada")  # which is told beside the button
    send(studio, ("ada.txt", ONE))
    browser.get(f"{studio.url}/import")
    rename(browser, "Ada")
    press_button = ActionChains(browser).click_and_hold(browser.find_element("id", "save"))
    press_button.pause(0.3).release().perform()  # the name is taken meanwhile, as the focus leaves it
    shown(browser, "1 document of 1 user is in the studio")
    assert users(studio) == {"Ada": 1}
    check_console(browser)


def test_a_name_is_typed_and_enter_saves(studio, browser):
    send(studio, ("ada.txt", ONE))
    browser.get(f"{studio.url}/import")
    rename(browser, "Ada")
    press(browser, Keys.TAB)
    renamed(studio, "Ada")
    time.sleep(0.2)  # what the answer would swap is swapped
    assert browser.switch_to.active_element.get_attribute("id") == "save"
    rename(browser, "Ida")
    press(browser, Keys.ENTER)
    shown(browser, "1 document of 1 user is in the studio")
    assert users(studio) == {"Ida": 1}
    check_console(browser)


def test_columns_are_chosen_by_keyboard(studio, browser):
    send(studio, ("texts.csv", table(6, text="was")))
    browser.get(f"{studio.url}/import")
    before = number(studio)
    browser.find_element("id", "column-text").send_keys(Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    time.sleep(0.2)  # nothing is read meanwhile
    assert browser.switch_to.active_element.get_attribute("id") == "column-text"
    assert number(studio) == before
    tab_to(browser, "Read again")
    press(browser, Keys.ENTER)
    shown(browser, "6 texts by 3 authors")
    check_console(browser)


def test_a_folder_that_is_chosen_is_sent_whole(studio, browser, tmp_path):
    for who in ("ada", "bo"):
        for n in range(3):
            file = tmp_path / "mine" / who / f"{n}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"The heron stood in the water and looked at {' '.join(f'{who}{n}{k}' for k in range(9))}.")
    browser.get(f"{studio.url}/import")
    browser.find_element("id", "folder").send_keys(str(tmp_path / "mine"))
    shown(browser, "6 texts by 2 authors")
    check_console(browser)


def test_a_folder_that_is_dropped_is_sent_whole(studio, browser, tmp_path):
    file = tmp_path / "mine" / "ada" / "1.txt"
    file.parent.mkdir(parents=True)
    file.write_text("The heron stood in the water and looked at the boats.")
    browser.get(f"{studio.url}/import")
    x, y = browser.execute_script(
        "const box = document.getElementById('drop').getBoundingClientRect(); return [box.x + 20, box.y + 20]"
    )
    data = {"items": [], "files": [str(tmp_path / "mine")], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        browser.execute_cdp_cmd("Input.dispatchDragEvent", {"type": kind, "x": x, "y": y, "data": data})
    shown(browser, "1 text by 1 author")
    assert importing(studio).held.found.authors[0].name == "ada"
    check_console(browser)


def test_a_file_that_is_refused_is_told_and_nothing_is_left(studio, browser, tmp_path):
    (tmp_path / "one.txt").write_text("The heron stood in the water.")
    browser.get(f"{studio.url}/import")
    # Two files of one name, as two folders that are dropped may have them.
    chosen = "\n".join([str(tmp_path / "one.txt")] * 2)
    browser.find_element("id", "files").send_keys(chosen)
    end = time.monotonic() + 20
    while "two files of one name" not in browser.find_element("id", "alert").text:
        assert time.monotonic() < end
        time.sleep(0.05)
    shown(browser, "Bring your texts")
    assert folders() == []


def test_another_tab_follows(studio, browser):
    browser.get(f"{studio.url}/import")
    send(studio, ("texts.csv", table(6)))
    shown(browser, "This is what was understood")
    studio.ask("POST", "/import/cancel")
    shown(browser, "Bring your texts")
