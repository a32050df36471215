"""The report in a real browser: it opens without errors, its reader works by keyboard, and no text becomes markup."""

import json
import math
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from penname.evaluation.authorship import AttributionCase
from penname.evaluation.table import summary
from penname.reporting.build import MAX_CHARACTERS, MAX_READER_EXAMPLES, RunData, _shares, make_report
from penname.reporting.figures import Iteration

HOSTILE = (
    """</script><script>document.title = "owned"</script><img src=x onerror='document.title="owned"'>"""
    """{{ 7 * 7 }} & "ü" \u2028<!--"""
)


def scored(task, reward):
    return {"task": task, "metrics": {"reward": reward, "rouge1": reward / 2}}


def wrote(response, reasoning, reward, **more):
    kept = {"response": response, "reasoning": reasoning, "metrics": {"reward": reward, "rouge1": reward / 2}}
    return kept | {"malformed": False, "finish_reason": "stop", "new_tokens": 20} | more


def run_data(name="small", examples=4, **changes):
    ids = [f"{i}" for i in range(examples)]
    methods = {"rag": 0.2, "rest-em": 0.3, "rest-pg": 0.4}
    return RunData(
        **{
            "name": name,
            "facts": {"generator": HOSTILE},
            "recipe": f"seed: 0 # {HOSTILE}",
            "results": {m: {i: scored("t", r + 0.01 * int(i)) for i in ids} for m, r in methods.items()},
            "names": {},
            "records": {
                m: {i: wrote(f"{m} writes {i}: {HOSTILE}", HOSTILE if m == "rest-pg" else None, r) for i in ids}
                for m, r in methods.items()
            },
            "examples": {
                i: {
                    "user_id": f"user {int(i) // 2} {HOSTILE}",
                    "task": "t",
                    "input": f"Write {i}. {HOSTILE}",
                    "output": f"the author wrote {i}",
                    "context": [HOSTILE],
                    "neighbours": [],
                    "history": 12,
                }
                for i in ids
            },
            "profiles": {"0": [HOSTILE, "x" * (MAX_CHARACTERS + 7)], "1": [HOSTILE, "x" * (MAX_CHARACTERS + 7)]},
            "sampled": "training inputs",
            "evaluated": "test inputs",
            "split": "test",
            "voices": [
                AttributionCase(
                    0,
                    f"author {n} {HOSTILE}",
                    f"Write of rain. {HOSTILE}",
                    f"really wrote {n} {HOSTILE}",
                    n == 0,
                    f"author {n} {HOSTILE}",
                    {
                        "rest-pg": {
                            "response": f"voice {n} {HOSTILE}",
                            "reasoning": None,
                            "sounds_like": f"author 0 {HOSTILE}",
                            "rewards": {f"author {m} {HOSTILE}": 0.5 if m == n else 0.25 for m in range(3)},
                        }
                    },
                )
                for n in range(3)
            ],
            "iterations": {"rest-pg": [Iteration([0.1, 0.5], [0, 2]), Iteration([0.3, 0.6], [1, 1])]},
            "timing": [
                {"stage": f"evaluation/test/{m}/responses", "count": 4, "tokens": 80, "seconds": s}
                for m, s in (("rest-em", 2.0), ("rest-pg", 5.0))
            ],
            "texts": 1,
            "unread": ["a note"],
        }
        | changes
    )


def without_training(**changes):
    """As `run_data`, without what the figures of a training are plotted from, which take most of a report's time."""
    return run_data(**{"iterations": {}} | changes)


@pytest.fixture(scope="module")
def report():
    data = run_data()
    return make_report([data], summary(data.results))


