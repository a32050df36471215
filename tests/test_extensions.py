"""What stands outside the package takes the place of what is built in, through a recipe and through Python."""

import functools
import json
import subprocess
import sys
import types
from pathlib import Path

import pytest
from tests.test_cli import penname, refused

import penname as library
from penname.errors import UserError
from penname.extensions import Extension, source_hash

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _examples(monkeypatch):
    """The examples are found in the folder that the command is called in."""
    monkeypatch.syspath_prepend(str(ROOT))


@pytest.fixture
def small(tiny_model, notes):
    """A recipe's overrides: a tiny model, its notes, and two methods that are not trained."""
    return {
        "methods": ["zero-shot", "rag"],
        "data": [{"format": "jsonl", "path": str(notes)}],
        "generator": {"model": str(tiny_model), "dtype": "float32"},
        "prompt": {"max_input_tokens": 400, "max_output_tokens": 24},
        "three_authors": None,
        "evaluation.candidates": 1,
        "limit": {"train": 6, "test": 6},
    }


def trained(overrides, folder):
    return library.train(library.load_recipe("quickstart", overrides), folder)


def as_settings(overrides):
    return [part for key, value in overrides.items() for part in ("--set", f"{key}={json.dumps(value)}")]


def command(overrides, folder):
    done = penname("train", "quickstart", "--run", folder, *as_settings(overrides))
    assert done.returncode == 0, done.stderr
    return library.open_run(folder)


def texts(run, method="rag"):
    return {i: r["response"] for i, r in run.results()[method].items()}


def test_a_reward(small, tmp_path):
    from examples.brevity import brevity

    name = "examples.brevity:brevity"
    by_command = command(small | {"reward.mixture": {name: 1, "rouge1": 1}}, tmp_path / "command")
    by_object = trained(small | {"reward.mixture": {brevity: 1, "rouge1": 1}}, tmp_path / "object")
    means = [run.compare().summary["methods"]["rag"] for run in (by_command, by_object)]
    assert means[0] == means[1]
    assert means[0]["reward"] == pytest.approx((means[0]["brevity"] + means[0]["rouge1"]) / 2)
    assert 0 < means[0]["brevity"] <= 1


def test_a_retriever(small, tmp_path):
    from examples.longest import longest

    named = {"retrieval": {"retriever": "examples.longest:longest", "k": 1}}
    by_command = command(small | named, tmp_path / "command")
    by_object = trained(small | {"retrieval": {"retriever": longest, "k": 1}}, tmp_path / "object")
    assert texts(by_command) == texts(by_object)
    shown = [example["context"] for example in by_object.examples("test")]
    assert all(len(context) == 1 for context in shown)


def test_a_data_format(small, tmp_path):
    from examples.chats import chats

    folder = tmp_path / "chats"
    folder.mkdir()
    for user in range(10):
        lines = "".join(f"Message {n} of user {user}, about the rain.\n" for n in range(4))
        (folder / f"{user}.txt").write_text(lines)
    source = {"format": "examples.chats:chats", "path": str(folder)}
    by_command = command(small | {"data": [source]}, tmp_path / "command")
    by_object = trained(small | {"data": [source | {"format": chats}]}, tmp_path / "object")
    assert texts(by_command) == texts(by_object)
    assert {example["user_id"] for example in by_object.examples("test")} == {"4", "9"}


def test_an_engine(small, tmp_path):
    from examples.echo import Echo

    model = small["generator"]["model"]
    by_command = command(small | {"generator": {"model": model, "kind": "examples.echo:Echo"}}, tmp_path / "command")
    by_object = trained(small | {"generator": {"model": model, "kind": Echo}}, tmp_path / "object")
    assert texts(by_command) == texts(by_object)
    assert {record["new_tokens"] for record in by_object.results()["rag"].values()} == {24}


def test_a_method(small, tmp_path):
    from examples.few_shot import few_shot

    by_command = command(small | {"methods": ["rag", "examples.few_shot:few_shot"]}, tmp_path / "command")
    by_object = trained(small | {"methods": ["rag", few_shot]}, tmp_path / "object")
    for run in (by_command, by_object):
        assert list(run.compare().summary["methods"]) == ["rag", "few_shot"]
    assert texts(by_command, "few_shot") == texts(by_object, "few_shot")
    assert texts(by_object, "few_shot") != texts(by_object, "rag")


@pytest.mark.parametrize(
    ("setting", "parts"),
    [
        ("retrieval.retriever=examples.nothing:longest", ["importing examples.nothing failed", "ModuleNotFoundError"]),
        ("retrieval.retriever=examples.longest:shortest", ["found no 'shortest' in", "examples/longest.py"]),
        ("retrieval.retriever=examples.brevity:brevity", ["expected a function called as retriever(query, documents)"]),
        ("generator.kind=examples.few_shot:SHOTS", ["found int", "expected a function called as engine("]),
        ("reward.mixture={examples.chats:chats: 1}", ["found chats(path", "called as reward(item)"]),
        ("reward.mixture={brevity: 1}", ["found 'brevity', expected one of judge, rouge1"]),
        ("methods=[rag, examples.few_shot:few_shot, few=examples.few_shot:few_shot, few=x:y]", ["few"]),
    ],
)
def test_what_is_missing_or_of_another_kind_is_refused_in_a_line(setting, parts, tmp_path):
    refused(penname("train", "quickstart", "--run", tmp_path / "run", "--set", setting), *parts)
    assert not (tmp_path / "run").exists()


