"""The documentation as pages of the server: what they may load, and what is answered where they were not built."""

from __future__ import annotations

import base64
import hashlib
from contextlib import contextmanager

import pytest
from docs.reference import NoStore, no_methods
from tests.serve.serving import Client, in_thread

from penname.serve import docs_site
from penname.serve.app import make_app

SCRIPTS = ("let a = 1", 'console.log("<b>")\n')
PAGE = (
    '<html><head><script>{}</script><script src="a.js"></script></head><body><script id="x">{}</script></body></html>'
)


@contextmanager
def served(folder, monkeypatch):
    """The server's application, which is asked for nothing that needs a model or a database."""
    monkeypatch.setattr(docs_site, "FOLDER", folder)
    app = make_app(NoStore(), no_methods, key_required=True, longest_wait=1)
    with in_thread(app, lifespan="off") as port:
        yield Client(port)


@pytest.fixture
def site(tmp_path):
    folder = tmp_path / "site"
    (folder / "serve").mkdir(parents=True)
    (folder / "index.html").write_text(PAGE.format(*SCRIPTS))
    (folder / "serve" / "index.html").write_text(PAGE.format("let b", "let b"))
    (folder / "a.js").write_text("1")
    (tmp_path / "secret.txt").write_text("not of the site")
    return folder


def test_a_page_may_run_its_own_scripts_alone(site, monkeypatch):
    with served(site, monkeypatch) as server:
        page = server("GET", "/docs-site/")
    policy = page.headers["content-security-policy"]
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in SCRIPTS]
    (allowed,) = [part for part in policy.split("; ") if part.startswith("script-src")]
    assert allowed == f"script-src 'self' 'sha256-{hashes[0]}' 'sha256-{hashes[1]}'"
    assert "default-src 'none'" in policy
    assert page.headers["x-frame-options"] == "DENY"


def test_a_page_that_is_built_anew_has_a_new_policy(site, monkeypatch):
    with served(site, monkeypatch) as server:
        before = server("GET", "/docs-site/").headers["content-security-policy"]
        (site / "index.html").write_text(PAGE.format("let c = 3", "let c = 4"))
        assert server("GET", "/docs-site/").headers["content-security-policy"] != before


def test_addresses_lead_to_pages_and_nowhere_else(site, monkeypatch):
    with served(site, monkeypatch) as server:
        assert server("GET", "/docs-site").headers["location"].endswith("/docs-site/")
        assert server("GET", "/docs-site/serve").headers["location"].endswith("/docs-site/serve/")
        assert b"let b" in server("GET", "/docs-site/serve/").body
        assert (
            server("GET", "/docs-site/a.js").headers["content-security-policy"].startswith("default-src 'none'; frame")
        )
        for path in ("../secret.txt", "%2e%2e/secret.txt", "..%2fsecret.txt", "nothing", "serve/../../secret.txt"):
            assert server("GET", f"/docs-site/{path}").status == 404
        assert server("POST", "/docs-site/").status == 405


def test_pages_that_were_not_built_are_a_line(tmp_path, monkeypatch):
    with served(tmp_path / "nothing", monkeypatch) as server:
        for path in ("/docs-site/", "/docs-site/serve/"):
            answer = server("GET", path)
            assert answer.status == 404
            assert "`make docs`" in answer.error["message"]
        assert server("GET", "/docs").status == 200
