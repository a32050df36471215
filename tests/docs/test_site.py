"""The documentation as a site: it is whole, asks no other host for anything, and names all that there is."""

from __future__ import annotations

import importlib.util
import re
from html.parser import HTMLParser
from urllib.parse import unquote, urljoin, urlsplit

import pytest
import typer
from docs.argument_lines import with_heading
from pydantic import BaseModel
from tests.browser import chromium
from tests.serve.serving import in_thread

import penname
from docs import build_site, reference
from penname.cli.app import app
from penname.config import Recipe
from penname.serve import docs_site
from penname.serve.app import make_app

HOST = "http://site/"
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href", "use": "href"}
needs_zensical = pytest.mark.skipif(
    importlib.util.find_spec("zensical") is None, reason="no zensical: pip install 'penname[docs]'"
)


class Page(HTMLParser):
    """What a page loads, what it links to, and the anchors that it has."""

    def __init__(self, text):
        super().__init__()
        self.loads, self.links, self.anchors, self.codes = [], [], set(), []
        self._in_code = False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self._in_code = tag == "code"
        if name := given.get("id"):
            self.anchors.add(name)
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if (name := LOADED.get(tag)) and given.get(name) and given.get("rel") not in ("canonical", "next", "prev"):
            self.loads.append(given[name])
        self.loads += re.findall(r"url\(['\"]?([^'\")]+)", given.get("style") or "")

    def handle_data(self, data):
        if self._in_code:
            self.codes.append(data)

    def handle_endtag(self, tag):
        self._in_code = False


@pytest.fixture(scope="module")
def site():
    """The folder of the site, built as by `make docs`."""
    build_site.build_site()
    return build_site.BUILT


@pytest.fixture(scope="module")
def site_pages(site):
    """Every page by its address."""
    found = {path.relative_to(site).as_posix(): Page(path.read_text("utf-8")) for path in site.rglob("*.html")}
    return {name.removesuffix("index.html"): page for name, page in found.items()}


@needs_zensical
def test_every_page_of_the_menu_is_built(site_pages):
    assert len(site_pages) > 25
    assert {"", "tutorials/mails/", "reference/python/", "security/", "speed/"} <= set(site_pages)


@needs_zensical
def test_no_page_loads_anything_from_elsewhere(site, site_pages):
    for name, page in site_pages.items():
        assert [load for load in page.loads if urlsplit(load).netloc or load.startswith("//")] == [], name
    for sheet in site.rglob("*.css"):
        found = re.findall(r"(?:url\(|@import\s+)['\"]?((?:https?:)?//[^'\")\s]+)", sheet.read_text("utf-8"))
        assert found == [], sheet


@needs_zensical
def test_links_and_anchors_lead_somewhere(site, site_pages):
    for name, page in site_pages.items():
        for link in [*page.links, *page.loads]:
            whole = urlsplit(urljoin(HOST + name, link))
            if f"{whole.scheme}://{whole.netloc}/" != HOST:
                continue
            path = unquote(whole.path.removeprefix("/"))
            if path in site_pages:
                anchor = unquote(whole.fragment)
                assert not anchor or anchor in site_pages[path].anchors or anchor == "__skip", (name, link)
            else:
                assert (site / path).is_file(), (name, link)


@needs_zensical
def test_every_public_name_has_its_place(site_pages):
    assert {f"penname.{name}" for name in penname.__all__} <= site_pages["reference/python/"].anchors
    assert "penname.Run.evaluate" in site_pages["reference/python/"].anchors


@needs_zensical
def test_every_command_and_option_has_its_place(site_pages):
    page = site_pages["reference/commands/"]
    for name, top in typer.main.get_command(app).commands.items():
        for words, command in reference.walk(top, ("penname", name)):
            assert "-".join(words) in page.anchors
            assert {option for own in command.params for option in own.opts if option[:2] == "--"} <= {
                *page.codes,
                "--help",
            }


def settings(model, prefix=""):
    for name, field in model.model_fields.items():
        yield prefix + name, field
        types = [field.annotation, *getattr(field.annotation, "__args__", ())]
        inner = next((found for found in types if isinstance(found, type) and issubclass(found, BaseModel)), None)
        if inner is not None and inner.__name__ != "EngineConfig":
            yield from settings(inner, f"{prefix}{name}.")
        elif inner is not None:
            yield from settings(inner)


