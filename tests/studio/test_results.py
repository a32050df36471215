"""Results in a real browser: all runs, the chosen ones compared, their report, whatever lies in the folder of runs."""

from __future__ import annotations

import csv
import io
import itertools
import os
import re
import shutil
import time
from urllib.parse import urlencode

import pytest
from tests.studio.hostile import as_file_name, check_is_text, check_nothing_ran, hostile_texts
from tests.studio.keys import check_keys, focus_by_keys, press, to_the_beginning
from tests.studio.looks import check_console, check_looks
from tests.studio.results_runs import rewrite, unpack_run, with_other_seed
from tests.studio.studios import running_studio

from penname.experiments.comparison import compare_runs
from penname.runs.folder import read_records
from penname.serve.store.opening import open_store

FIRST_AND_SECOND = "/results/compare?run=first&run=sweep%2Fsecond"


@pytest.fixture(scope="module")
def studio(served_run, tmp_path_factory):
    """A studio with two runs, of which one is a point of a sweep, and folders that are none."""
    folder = tmp_path_factory.mktemp("results")
    runs = folder / "runs"
    first = unpack_run(runs / "first")
    with_other_seed(first, runs / "sweep" / "second", 1)
    for name, content in (("bytes", b"\xff\xfe"), ("list", b"[1]"), ("other", b"methods: [magic]\n"), ("empty", b"")):
        (runs / f"broken {name}").mkdir()
        (runs / f"broken {name}" / "recipe.yaml").write_bytes(content)
    (runs / "half").mkdir()
    os.mkdir(os.fsencode(runs / "latin-") + b"\xe9")
    (runs / "not evaluated").mkdir()
    shutil.copy(first / "recipe.yaml", runs / "not evaluated")
    damaged = shutil.copytree(first, runs / "damaged")
    (damaged / "evaluation/test/rag/metrics/00000.parquet").write_bytes(b"PAR1")
    with (
        open_store(f"sqlite:///{folder}/penname.db") as store,
        running_studio(store, served_run, runs) as studio,
    ):
        yield studio


def one(page, selector):
    return page.find_element("css selector", selector)


def texts(page, selector):
    return [found.text for found in page.find_elements("css selector", selector)]


def go(browser, studio, path):
    browser.get(f"{studio.url}{path}")


def wait_for(condition, seconds=5.0):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def lines(browser):
    """The list of runs: for each its name and what is said of it."""
    rows = browser.find_elements("css selector", ".runs tbody tr")
    return {row.find_element("tag name", "th").text: texts(row, "td:not(:first-child)") for row in rows}


def test_all_runs_are_there_and_what_is_broken_says_so(browser, studio):
    go(browser, studio, "/results")
    found = lines(browser)
    assert len(found) == 10
    assert found["first"][:2] == ["0.3041 rag", "rag, rest-pg"]
    assert found["half"][0].startswith("found no recipe.yaml")
    assert "not in UTF-8" in found["latin-\\xe9"][0]
    assert "not UTF-8" in found["broken bytes"][0]
    assert "magic" in found["broken other"][0]
    assert found["not evaluated"][0] == "not evaluated yet"
    choosable = browser.find_elements("css selector", ".runs input")
    assert {box.get_attribute("value") for box in choosable} == {"first", "sweep/second", "damaged"}
    check_console(browser)


def test_runs_are_compared_by_keyboard_alone(browser, studio):
    go(browser, studio, "/results?sort=name")
    to_the_beginning(browser)
    for name in ("first", "sweep/second"):
        focus_by_keys(browser, f"input[value='{name}']")
        press(browser, " ")
    focus_by_keys(browser, "main button")
    press(browser, "Enter")
    wait_for(lambda: "compare" in browser.current_url)
    names = [f"{run}:{method}" for run in ("first", "second") for method in ("rag", "rest-pg")]
    assert texts(browser, ".headline tbody td:nth-child(2)") == names
    focus_by_keys(browser, "a[href*='/report']")
    press(browser, "Enter")
    wait_for(lambda: "/report" in browser.current_url)
    assert browser.title.startswith("penname: first")
    to_the_beginning(browser)
    press(browser, "Tab")
    press(browser, "Enter")  # back
    wait_for(lambda: "compare" in browser.current_url)
    check_console(browser)


def test_nothing_chosen_is_said_where_one_is(browser, studio):
    go(browser, studio, "/results")
    one(browser, "main button").click()
    wait_for(lambda: "choose one run or more" in one(browser, "#alert").text)
    assert browser.current_url.endswith("/results")
    check_console(browser)