@pytest.fixture
def page(browser, report, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(report.html, encoding="utf-8")
    browser.set_window_size(1200, 900)
    browser.get(path.as_uri())
    return browser


def one(page, selector):
    return page.find_element("css selector", selector)


def responses(page):
    return [p.text for p in page.find_elements("css selector", "#shown .texts:last-child .card > p:last-child")]


def press(page, key):
    one(page, "body").send_keys(key)


def test_it_opens_without_errors_and_no_text_becomes_markup(page):
    assert page.get_log("browser") == []
    assert page.title == "penname: small"
    assert page.find_elements("css selector", "img, #shown script") == []
    assert "{{ 7 * 7 }}" in one(page, "#shown").text
    assert "49" not in one(page, "#shown").text
    assert "onerror='document.title=\"owned\"'" in one(page, "#recipes dd").text


def test_one_prompt_stands_there_as_three_authors_wrote_it_and_as_a_method_did(page):
    section = one(page, "#authors")
    heads = [head.text.split(" <")[0] for head in section.find_elements("css selector", ".voices thead :is(th, td)")]
    assert heads == ["", "author 0", "author 1", "author 2"]
    rows = section.find_elements("css selector", ".voices tbody tr")
    cells = [[cell.text for cell in row.find_elements("css selector", "td")] for row in rows]
    assert [text.split(" <")[0] for text in cells[0]] == [f"really wrote {n}" for n in range(3)]
    assert [text.split(" <")[0] for text in cells[1]] == [f"voice {n}" for n in range(3)]
    assert "written for this prompt" in cells[0][0]
    assert "most similar text" in cells[0][1]
    assert "1 of 3" in section.text  # two of the texts are attributed to another author
    assert section.find_elements("css selector", "img, script") == []


def test_a_report_without_three_authors_has_no_such_section():
    data = without_training(voices=[])
    assert 'id="authors"' not in make_report([data], summary(data.results)).html


def test_it_asks_nothing_of_any_network(page):
    names = page.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert names == []


def test_the_reader_works_by_keyboard(page):
    from selenium.webdriver.support.select import Select

    assert [text.split(":")[0] for text in responses(page)] == ["rag writes 0", "rest-em writes 0", "rest-pg writes 0"]
    press(page, "j")
    assert responses(page)[0].startswith("rag writes 1")
    press(page, "\ue014")  # the right arrow
    assert responses(page)[0].startswith("rag writes 2")
    assert Select(one(page, "#user")).first_selected_option.text.startswith("user 1")
    press(page, "k")
    press(page, "\ue012")  # the left arrow
    press(page, "k")
    assert responses(page)[0].startswith("rag writes 3")
    for _ in range(4):
        press(page, "\t")
    one(page, "#next").send_keys("\n")
    assert responses(page)[0].startswith("rag writes 0")


def test_a_user_and_an_example_can_be_chosen(page):
    from selenium.webdriver.support.select import Select

    Select(one(page, "#user")).select_by_index(1)
    assert responses(page)[0].startswith("rag writes 2")
    Select(one(page, "#example")).select_by_index(1)
    assert responses(page)[0].startswith("rag writes 3")


def test_words_that_differ_are_marked(page):
    from selenium.webdriver.support.select import Select

    def marked():
        cards = page.find_elements("css selector", "#shown .texts:last-child .card")
        return [[m.text for m in card.find_elements("css selector", "mark")][:2] for card in cards]

    assert marked()[0] == ["rag", "writes"]  # "0" is the author's too
    Select(one(page, "#base")).select_by_visible_text("rag")
    assert marked()[0] == []
    assert marked()[1] == ["rest-em"]
    Select(one(page, "#base")).select_by_visible_text("nothing")
    assert marked() == [[], [], []]


@pytest.mark.parametrize("width", [400, 1200])
def test_it_fits_any_screen(page, width):
    page.set_window_size(width, 900)
    assert page.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")


def test_dark_is_dark(page):
    def brightness():
        colour = one(page, "body").value_of_css_property("background-color")
        return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3

    assert brightness() > 200
    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
    assert brightness() < 50
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_the_cost_of_reasoning_is_told(page):
    assert "1.00 × tokens, 2.50 × time of rest-em" in one(page, "#cost").text


def test_texts_that_are_cut_say_so(page):
    assert "(7 characters more)" in page.execute_script("return document.getElementById('shown').textContent")


def test_pictures_are_whole_and_take_the_colour_of_the_text(report):
    for svg in re.findall(r"<svg.*?</svg>", report.html, re.DOTALL):
        root = ET.fromstring(svg.replace("xlink:", ""))
        assert root.get("fill") == "currentColor"
        assert "#000000" not in svg
    assert set(report.figures) == {
        "reward-by-method",
        "learning-curve",
        "rest-pg-rewards",
        "rest-pg-kept",
        "reasoning-length",
    }


def test_differences_are_told_with_interval_p_and_effect_size(page):
    one(page, "#results details summary").click()
    rows = [
        [cell.text for cell in row.find_elements("css selector", "td")]
        for row in page.find_elements("css selector", "#results details tbody tr")
    ]
    assert [row[:2] for row in rows] == [["rest-em", "rag"], ["rest-pg", "rag"], ["rest-pg", "rest-em"]]
    data = run_data()
    tests = {(t["a"], t["b"]): t for t in summary(data.results)["tests"] if t["metric"] == "reward"}
    test = tests["rag", "rest-pg"]
    low, high = test["interval"]
    assert rows[1][2:5] == [f"{test['difference']:+.4f}", f"{low:+.4f} to {high:+.4f}", f"{test['p']:.2g}"]
    assert rows[1][-2:] == [f"{test['effect']:+.2f}", "4"]
    report = summary(data.results, "holm")
    html = make_report([data], report).html
    assert html.count("p (Holm)") == 1
    for test in report["tests"]:
        if test["metric"] == "reward":
            assert f"<td>{test['p']:.2g}</td><td>{test['p_corrected']:.2g}</td>" in html


def test_words_that_a_found_document_shares_with_the_prompt_are_marked(browser, tmp_path):
    data = without_training()
    found = {"input": "Write of the Lisbon trams.", "context": ["The lisbon of old, of trams."]}
    asked = {i: e | found for i, e in data.examples.items()}
    path = tmp_path / "hits.html"
    path.write_text(make_report([replace(data, examples=asked)], summary(data.results)).html, encoding="utf-8")
    browser.get(path.as_uri())
    one(browser, "#shown details summary").click()
    marks = browser.find_elements("css selector", "#shown details[open] mark")
    assert [mark.text for mark in marks] == ["lisbon", "trams."]
    assert one(browser, "#shown details[open] p").text == "1. The lisbon of old, of trams."


@pytest.mark.parametrize(
    ("prompt", "found", "response", "shared", "differing"),
    [
        ("写一写北京的烤鸭。", "我喜欢北京的烤鸭。", "我喜欢上海的烤鸭。", ["北京", "烤鸭"], ["上海"]),
        ("東京を書く", "私は東京が好きです", "私は京都が好きです", ["東京"], ["京都"]),
        ("เขียนเรื่องภาษาไทย", "ฉันรักภาษาไทย", "ฉันรักภาษาจีน", ["ภาษา", "ไทย"], ["จีน"]),
        ("हिन्दी पर लिखो।", "मैं हिन्दी बोलता हूँ।", "मैं तमिल बोलता हूँ।", ["हिन्दी"], ["तमिल"]),
        ("Напиши про осень.", "Люблю осень!", "Люблю зиму!", ["осень!"], ["зиму!"]),
    ],
)
def test_words_of_other_scripts_are_marked(browser, tmp_path, prompt, found, response, shared, differing):
    data = without_training(examples=1)
    example = {**data.examples["0"], "input": prompt, "output": found, "context": [found]}
    records = {"rag": {"0": wrote(response, None, 0.2)}}
    told = replace(data, examples={"0": example}, records=records)
    (tmp_path / "report.html").write_text(make_report([told], summary(told.results)).html, encoding="utf-8")
    browser.get((tmp_path / "report.html").as_uri())
    one(browser, "#shown .texts:first-of-type details summary").click()
    marks = browser.find_elements("css selector", "#shown .texts:first-of-type mark")
    assert [mark.text for mark in marks] == shared
    marks = browser.find_elements("css selector", "#shown .texts:last-child mark")
    assert [mark.text for mark in marks] == differing


def test_tables_are_files_too(report):
    assert set(report.tables) == {"table.md", "table.tex", "means.csv", "tests.csv"}
    assert "rest-pg" in report.tables["table.tex"]


def test_names_of_runs_and_methods_are_no_markup_either(browser, tmp_path):
    runs = [run_data(name) for name in (f'y">{HOSTILE}', "a$\\foo$", "_b")]
    results = {f"{run.name}:{m}": own for run in runs for m, own in run.results.items()}
    made = make_report(runs, summary(results))
    (tmp_path / "report.html").write_text(made.html, encoding="utf-8")
    browser.get((tmp_path / "report.html").as_uri())
    assert browser.get_log("browser") == []
    assert browser.title.startswith("penname: y")
    assert browser.find_elements("css selector", "img") == []
    assert all(re.fullmatch(r"[\w.-]+", name) for name in made.figures)
    assert len(made.figures) == 2 + 3 * 3


def test_several_runs_stand_side_by_side():
    runs = [without_training(name=name) for name in ("one", "two")]
    results = {f"{run.name}:{m}": own for run in runs for m, own in run.results.items()}
    html = make_report(runs, summary(results)).html
    data = json.loads(re.search(r'id="data">(.*?)</script>', html, re.DOTALL).group(1))
    assert data["methods"] == list(results)
    assert data["examples"][0]["written"]["two:rag"]["response"].startswith("rag writes 0")
    assert "<li>two: a note</li>" in html


def test_runs_that_share_no_example_have_no_reader_and_say_so(browser, tmp_path):
    one, two = without_training(name="one"), without_training(name="two")
    renamed = {m: {f"x{i}": r for i, r in own.items()} for m, own in two.records.items()}
    two = replace(two, records=renamed, examples={f"x{i}": e for i, e in two.examples.items()})
    results = {f"{run.name}:{m}": own for run in (one, two) for m, own in run.results.items()}
    (tmp_path / "report.html").write_text(make_report([one, two], summary(results)).html, encoding="utf-8")
    browser.get((tmp_path / "report.html").as_uri())
    assert browser.get_log("browser") == []
    assert "There is no example that all methods wrote for." in browser.find_element("id", "reader").text
    assert not browser.find_element("id", "next").is_displayed()


def test_a_score_that_is_no_number_is_none_in_the_reader():
    data = without_training()
    records = {m: dict(own) for m, own in data.records.items()}
    records["rag"]["0"] = wrote("a", None, math.nan)
    results = {m: dict(own) for m, own in data.results.items()}
    results["rag"]["0"] = scored("t", math.nan)
    html = make_report([replace(data, records=records, results=results)], summary(results)).html
    page = json.loads(
        re.search(r'id="data">(.*?)</script>', html, re.DOTALL).group(1), parse_constant=lambda name: pytest.fail(name)
    )
    assert page["examples"][0]["written"]["rag"]["metrics"] == {"reward": None, "rouge1": None}


def test_room_in_the_reader_that_small_tasks_leave_goes_to_large_ones():
    assert _shares({"a": 8, "b": 70, "c": 70, "d": 19}, 100) == {"a": 8, "b": 36, "c": 37, "d": 19}
    assert _shares({"a": 5, "b": 5}, 100) == {"a": 5, "b": 5}
    assert _shares({str(n): 9 for n in range(150)}, 100) == {str(n): 1 for n in range(150)}
    assert _shares({}, 100) == {}


def test_a_large_run_is_read_in_part():
    data = without_training(examples=3 * MAX_READER_EXAMPLES)
    html = make_report([data], summary(data.results)).html
    assert f"{MAX_READER_EXAMPLES} of {3 * MAX_READER_EXAMPLES} examples." in html


def test_malformed_completions_say_nothing_of_the_length_of_a_reasoning(report):
    def points(made):
        return sum(len(c.get_offsets()) for c in made.figures["reasoning-length"].axes[0].collections)

    data = run_data()
    records = {
        **data.records,
        "rest-pg": data.records["rest-pg"] | {"0": wrote("", "It goes on.", 0.0, malformed=True)},
    }
    assert points(report) == 4
    assert points(make_report([run_data(records=records)], summary(data.results))) == 3


def test_each_example_has_its_own_profile():
    data = without_training(profiles={"0": ["early"], "1": ["early", "late"], "2": ["early"]})
    page = json.loads(re.search(r'id="data">(.*?)</script>', make_report([data], summary(data.results)).html, re.S)[1])
    assert [page["profiles"][e["profile"]] for e in page["examples"]] == [["early"], ["early", "late"], ["early"], []]


def test_times_are_of_the_split_that_is_shown(report):
    other = {"stage": "evaluation/val/rest-pg/responses", "count": 4, "tokens": 80, "seconds": 500.0}
    data = without_training(timing=[*run_data().timing, other])
    cost = re.compile(r"<caption>Cost of a completion</caption>.*?</table>", re.S)
    assert cost.search(make_report([data], summary(data.results)).html)[0] == cost.search(report.html)[0]


def test_users_of_two_tasks_with_one_name_are_two(browser, tmp_path):
    data = without_training()
    examples = {i: e | {"user_id": "ann", "task": "t" if int(i) < 2 else "u"} for i, e in data.examples.items()}
    html = make_report([replace(data, examples=examples)], summary(data.results)).html
    (tmp_path / "report.html").write_text(html, encoding="utf-8")
    browser.get((tmp_path / "report.html").as_uri())
    assert [o.text for o in browser.find_elements("css selector", "#user option")] == ["ann (t)", "ann (u)"]


def test_a_run_without_training_times_or_profiles_has_a_report():
    data = run_data(iterations={}, timing=[], profiles={}, records={"rag": run_data().records["rag"]})
    report = make_report([data], summary({"rag": data.results["rag"]}))
    assert "Training" not in report.html
