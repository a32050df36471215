"""Pairs are drawn and judged as in REST-PG's Appendix A; the page is answered in a real browser."""

import json
import time

import pytest
from scipy import stats
from selenium.webdriver.support.ui import WebDriverWait
from sklearn.metrics import cohen_kappa_score
from tests.reporting.test_report import HOSTILE, one, wrote

from penname.reporting.human_evaluation import agreement, make_key, make_page, sample_pairs

METHODS = {"rag": 0.1, "sft": 0.4, "rest-pg": 0.8}
WRITTEN = {m: {str(i): wrote(f"{m} {i} {HOSTILE}", None, r) for i in range(40)} for m, r in METHODS.items()}
EXAMPLES = {str(i): {"input": f"Write {i}. {HOSTILE}", "output": f"Words {i}."} for i in range(40)}


def test_pairs_are_far_enough_apart_and_the_better_one_is_first_as_often_as_not():
    pairs = sample_pairs(WRITTEN, "reward", 0.4, 50, seed=0)
    assert len(pairs) == 50
    assert len({(p.example_id, frozenset(p.methods)) for p in pairs}) == 50
    assert all(abs(p.scores[0] - p.scores[1]) >= 0.4 - 1e-9 for p in pairs)
    assert all(p.scores == tuple(METHODS[m] for m in p.methods) for p in pairs)
    assert {frozenset(p.methods) for p in pairs} == {frozenset({"rest-pg", "rag"}), frozenset({"rest-pg", "sft"})}
    assert sum(p.scores[0] > p.scores[1] for p in pairs) == 25
    order = [p.scores[0] > p.scores[1] for p in pairs]
    assert order != sorted(order), "the order is not to be guessed"
    assert order != [place % 2 == 0 for place in range(50)]
    assert sample_pairs(WRITTEN, "reward", 0.4, 50, seed=0) == pairs
    assert sample_pairs(WRITTEN, "reward", 0.4, 50, seed=1) != pairs
    assert len(sample_pairs(WRITTEN, "reward", 0.4, 500, seed=0)) == 80
    assert sample_pairs(WRITTEN, "reward", 0.75, 5, seed=0) == []


def test_texts_that_are_empty_alike_or_unscored_are_in_no_pair():
    written = {
        "a": {"1": wrote("", None, 0.9), "2": wrote("same", None, 0.9), "3": wrote("x", None, 0.9)},
        "b": {"1": wrote("y", None, 0.1), "2": wrote("same ", None, 0.1), "3": wrote("z", None, 0.1)},
    }
    written["b"]["3"]["metrics"]["reward"] = None
    assert sample_pairs(written, "reward", 0.5, 10, seed=0) == []


def key_of(differences):
    pairs = {
        str(n): {"example_id": str(n), "methods": ["x", "y"], "scores": [0.5 + d / 2, 0.5 - d / 2]}
        for n, d in enumerate(differences, start=1)
    }
    return {"export": "e", "metric": "judge", "pairs": pairs}


def test_agreement_correlation_and_kappa_are_those_of_the_books():
    key = key_of([0.5, -0.5, 0.6, -0.7, 0.9, 0.5])
    answers = {
        "ann": {"1": "a", "2": "b", "3": "a", "4": "a", "5": "neither", "6": "a"},
        "bob": {"1": "a", "2": "a", "3": "a", "4": "a", "5": "a"},
        "cid": {"1": "b"},
    }
    found = agreement(key, answers)
    ann = found["annotators"]["ann"]
    assert (ann["pairs"], ann["undecided"], ann["agreement"]) == (6, 1, 0.8)
    expected = stats.binomtest(4, 5).proportion_ci(method="wilson")
    assert ann["interval"] == [expected.low, expected.high]
    r = stats.pearsonr([0.5, -0.5, 0.6, -0.7, 0.9, 0.5], [1, -1, 1, 1, 0, 1]).statistic
    assert ann["correlation"] == pytest.approx(r)
    kappas = {tuple(k["annotators"]): (k["pairs"], k["kappa"]) for k in found["kappa"]}
    shared = ["a", "b", "a", "a", "neither"], ["a"] * 5
    assert kappas["ann", "bob"] == (5, pytest.approx(cohen_kappa_score(*shared)))
    assert kappas["ann", "cid"] == (1, pytest.approx(cohen_kappa_score(["a"], ["b"])))
    # 1: two of three say a; 2 and 5: one against one; the rest as both or the only one say.
    assert found["majority"]["pairs"] == 6
    assert found["majority"]["undecided"] == 2
    assert found["majority"]["agreement"] == 0.75


