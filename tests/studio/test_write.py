"""One prompt is written side by side, watched, stopped, kept as feedback, and forgotten with its user."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait
from tests.serve.serving import make_run
from tests.studio.looks import check_looks
from tests.studio.studios import Studio

from penname.data.records import Document
from penname.serve.access import LOCAL_TENANT

HOSTILE = "<script>window.ran = 1</script><img src=x onerror='window.ran = 1'>{{ 7 * 7 }} \" ' & </textarea>"
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
def long_run(studio: Studio) -> None:
    make_run(studio.runs / "long", prompt={"max_input_tokens": 500, "max_output_tokens": 1400}, retrieval={"k": 2})


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


def ended(sheet: Any) -> Any:
    wait_until(lambda: not any(column.under_way for column in sheet.columns))
    return sheet


def shown(browser: Any, css: str) -> str:
    return browser.find_element("css selector", css).text


def wait_for(browser: Any, condition: Any) -> None:
    WebDriverWait(browser, 20).until(condition)


def test_by_keyboard_from_a_prompt_to_feedback(studio, browser):
    studio.enter(browser, "/write")
    browser.find_element("id", "prompt").send_keys("Write about the river.", Keys.TAB)
    active = browser.switch_to.active_element
    assert (active.get_attribute("name"), active.get_attribute("value")) == ("user", "ada")
    browser.find_element("id", "seed").clear()
    browser.find_element("id", "seed").send_keys("7", Keys.ENTER)
    wait_for(browser, lambda b: shown(b, "[role=status]") == "All done")
    assert re.search(r"/studio/write/\w+$", browser.current_url)
    sheet = studio.pages.sheets.newest
    assert [shown(browser, f"#text-{n}") for n in (0, 1)] != ["", ""]
    for column in sheet.columns:
        text = browser.execute_script(
            "return document.getElementById(arguments[0]).textContent", f"text-{column.number}"
        )
        assert text == column.text
    check_looks(browser, "write")
