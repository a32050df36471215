"""On a machine without a network every page of the studio is whole, and asks nobody else for anything."""

from __future__ import annotations

import errno
import json
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.browser import chromium
from tests.namespaces import where_allowed, without_network
from tests.studio.results_runs import unpack_run
from tests.studio.studios import running_studio

from penname.data.records import Document
from penname.serve.access import LOCAL_TENANT
from penname.serve.store.opening import open_store
from penname.studio.pages import MENU

ELSEWHERE = "192.0.2.1"
"""An address that is nobody's, kept for documentation."""


def requested(browser: Any) -> set[str]:
    """The addresses that the pages have asked for since the last call."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return {m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"}


def is_outside(url: str, port: int) -> bool:
    parts = urlsplit(url)
    return parts.scheme not in ("data", "blob") and parts.netloc != f"127.0.0.1:{port}"


@where_allowed
def test_every_page_is_whole_without_a_network_and_asks_nobody_else(served_run, tmp_path):
    unpack_run(tmp_path / "runs" / "first")

    def visit() -> None:
        with pytest.raises(OSError, match="unreachable") as refused:
            socket.create_connection((ELSEWHERE, 80), timeout=5)
        assert refused.value.errno == errno.ENETUNREACH
        with (
            open_store(f"sqlite:///{tmp_path}/penname.db") as store,
            running_studio(store, served_run, tmp_path / "runs") as studio,
            chromium(tmp_path / "downloads", with_requests=True) as browser,
        ):
            documents = [Document(user_id="ada", text="I grew up by the Elbe. Water is patient.")]
            store.add_documents(LOCAL_TENANT, "ada", documents, put_user=True)
            studio.enter(browser)
            pages = [f"/{path}" if path else "" for path, _ in MENU]
            for path in [*pages, "/results/compare?run=first", "/results/report?run=first"]:
                requested(browser)
                browser.get(f"{studio.url}{path}")
                assert browser.find_elements("tag name", "h1"), path
                asked = requested(browser)
                assert f"{studio.url}{path}" in asked
                assert [url for url in asked if is_outside(url, studio.port)] == []
                assert browser.get_log("browser") == [], path
            browser.get("data:text/html,<img src=http://192.0.2.1/x.png>")
            assert [url for url in requested(browser) if is_outside(url, studio.port)] == ["http://192.0.2.1/x.png"]

    without_network(visit)