def test_a_majority_needs_more_votes_than_anything_else():
    key = key_of([0.5])
    voted = {"ann": {"1": "a"}, "bob": {"1": "neither"}, "cid": {"1": "neither"}}
    assert agreement(key, voted)["majority"]["undecided"] == 1
    assert agreement(key, voted | {"dan": {"1": "a"}, "eve": {"1": "a"}})["majority"]["agreement"] == 1.0


def test_texts_with_equal_scores_are_in_no_pair():
    alike = {name: {"1": wrote(f"{name} writes", None, 0.5)} for name in ("a", "b")}
    assert sample_pairs(alike, "reward", 0, 5, seed=0) == []


def test_what_cannot_be_told_of_no_answers_is_none():
    found = agreement(key_of([0.5]), {"ann": {}, "bob": {"1": "neither"}})
    nothing = {"agreement": None, "interval": None, "correlation": None}
    assert found["annotators"]["ann"] == {"pairs": 0, "undecided": 0, **nothing}
    assert found["annotators"]["bob"] == {"pairs": 1, "undecided": 1, **nothing}
    assert found["kappa"] == []


def answerable(browser):
    """The page, once it has read what it kept and shows its first pair."""
    WebDriverWait(browser, 10).until(lambda b: b.find_elements("css selector", "#choose-a"))
    return browser


def until(browser, holds):
    """Wait until what the page says of its progress is so."""
    WebDriverWait(browser, 10).until(lambda b: holds(one(b, "#progress").text))


def saved(browser, name):
    """The file of answers, once the browser has written it."""
    path = browser.downloads / name
    WebDriverWait(browser, 10).until(lambda _: path.exists() and path.stat().st_size)
    return json.loads(path.read_text())


@pytest.fixture
def page(browser, tmp_path):
    """Pairs of this test alone: the browser keeps answers by their key."""
    pairs = sample_pairs(WRITTEN, "reward", 0.4, 3, seed=0)
    key = make_key(pairs, tmp_path.name)
    path = tmp_path / "pairs.html"
    path.write_text(make_page(pairs, key, WRITTEN, EXAMPLES), encoding="utf-8")
    browser.get(path.as_uri())
    browser.pairs, browser.key = pairs, key
    return answerable(browser)


def test_the_page_hides_who_wrote_what(page):
    shown = json.loads(one(page, "#data").get_attribute("textContent"))
    assert set(shown) == {"export", "pairs"}
    assert {frozenset(pair) for pair in shown["pairs"]} == {frozenset({"number", "input", "output", "texts"})}
    source = page.page_source
    assert "methods" not in source
    assert "0.8" not in source
    assert page.get_log("browser") == []


def test_answers_are_kept_and_saved_as_a_file_that_import_reads(page):
    body = one(page, "body")
    assert f"Words {page.pairs[0].example_id}." in one(page, "#shown").text
    body.send_keys("a")
    time.sleep(0.6)  # sooner it would be taken for the second tap of two
    body.send_keys("N")
    assert "Pair 3 of 3, 2 answered" in one(page, "#progress").text
    page.refresh()
    assert "Pair 3 of 3, 2 answered" in one(answerable(page), "#progress").text, "kept by the browser"
    one(page, "#choose-b").click()
    page.refresh()
    assert "All pairs are answered" in one(answerable(page), "#progress").text
    one(page, "#save").click()
    assert "Enter your name" in one(page, "#kept").text
    one(page, "#name").send_keys("Ann B")
    one(page, "#save").click()
    found = saved(page, "answers-Ann-B.json")
    answers = {"1": "a", "2": "neither", "3": "b"}
    assert found == {"export": page.key["export"], "annotator": "Ann B", "answers": answers}


@pytest.mark.slow
def test_no_answer_is_lost_when_the_page_is_loaded_again_and_again(page):
    for letter in "ab" * 10:
        one(page, f"#choose-{letter}").click()
        page.refresh()
        assert "Pair 2 of 3, 1 answered" in one(answerable(page), "#progress").text
        one(page, "#previous").click()
        assert one(page, f"#choose-{letter}").get_attribute("aria-pressed") == "true"


def test_two_tabs_with_the_same_page_keep_the_answers_of_both(page):
    first, url = page.current_window_handle, page.current_url
    page.switch_to.new_window("tab")
    page.get(url)
    one(answerable(page), "#choose-a").click()
    page.switch_to.window(first)
    one(page, "#next").click()
    one(page, "#neither").click()
    until(page, lambda text: "Pair 3 of 3, 2 answered" in text)
    page.refresh()
    assert "Pair 3 of 3, 2 answered" in one(answerable(page), "#progress").text
    one(page, "#anew").click()
    page.switch_to.alert.accept()
    page.switch_to.window(next(tab for tab in page.window_handles if tab != first))
    until(page, lambda text: "0 answered" in text)
    page.close()
    page.switch_to.window(first)