@needs_zensical
def test_every_setting_has_its_place(site_pages):
    names = {name for name, _ in settings(Recipe)}
    assert len(names) > 130
    assert names <= set(site_pages["reference/settings/"].codes)


@needs_zensical
def test_every_path_of_the_server_has_its_place(site_pages):
    page = site_pages["reference/http/"]
    for path, operations in reference.openapi()["paths"].items():
        for method in operations:
            assert reference.anchor(f"{method.upper()} {path}") in page.anchors


@needs_zensical
def test_the_licences_of_what_is_bundled_are_there(site):
    assert "Permission is hereby granted" in (site / "assets" / "LICENSE.md").read_text("utf-8")
    assert "Third-Party" in (site / "assets" / "javascripts" / "LICENSE").read_text("utf-8")


@needs_zensical
def test_pages_and_the_search_work_in_a_browser(site, tmp_path, monkeypatch):
    """As the server sends them, with its content security policy."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    monkeypatch.setattr(docs_site, "FOLDER", site)
    server = make_app(reference.NoStore(), reference.no_methods, key_required=False, longest_wait=1)
    with in_thread(server, lifespan="off") as port, chromium(tmp_path) as browser:
        start = f"http://127.0.0.1:{port}/docs-site/"
        for page in ("", "reference/settings/", "reference/python/", "tutorials/mails/"):
            browser.get(start + page)
            loaded = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
            assert [name for name in loaded if not name.startswith((start, "data:"))] == []
        browser.set_window_size(1280, 900)
        browser.find_element(By.CSS_SELECTOR, ".md-search__button").click()
        wait = WebDriverWait(browser, 10)
        wait.until(lambda browser: browser.execute_script(SEARCH + "return !!dialog"))
        browser.switch_to.active_element.send_keys("no_repeat_ngram")
        found = wait.until(lambda browser: browser.execute_script(FOUND))
        assert any(re.search(r"reference/settings/(\?.*)?#decoding$", address) for address in found), found
        assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


SEARCH = "const dialog = [...document.querySelectorAll('div')].map(e => e.shadowRoot).find(root => root);"
FOUND = SEARCH + "return [...dialog.querySelectorAll('a')].map(link => link.href)"


def test_a_link_that_leads_nowhere_is_said():
    with pytest.raises(build_site.SiteError, match=r"docs/data\.md: found a link to nothing\.md"):
        build_site.as_page("See [this](nothing.md).", "docs/data.md", build_site.staged_pages())


@pytest.mark.parametrize(
    ("source", "text", "expected"),
    [
        ("README.md", "[a](docs/data.md#leaks)", "[a](data.md#leaks)"),
        ("docs/tutorials/mails.md", "[a](../data.md)", "[a](../data.md)"),
        ("docs/data.md", "[a](../README.md)", "[a](index.md)"),
        ("docs/extending.md", "[brevity.py](../examples/brevity.py)", "`examples/brevity.py`"),
        ("docs/extending.md", "the [shortest one](../examples/brevity.py)", "the shortest one (`examples/brevity.py`)"),
        ("README.md", "![p](docs/report.png)", "![p](report.png)"),
        ("README.md", "[a](https://arxiv.org/abs/1)", "[a](https://arxiv.org/abs/1)"),
        ("README.md", "```\n[a](nothing.md)\n```\n", "```\n[a](nothing.md)\n```\n"),
        ("README.md", "So:\n- one\n- two\n", "So:\n\n- one\n- two\n"),
    ],
)
def test_links_are_those_of_the_site(source, text, expected):
    assert build_site.as_page(text, source, build_site.staged_pages()) == expected


def test_settings_are_all_described():
    """Those of `decoding` by the docstring that their section names."""
    described = reference.argument_lines(reference.Sampling)
    sections = {name for name, _ in reference.sections_of(Recipe)}
    missing = [name for name, field in settings(Recipe) if not field.description and name not in sections]
    assert [name for name in missing if name.removeprefix("decoding.") not in described] == []


def test_argument_lines_become_a_section():
    docstring = "Does it.\n\nrecipe: what is done,\n    and how.\nfolder: where.\n\nRaises UserError: never."
    assert with_heading(docstring, "Args", {"recipe", "folder"}) == (
        "Does it.\n\nArgs:\n    recipe: what is done,\n        and how.\n    folder: where.\n\nRaises UserError: never."
    )