def test_the_table_is_that_of_the_command(browser, studio):
    folders = [studio.runs / "first", studio.runs / "sweep/second"]
    go(browser, studio, f"{FIRST_AND_SECOND}&holm=true")
    compared = compare_runs(folders, holm=True)
    means = [f"{method['reward']:.4f}" for method in compared.summary["methods"].values()]
    assert [text[:6] for text in texts(browser, ".headline tbody td:nth-child(3)")] == means
    notes = texts(browser, ".notes li")
    assert [note for note in compared.notes if note not in notes] == []
    assert any("Holm" in note for note in notes)
    corrected = [f"{test['p_corrected']:.2g}" for test in compared.summary["tests"] if test["metric"] == "reward"]
    assert texts(browser, "details[open] tbody td:nth-child(6)") == corrected


def test_tests_and_seeds_are_chosen_by_links(browser, studio):
    go(browser, studio, FIRST_AND_SECOND)
    one(browser, "a[href*='holm=true']").click()
    assert texts(browser, ".options [aria-current]") == ["corrected for many comparisons (Holm)", "one by one"]
    one(browser, "a[href*='seeds=true']").click()
    assert texts(browser, ".headline tbody td:nth-child(2)") == ["rag", "rest-pg"]
    assert any("Means over 2 seeds" in note for note in texts(browser, ".notes li"))


def test_runs_that_differ_in_more_than_their_seed_are_not_offered_as_an_average(studio):
    unlike = with_other_seed(studio.runs / "first", studio.runs / "unlike", 7)
    recipe = unlike / "recipe.yaml"
    recipe.write_text(f"shard_size: 7\n{re.sub('(?m)^shard_size: .*', '', recipe.read_text())}")
    both = studio.ask("GET", "/results/compare?run=first&run=unlike").body.decode()
    assert "averaged" not in both
    assert "averaged" in studio.ask("GET", FIRST_AND_SECOND).body.decode()
    shutil.rmtree(unlike)


def test_tables_can_be_downloaded(browser, studio):
    go(browser, studio, "/results/compare?run=first")
    one(browser, "a[href*='means.csv']").click()
    saved = browser.downloads / "first-means.csv"
    wait_for(saved.is_file)
    rows = list(csv.DictReader(io.StringIO(saved.read_text())))
    assert {row["method"] for row in rows} == {"rag", "rest-pg"}
    markdown = studio.ask("GET", "/results/files/table.md?run=first").body.decode()
    assert markdown == compare_runs([studio.runs / "first"]).to_markdown()


def test_a_model_card_is_shown(browser, studio):
    go(browser, studio, "/results/compare?run=first")
    one(browser, "a[href*='/card?']").click()
    assert "Means over 6 examples of the test split" in one(browser, "pre").text
    check_looks(browser, "results-card")


def test_a_report_has_a_policy_that_names_its_own_script(browser, studio):
    answer = studio.ask("GET", "/results/report?run=first")
    policy = answer.headers["content-security-policy"]
    assert "script-src 'sha256-" in policy
    assert "connect-src" not in policy  # so that default-src 'none' stands
    go(browser, studio, "/results/report?run=first")
    assert len(texts(browser, "#shown .texts")) == 2  # its script has run
    check_looks(browser, "results-report")


def test_a_report_is_made_again_only_when_the_run_changes(studio):
    def seconds():
        started = time.monotonic()
        assert studio.ask("GET", "/results/report?run=sweep%2Fsecond").status == 200
        return time.monotonic() - started

    first, again = seconds(), seconds()
    assert again < first / 3
    before = studio.ask("GET", "/results/report?run=sweep%2Fsecond").body
    path = studio.runs / "sweep/second/evaluation/test/rag/metrics/00000.parquet"
    records = read_records(path)
    records[0]["response"] = "It is another text now."
    rewrite(path, records)
    after = studio.ask("GET", "/results/report?run=sweep%2Fsecond").body
    assert b"It is another text now." not in before
    assert b"It is another text now." in after