def test_what_another_window_answered_is_in_the_saved_file(page):
    first, url = page.current_window_handle, page.current_url
    one(page, "#name").send_keys("Two Windows")
    page.switch_to.new_window("window")
    page.get(url)
    one(answerable(page), "#choose-b").click()
    time.sleep(0.2)  # a window that is closed within milliseconds loses what it is about to write
    page.close()
    page.switch_to.window(first)
    one(page, "#save").click()
    assert saved(page, "answers-Two-Windows.json")["answers"] == {"1": "b"}


def test_a_window_that_is_chosen_again_shows_what_another_answered(page):
    page.execute_script(
        "const kept = {number: 1, choice: 'b'};"
        "keep((store) => store.put(kept, [data.export, 1])); window.dispatchEvent(new Event('focus'))"
    )
    until(page, lambda text: "1 answered; your choice: b" in text)


def test_the_next_pair_is_the_next_one_that_is_not_answered(page):
    one(page, "#next").click()
    one(page, "#choose-a").click()
    one(page, "#choose-a").click()  # too soon
    time.sleep(0.6)
    one(page, "#choose-b").click()
    assert "Pair 1 of 3, 2 answered" in one(page, "#progress").text


def test_another_person_starts_anew(page):
    one(page, "#name").send_keys("Ann")
    one(page, "#choose-a").click()
    one(page, "#anew").click()
    page.switch_to.alert.dismiss()
    assert "1 answered" in one(page, "#progress").text
    one(page, "#anew").click()
    page.switch_to.alert.accept()
    assert "Pair 1 of 3, 0 answered" in one(page, "#progress").text
    page.refresh()
    assert "Pair 1 of 3, 0 answered" in one(answerable(page), "#progress").text
    assert one(page, "#name").get_attribute("value") == ""


@pytest.mark.parametrize(
    "broken",
    [
        "Object.defineProperty(window, 'indexedDB', {get() { throw new Error('refused'); }})",
        "IDBFactory.prototype.open = () => ({})",
        "IDBObjectStore.prototype.put = () => { throw new Error('full'); }",
    ],
    ids=["refused", "no answer", "full"],
)
def test_a_browser_that_keeps_nothing_says_so(page, broken):
    script = page.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": broken})
    page.refresh()
    page.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)
    one(answerable(page), "body").send_keys("a")
    assert "Pair 2 of 3, 1 answered" in one(page, "#progress").text
    assert "This browser keeps nothing" in one(page, "#kept").text


@pytest.mark.parametrize("button", ["choose-a", "neither"])
def test_the_second_tap_of_two_answers_nothing(page, button):
    page.execute_script(f"for (const tap of [1, 2]) document.getElementById('{button}').click()")
    assert "Pair 2 of 3, 1 answered" in one(page, "#progress").text


def test_the_next_pair_is_shown_from_its_beginning_on_a_phone(page):
    size = page.get_window_size()
    page.set_window_size(500, 400)
    one(page, "#neither").click()
    top = page.execute_script("return document.getElementById('progress').getBoundingClientRect().top")
    page.set_window_size(**size)
    assert 0 <= top < 100


def test_a_key_held_down_answers_one_pair(page):
    held = "new KeyboardEvent('keydown', {key: arguments[0], repeat: arguments[1], bubbles: true, cancelable: true})"
    for repeat in (False, True, True):
        page.execute_script(f"document.body.dispatchEvent({held})", "a", repeat)
    assert "1 answered" in one(page, "#progress").text
    enter = f"return document.getElementById('neither').dispatchEvent({held})"
    assert page.execute_script(enter, "Enter", False), "the first one presses the button"
    assert not page.execute_script(enter, "Enter", True)


def test_going_back_shows_and_changes_a_choice(page):
    body = one(page, "body")
    body.send_keys("b")
    body.send_keys("\ue012")  # the left arrow
    assert one(page, "#choose-b").get_attribute("aria-pressed") == "true"
    one(page, "#choose-a").click()
    assert "1 answered" in one(page, "#progress").text
    one(page, "#previous").click()
    assert one(page, "#choose-a").get_attribute("aria-pressed") == "true"
    assert page.find_elements("css selector", "#shown script") == []
