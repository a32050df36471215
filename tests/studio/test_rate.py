"""Pairs are rated by keyboard without a sign of what wrote them, kept in the run, and told of at the end."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from scipy import stats
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.expected_conditions import staleness_of
from selenium.webdriver.support.ui import WebDriverWait
from tests.studio.evaluated import evaluated_run
from tests.studio.hostile import check_is_text, check_nothing_ran, hostile_texts
from tests.studio.keys import check_keys
from tests.studio.looks import check_console, check_looks
from tests.studio.studios import Studio
from typer.testing import CliRunner

from penname.cli.app import app
from penname.reporting.human_evaluation import agreement
from penname.studio.pages import part
from penname.studio.rate.pairs import draw_key, shown_pairs
from penname.studio.rate.ratings import find_rating, new_rating
from penname.studio.runs import Run

HOSTILE = "<script data-hostile>window.hostile_ran=1</script>{{ 7 * 7 }} \" ' & </article>"
REWARDS = {"rag": 0.2, "sft": 0.4, "rest-pg": 0.7}
METHODS = re.compile(r"rest-pg|sft|rag\b|rated-run", re.IGNORECASE)
"""What would tell who wrote a text; the run's name as well, which could be a method's."""


@pytest.fixture(scope="module", autouse=True)
def rated_run(studio: Studio) -> Path:
    return evaluated_run(studio.runs / "rated-run", REWARDS, 8, [HOSTILE] * 8)


def begin(studio: Studio, **changes: Any) -> Any:
    form = {"run": "rated-run", "first": "sft", "second": "rest-pg", "pairs": 4, "annotator": "Ann", **changes}
    return studio.ask("POST", "/rate", form)


def begun(studio: Studio, **changes: Any) -> str:
    """The id of a rating."""
    answer = begin(studio, **changes)
    assert answer.status == 204, answer.body.decode()
    return answer.headers["hx-redirect"].rpartition("/")[2]


def rate_all(studio: Studio, rating: str, choose: Any) -> None:
    """Choose on each pair of a rating. choose: gets the methods of both sides."""
    for number, pair in find_rating(studio.runs, rating).key["pairs"].items():
        form = {"pair": number, "choice": choose(*pair["methods"])}
        assert studio.ask("POST", f"/rate/{rating}/answers", form).status == 200


def place(browser: Any) -> str:
    return browser.execute_script("return document.getElementById('place')?.textContent ?? ''")


def press(browser: Any, keys: str, expected: str) -> None:
    """Press keys where the focus is, once there was time to look, until a place is shown."""
    browser.execute_async_script("setTimeout(arguments[0], 520)")
    browser.switch_to.active_element.send_keys(keys)
    WebDriverWait(browser, 10).until(lambda b: place(b).startswith(expected))


def test_by_keyboard_from_the_choice_of_methods_to_the_result(studio, browser):
    studio.enter(browser, "/rate")
    check_looks(browser, "rate")
    field = browser.find_element("name", "pairs")
    field.clear()
    field.send_keys("4", Keys.ENTER)
    WebDriverWait(browser, 10).until(lambda b: re.search(r"/rate/\w{12}$", b.current_url))
    WebDriverWait(browser, 10).until(lambda b: b.execute_script("return document.activeElement?.id") == "pair")
    rating = find_rating(studio.runs, browser.current_url.rpartition("/")[2])
    assert place(browser) == "Pair 1 of 4"
    check_nothing_ran(browser)
    check_looks(browser, "rate-pair")
    press(browser, "a", "Pair 2")
    press(browser, "u", "Pair 1")
    press(browser, "b", "Pair 2")
    press(browser, "nn", "Pair 3")  # the second comes before anybody could have looked
    browser.refresh()
    assert place(browser) == "Pair 3 of 4"
    assert rating.answered == {"export": rating.key["export"], "annotator": "me", "answers": {"1": "b", "2": "neither"}}
    press(browser, "a", "Pair 4")
    press(browser, "A", "All 4")
    browser.find_element("link text", "Show the result").send_keys(Keys.ENTER)
    WebDriverWait(browser, 10).until(lambda b: b.find_elements("tag name", "table"))
    check_console(browser)


def test_a_thousand_hostile_texts_stay_texts(studio, tmp_path):
    run = evaluated_run(tmp_path / "run", REWARDS, 1000, hostile_texts())
    key = draw_key(run, ["sft", "rest-pg"], 1000)
    pairs = shown_pairs(new_rating(Run("run", run), key, "Ann"))
    assert len(pairs) == 1000
    for number, pair in pairs.items():
        check_is_text(part("rate_pair.html", rating="0" * 12, number=number, pair=pair, done=1, count=1000))


def test_all_of_the_pages_is_reached_by_keys(studio, browser):
    studio.enter(browser, "/rate")
    assert 'name="annotator"' in "".join(check_keys(browser))
    rating = begun(studio)
    studio.ask("POST", f"/rate/{rating}/answers", {"pair": 1, "choice": "b"})
    browser.get(f"{studio.url}/rate/{rating}")
    reached = "".join(check_keys(browser))
    assert all(f'id="{name}"' in reached for name in ("pair", "choose-a", "choose-b", "choose-neither", "undo"))


def test_another_run_has_other_methods(studio, browser):
    evaluated_run(studio.runs / "other-run", {"sft-reasoning": 0.3, "rest-em": 0.2}, 2)
    studio.enter(browser, "/rate")
    run = browser.find_element("name", "run")
    before = browser.find_element("name", "first")
    run.send_keys("rated" if run.get_attribute("value") == "other-run" else "other")
    WebDriverWait(browser, 10).until(staleness_of(before))
    listed = [option.text for option in browser.find_elements("css selector", "[name=first] option")]
    assert listed == (list(REWARDS) if run.get_attribute("value") == "rated-run" else ["sft-reasoning", "rest-em"])


def test_a_run_of_a_sweep_can_be_rated(studio):
    evaluated_run(studio.runs / "sweep" / "seed-1", REWARDS, 4)
    rating = begun(studio, run="sweep/seed-1")
    assert "Pair 1 of 4" in studio.ask("GET", f"/rate/{rating}").body.decode()
    listed = studio.ask("GET", "/rate").body.decode()
    assert f"/studio/rate/{rating}" in listed
    assert "<td>sweep/seed-1</td>" in listed
    shutil.rmtree(studio.runs / "sweep")


def test_keys_do_nothing_outside_the_pair(studio, browser):
    rating = begun(studio)
    studio.enter(browser, f"/rate/{rating}")
    browser.execute_async_script("setTimeout(arguments[0], 520)")
    browser.find_element("tag name", "nav").find_element("tag name", "a").send_keys("a")
    pair = browser.find_element("id", "pair")
    pair.send_keys(Keys.CONTROL, "a")
    browser.execute_async_script("setTimeout(arguments[0], 200)")
    assert find_rating(studio.runs, rating).answered["answers"] == {}


def test_nothing_that_is_sent_while_rating_tells_the_method(studio):
    rating = begun(studio, pairs=8)
    pages = [studio.ask("GET", f"/rate/{rating}", HX_Request=None)]
    for number in range(1, 8):
        pages.append(studio.ask("POST", f"/rate/{rating}/answers", {"pair": number, "choice": "a"}))
    pages.append(studio.ask("POST", f"/rate/{rating}/undo"))
    for answer in pages:
        assert answer.status == 200
        told = answer.body.decode() + str(answer.headers)
        assert METHODS.findall(told.replace("Show the result so far", "")) == []
    key = find_rating(studio.runs, rating).key
    first = [pair["methods"][0] for pair in key["pairs"].values()]
    assert sorted(first) == ["rest-pg"] * 4 + ["sft"] * 4, "each method stands first as often"
    assert first not in (sorted(first), sorted(first, reverse=True))


def test_the_second_of_two_answers_to_a_pair_is_passed_over(studio):
    rating = begun(studio)
    for choice in ("a", "b"):
        assert studio.ask("POST", f"/rate/{rating}/answers", {"pair": 1, "choice": choice}).status == 200
    assert find_rating(studio.runs, rating).answered["answers"] == {"1": "a"}


def test_the_command_takes_what_several_people_answered(studio, tmp_path):
    rating, other = begun(studio, pairs=8), begun(studio, pairs=8, annotator="Böb", first="rest-pg", second="sft")
    rate_all(studio, rating, lambda a, b: "a" if a == "rest-pg" else "b")
    rate_all(studio, other, lambda a, b: "a")
    files = []
    for name in ("key", "answers"):
        files.append(tmp_path / f"{name}.json")
        files[-1].write_bytes(studio.ask("GET", f"/rate/{rating}/{name}.json").body)
    answers_of_other = find_rating(studio.runs, other).answers_file
    run = CliRunner().invoke(app, ["judge-humans", "import", *map(str, [*files, answers_of_other]), "--json"])
    assert run.exit_code == 0, run.output
    report = json.loads(run.stdout)
    assert report["annotators"]["Böb"]["agreement"] == 0.5
    assert report["kappa"][0]["pairs"] == 8
    ann = report["annotators"]["Ann"]
    assert (ann["pairs"], ann["undecided"], ann["agreement"]) == (8, 0, 1.0)
    kept = find_rating(studio.runs, rating)
    assert json.loads(files[1].read_text()) == kept.answered
    assert agreement(kept.key, {"Ann": kept.answered["answers"]})["annotators"]["Ann"] == ann


def test_the_result_tells_wins_and_the_agreement_of_each_metric(studio, browser):
    rating = begun(studio, pairs=8)
    chosen = iter(["rest-pg"] * 5 + ["sft"] + ["neither"] * 2)

    def choose(first: str, second: str) -> str:
        return {first: "a", second: "b"}.get(next(chosen), "neither")

    rate_all(studio, rating, choose)
    studio.enter(browser, f"/rate/{rating}/result")
    text = browser.find_element("id", "main").text
    low, high = stats.binomtest(5, 6).proportion_ci(method="wilson")
    told = f"(5 of 6; 95 % interval {100 * low:.0f} to {100 * high:.0f} %)"
    assert f"rest-pg was chosen on 83 % of the pairs on which one was {told}" in text
    rows = {
        row.find_element("tag name", "td").text: [cell.text for cell in row.find_elements("tag name", "td")[1:]]
        for row in browser.find_elements("css selector", "[aria-label='Agreement of metrics'] tbody tr")
    }
    agrees, disagrees = (stats.binomtest(hits, 6).proportion_ci(method="wilson") for hits in (5, 1))
    assert rows["reward"][:2] == ["83 %", f"{100 * agrees.low:.0f} to {100 * agrees.high:.0f} %"]
    assert rows["meteor"][:2] == ["17 %", f"{100 * disagrees.low:.0f} to {100 * disagrees.high:.0f} %"]
    assert rows["same"] == ["–", "–", "–", "0"], "equal scores neither agree nor disagree"
    assert rows["judge"] == ["–", "–", "–", "0"]
    kept = find_rating(studio.runs, rating)
    told = agreement(kept.key, {"Ann": kept.answered["answers"]})["majority"]
    assert told["undecided"] == 2
    assert rows["reward"][2:] == [f"{told['correlation']:.2f}", "6"], "as the command tells it"
    check_looks(browser, "rate-result")
    check_nothing_ran(browser)


def test_choices_become_pairs_for_dpo(studio):
    rating = begun(studio, pairs=3)
    rate_all(studio, rating, lambda a, b: "a" if a == "sft" else "b")
    pairs = [json.loads(line) for line in studio.ask("GET", f"/rate/{rating}/pairs.jsonl").body.decode().splitlines()]
    assert len(pairs) == 3
    for pair in pairs:
        example = pair["user_id"].removeprefix("user ")
        assert pair == {
            "user_id": f"user {example}",
            "prompt": f"Write {example}. {HOSTILE}",
            "chosen": f"Text 3 of {example}. {HOSTILE}",
            "rejected": f"Text 7 of {example}. {HOSTILE}",
        }


def test_a_rating_goes_on_after_a_restart_and_is_in_the_list(studio):
    rating = begun(studio)
    studio.ask("POST", f"/rate/{rating}/answers", {"pair": 1, "choice": "b"})
    # Nothing of it is held but the files: a studio that starts anew reads the same.
    listed = studio.ask("GET", "/rate").body.decode()
    assert f"/studio/rate/{rating}" in listed
    assert "1 of 4" in listed
    assert "Pair 2 of 4" in studio.ask("GET", f"/rate/{rating}").body.decode()


@pytest.mark.parametrize(
    ("changes", "status", "told"),
    [
        ({"run": "nowhere"}, 404, "run: found none"),
        ({"run": "../rated-run"}, 404, "run: found none"),
        ({"first": "pat"}, 400, "method: found one that the run has no texts of"),
        ({"first": "rest-pg"}, 400, "choose two methods that differ"),
        ({"pairs": 0}, 400, "pairs: found &#39;0&#39;, expected at least 1"),
        ({"pairs": "many"}, 400, "pairs: found a string, expected an integer"),
        ({"annotator": " \n "}, 400, "found no name"),
        ({"annotator": "a\0b"}, 400, "found no name"),
    ],
    ids=str,
)
def test_bad_beginnings_are_told_in_a_line(studio, changes, status, told):
    answer = begin(studio, **changes)
    assert (answer.status, told in answer.body.decode()) == (status, True), answer.body.decode()


@pytest.mark.parametrize(
    ("path", "form", "status"),
    [
        ("answers", {"pair": 99, "choice": "a"}, 400),
        ("answers", {"pair": 1, "choice": "c"}, 400),
        ("answers", {"pair": 1}, 400),
        ("../000000000000/answers", {"pair": 1, "choice": "a"}, 404),
        ("../*/answers", {"pair": 1, "choice": "a"}, 404),
        ("../..%2F..%2Fetc/answers", {"pair": 1, "choice": "a"}, 404),
    ],
    ids=str,
)
def test_bad_answers_are_told(studio, path, form, status):
    rating = begun(studio)
    parts = f"/rate/{rating}/{path}" if not path.startswith("../") else f"/rate/{path[3:]}"
    assert studio.ask("POST", parts, form).status == status


def test_damaged_ratings_and_runs_are_told_in_a_line(studio):
    rating = find_rating(studio.runs, begun(studio))
    whole = rating.key_file.read_text()
    for damaged in (
        "{",
        "{}",
        '{"pairs": {"1": {"example_id": "gone", "methods": ["sft", "rest-pg"], "scores": [0, 1]}}',
    ):
        rating.key_file.write_text(
            damaged + ("" if damaged in "{}" else ', "methods": ["sft", "rest-pg"], "split": "test"}')
        )
        assert studio.ask("GET", f"/rate/{rating.id}").status == 400
        assert studio.ask("GET", "/rate").status == 200
    rating.key_file.write_text(whole)
    rating.answers_file.write_text('{"answers": {"1": "x"}}')
    assert "found no answers" in studio.ask("GET", f"/rate/{rating.id}").body.decode()
    assert "found no answers" in studio.ask("GET", "/rate").body.decode()
    rating.answers_file.unlink()