def test_an_import_that_breaks_is_named(tmp_path, monkeypatch):
    (tmp_path / "broken_reward.py").write_text("def reward(item)\n    return 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    done = penname(
        "train", "quickstart", "--run", tmp_path / "run", "--set", "reward.mixture={broken_reward:reward: 1}"
    )
    refused(done, "importing broken_reward failed (SyntaxError")


def test_a_reward_out_of_its_range_is_refused(small, tmp_path):
    with pytest.raises(UserError, match="found 2, expected a number from 0 to 1"):
        library.train(library.load_recipe("quickstart", small), tmp_path / "run", rewards={"two": lambda item: 2})


def test_a_retriever_that_gives_no_order_is_refused(small, tmp_path):
    overrides = small | {"retrieval.retriever": lambda query, documents: [0, 0]}
    with pytest.raises(UserError, match=r"found \[0, 0\], expected indices from 0 to 2"):
        trained(overrides, tmp_path / "run")


def test_a_run_goes_on_with_the_reward_that_it_was_started_with_only(small, tmp_path, monkeypatch):
    module = tmp_path / "changing_reward.py"
    module.write_text("def score(item):\n    return 0.5\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    overrides = small | {"reward.mixture": {"changing_reward:score": 1}}
    run = command(overrides, tmp_path / "run")
    assert run.compare().summary["methods"]["rag"]["reward"] == 0.5
    kept = json.loads((tmp_path / "run" / "extensions.json").read_text())
    assert kept == {"changing_reward:score": source_hash(Extension("changing_reward:score"))}
    module.write_text("def score(item):\n    return 0.25 + 0.25\n")
    del sys.modules["changing_reward"]
    import linecache

    linecache.checkcache()
    done = penname("train", "quickstart", "--run", tmp_path / "run", *as_settings(overrides))
    refused(done, "was started with another changing_reward:score")
    module.unlink()
    sys.modules.pop("changing_reward", None)
    assert penname("compare", tmp_path / "run").returncode == 0  # what somebody else's code made can be looked at


def test_a_run_with_a_function_of_a_notebook_asks_for_it(small, tmp_path):
    def short(item):
        return 1.0

    recipe = library.load_recipe("quickstart", small)
    run = library.train(recipe, tmp_path / "run", rewards={"short": short})
    assert run.compare().summary["methods"]["rag"]["short"] == 1.0
    assert library.compare(tmp_path / "run").summary == run.compare().summary
    refused(penname("evaluate", tmp_path / "run"), "an object made in Python has to be given again")
    again = library.train(recipe, tmp_path / "run", rewards={"short": short})
    assert again.recipe.reward.weights == {"short": 1.0}
    with pytest.raises(UserError, match="started with another"):
        library.train(recipe, tmp_path / "run", rewards={"short": lambda item: 1.0})


def test_what_is_bound_to_a_reward_is_part_of_what_it_is():
    def within(limit):
        return lambda item: min(1.0, len(item.response) / limit)

    class Within:
        def __init__(self, limit):
            self.limit = limit
            self._calls = limit

        def __call__(self, item):
            return min(1.0, len(item.response) / self.limit)

    def limited(item, limit):
        return min(1.0, len(item.response) / limit)

    for make in (within, Within, lambda limit: functools.partial(limited, limit=limit)):
        ten, same, other = (source_hash(Extension.of(make(limit), "within")) for limit in (10, 10, 9999))
        assert ten == same != other
    kept = Within(10)
    before = source_hash(Extension.of(kept, "within"))
    kept._calls += 1
    assert source_hash(Extension.of(kept, "within")) == before


def test_a_function_without_a_source_file_is_the_same_in_every_process():
    code = (
        "exec('def score(item):\\n    return sum(0.1 for _ in range({}))')\n"
        "from penname.extensions import Extension, source_hash\n"
        "print(source_hash(Extension.of(score, 'score')))"
    )
    first, same, other = (
        subprocess.run([sys.executable, "-c", code.format(n)], capture_output=True, text=True).stdout for n in (5, 5, 6)
    )
    assert first.strip()
    assert first == same != other


def test_wrong_rewards_are_refused(small, tmp_path):
    recipe = library.load_recipe("quickstart", small)
    with pytest.raises(UserError, match="rewards: found no reward"):
        library.train(recipe, tmp_path / "run", rewards={})
    with pytest.raises(UserError, match=r"name 'my reward/x' of .*: expected letters, digits"):
        library.train(recipe, tmp_path / "run", rewards={"my reward/x": lambda item: 1.0})
    with pytest.raises(UserError, match="recipe: found str, expected what load_recipe returns"):
        library.train("quickstart", tmp_path / "run")


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        (lambda config, on_written: object(), "found no 'generate' in what it returned"),
        (
            lambda config, on_written: types.SimpleNamespace(generate=lambda *_: [], score=lambda *_: []),
            "found 0 completions, expected 1 for each of",
        ),
    ],
)
def test_an_object_that_is_no_engine_is_refused(small, tmp_path, engine, message):
    with pytest.raises(UserError, match=message):
        trained(small | {"generator.kind": engine}, tmp_path)


def test_a_retriever_that_returns_nothing_is_refused(small, tmp_path):
    with pytest.raises(UserError, match="found NoneType, expected indices of the documents"):
        trained(small | {"retrieval.retriever": lambda query, documents: None}, tmp_path)
