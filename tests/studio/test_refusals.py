"""What is refused is seen, wherever a page is scrolled, and the focus stays where it was."""

from __future__ import annotations

from typing import Any

from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from penname.serve.access import LOCAL_TENANT

IS_IN_VIEW = """
const box = document.getElementById('alert').getBoundingClientRect();
return box.height > 0 && box.top >= 0 && box.bottom <= innerHeight;
"""


def told(browser: Any) -> Any:
    return WebDriverWait(browser, 10).until(lambda b: b.find_element("id", "alert").text)


def test_a_refusal_at_the_end_of_a_long_page_is_in_view(studio, browser):
    studio.store.put_user(LOCAL_TENANT, "ada")
    browser.get(f"{studio.url}/users/user?id=ada")
    browser.set_window_size(800, 300)
    browser.execute_script("document.getElementById('typed').closest('details').open = true")
    name = browser.find_element("id", "typed")
    name.send_keys("somebody else", Keys.ENTER)
    assert told(browser)
    assert browser.execute_script("return scrollY") > 300
    assert browser.execute_script(IS_IN_VIEW)


def test_a_button_that_asks_keeps_the_focus(studio, browser):
    studio.enter(browser, "/write")
    browser.find_element("id", "prompt").send_keys("Write.")
    browser.execute_script("document.getElementById('seed').value = '-1'; document.getElementById('seed').min = ''")
    button = browser.find_element("id", "write")
    button.send_keys(Keys.ENTER)
    assert "seed" in told(browser)
    WebDriverWait(browser, 5).until(lambda b: b.switch_to.active_element.get_attribute("id") == "write")