@pytest.mark.parametrize(
    ("query", "status", "part"),
    [
        ("", 400, "choose one run or more"),
        ("run=nowhere", 404, "found no run"),
        ("run=..", 404, "found no run"),
        ("run=../runs/first", 404, "found no run"),
        ("run=/etc", 404, "found no run"),
        ("run=first/../first", 404, "found no run"),
        ("run=first/evaluation", 400, "found no recipe.yaml"),
        ("run=first%00", 404, "found no run"),
        ("run=%ff", 404, "found no run"),
        ("run=" + "x" * 5000, 404, "found no run"),
        ("run=first&run=first", 400, "given twice"),
        ("run=half", 400, "found no recipe.yaml"),
        ("run=broken+list", 400, "found list"),
        ("run=not+evaluated", 400, "no method has been evaluated"),
        ("run=damaged", 400, "damaged"),
        ("run=first&split=train", 400, "split"),
        ("run=first&split=val", 400, "val"),
        ("run=first&holm=maybe", 400, "holm"),
        ("run=first&seeds=true", 400, "seeds"),
        ("&".join(["run=first"] * 13), 400, "at most 12"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_a_line(studio, query, status, part):
    for kind in ("compare", "report", "files/means.csv"):
        answer = studio.ask("GET", f"/results/{kind}?{query}")
        assert (kind, answer.status) == (kind, status)
        assert re.fullmatch(r"\s*<p>[^\n]*</p>\s*", answer.body.decode())
        assert part in answer.body.decode()


@pytest.mark.parametrize(
    "path", ["/results?page=0", "/results?page=x", "/results?sort=size", "/results/files/x?run=first"]
)
def test_other_addresses_are_refused(studio, path):
    assert studio.ask("GET", path).status in (400, 404)


@pytest.mark.parametrize("model", ["", "..", "../../recipe", "rest-pg", "%00", "evaluation/test/rag"])
def test_cards_of_models_that_are_not_there(studio, model):
    assert studio.ask("GET", f"/results/card?run=first&model={model}").status == 404


def test_a_page_that_is_behind_the_last_one_is_the_last_one(studio):
    assert studio.ask("GET", "/results?page=99").status == 200


@pytest.mark.parametrize("path", ["/results", FIRST_AND_SECOND, "/results/report?run=first"])
def test_all_is_reached_by_keyboard_and_seen(browser, studio, path):
    go(browser, studio, path)
    assert len(check_keys(browser)) > 5


@pytest.mark.parametrize(("path", "name"), [("/results?sort=name", "results"), (FIRST_AND_SECOND, "results-table")])
def test_it_looks_as_before(browser, studio, path, name):
    go(browser, studio, path)
    # Dates are of today, and the folder is another one in each test.
    browser.execute_script(
        "document.querySelectorAll('.runs td:last-child').forEach((e) => { e.textContent = '2026-11-30 12:00' });"
        "document.querySelectorAll('code').forEach((e) => { e.textContent = 'runs' });"
        "document.querySelectorAll('.notes li').forEach((e) => {"
        "  e.textContent = e.textContent.replace(/\\/\\S+\\/runs/g, 'runs') })"
    )
    check_looks(browser, name)


def test_without_runs_it_says_what_to_do(browser, studio, served_run, tmp_path):
    with (
        open_store(f"sqlite:///{tmp_path}/penname.db") as store,
        running_studio(store, served_run, tmp_path / "runs") as empty,
    ):
        empty.enter(browser, "/results")
        assert "penname quickstart" in one(browser, "main").text
        check_console(browser)


@pytest.fixture(scope="module")
def hostile_studio(served_run, tmp_path_factory):
    """A studio with a thousand runs of hostile names and recipes, and one that has hostile texts everywhere."""
    folder = tmp_path_factory.mktemp("hostile")
    runs = folder / "runs"
    hostile = hostile_texts()
    whole = unpack_run(runs / as_file_name(hostile[0], 0))
    few = itertools.cycle(hostile)
    for path in sorted(whole.rglob("*.parquet")):
        records = read_records(path)
        for record in records:
            for field in ("response", "reasoning", "input", "output", "user_id", "completion"):
                if isinstance(record.get(field), str):
                    record[field] = next(few)
            if "context" in record:
                record["context"] = [next(few) for _ in range(20)]
        rewrite(path, records)
    recipe = (whole / "recipe.yaml").read_text()
    for number, text in enumerate(hostile[1:], 1):
        run = runs / as_file_name(text, number)
        run.mkdir()
        (run / "recipe.yaml").write_text(f"{text}: 1\n" if number % 2 else recipe, errors="replace")
    with (
        open_store(f"sqlite:///{folder}/penname.db") as store,
        running_studio(store, served_run, runs) as studio,
    ):
        yield studio


def test_a_thousand_hostile_names_are_names(browser, hostile_studio):
    hostile_studio.enter(browser)
    for number in range(1, 21):
        go(browser, hostile_studio, f"/results?sort=name&page={number}")
        assert one(browser, "main nav span").text == f"Page {number} of 20"
        check_nothing_ran(browser)
        assert len(browser.find_elements("css selector", ".runs tbody tr")) == 50


def test_hostile_texts_of_a_run_are_texts_in_its_table_report_and_files(browser, hostile_studio):
    name = next(path.name for path in hostile_studio.runs.iterdir() if path.name.startswith("0 "))
    query = urlencode({"run": name})
    for path in ("compare", "report"):
        hostile_studio.enter(browser, "/results")
        go(browser, hostile_studio, f"/results/{path}?{query}")
        assert name.split("<")[0].strip() in browser.title
        if path == "report":
            for _ in range(6):
                press(browser, "j")
                check_nothing_ran(browser)
        check_nothing_ran(browser)
    answer = hostile_studio.ask("GET", f"/results/files/table.md?{query}")
    assert (answer.status, "\n" in answer.headers["content-disposition"]) == (200, False)


def test_hostile_texts_in_addresses_are_texts(studio):
    for text in hostile_texts():
        answer = studio.ask("GET", f"/results/compare?{urlencode({'run': text})}")
        assert answer.status == 404
        check_is_text(answer.body.decode())
