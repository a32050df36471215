"""Who gets in: a browser on this machine with the printed address, and no page of others."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.studio.looks import check_looks

from penname.studio.session import FILE, Session


def test_without_the_address_nothing_is_shown(studio):
    answer = studio.ask("GET", "", Cookie=None, HX_Request=None)
    assert answer.status == 403
    assert "open the address" in answer.body.decode()
    assert studio.session.csrf not in answer.body.decode()


def test_a_wrong_token_lets_nobody_in(studio):
    answer = studio.ask("GET", "?token=wrong", Cookie=None)
    assert answer.status == 403
    assert "set-cookie" not in answer.headers


def test_the_address_lets_a_browser_in_and_leaves_its_token(studio, browser):
    assert browser.current_url == studio.url
    assert browser.find_element("css selector", "h1").text == "penname studio"
    cookie = browser.get_cookie(f"penname-studio-{studio.port}")
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:80"},
        {"Host": "127.0.0.1:80.evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"X_Forwarded_For": "10.0.0.1"},
        {"Via": "1.1 proxy"},
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_other_hosts_and_pages_are_refused_also_with_the_cookie(studio, method, headers):
    assert studio.ask(method, "", **headers).status == 403


@pytest.mark.parametrize("sign", [None, "", "wrong"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_what_changes_something_needs_the_sign_of_our_pages(studio, method, sign):
    assert studio.ask(method, "", X_Penname_Studio=sign).status == 403
    assert studio.ask(method, "").status == 405  # with it, it is only that the first page takes nothing


def test_pages_may_load_nothing_but_files_of_the_studio(studio):
    policy = studio.ask("GET", "").headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


def test_a_page_that_is_not_there(studio):
    answer = studio.ask("GET", "/nowhere", HX_Request=None)
    assert (answer.status, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")


def test_the_server_stands_beside_the_pages(studio):
    connection = studio.ask("GET", "/../healthz")
    assert connection.status in (200, 404)  # whatever the path, never the pages' own failure


def test_the_secret_is_its_owners_alone_and_outlives_a_start(tmp_path: Path):
    first = Session(tmp_path / "runs")
    assert (tmp_path / "runs" / FILE).stat().st_mode & 0o777 == 0o600
    second = Session(tmp_path / "runs")
    assert second.has_cookie(first.cookie)
    assert not second.opens(first.token)


def test_the_first_page_looks_as_before(browser):
    check_looks(browser, "home")
