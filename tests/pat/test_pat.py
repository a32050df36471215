"""PaT and its baselines from reviews to table, on a tiny model: no leaks, equal results when resumed, all distinct."""

import contextlib
import itertools
import json
import os
import random
import shutil
import tempfile
import time
from dataclasses import asdict
from http.client import HTTPConnection

import pytest
import torch
import yaml
from tests.kills import KILLS, kill_until_done, time_undisturbed
from tests.serve.running import as_command, in_this_process, wait_until
from tests.session.test_session import Lines
from tests.shop import ITEMS, WAYS, secret, write

from penname.cli.app import app
from penname.config import LimitConfig, Recipe, SourceConfig, TrainingConfig
from penname.errors import UserError
from penname.experiments.results import results_of
from penname.experiments.train import evaluate_in_run, train_run
from penname.generate import by_pat
from penname.generate.writer import Writer
from penname.method_table import AGENTS, METHODS
from penname.pat import algorithm as pat
from penname.pat.agents import agent_prompt
from penname.pat.contexts import find_contexts
from penname.pat.method_prompts import method_prompts
from penname.pat.prompts import response_prompt
from penname.reporting.build import _reader
from penname.reporting.run_data import read_runs
from penname.runs.folder import RunFolder, read_stage
from penname.serve.store.opening import open_store
from penname.session.session import Session
from penname.training import dpo
from penname.training.fine_tuning import fine_tune
from penname.training.packing import TrainingSample

SHARED = [name for name, row in METHODS.items() if not row.trained]

MANNERS = "short long loud quiet plain odd warm dry fast slow kind sharp".split()


def recipe_of(folder, tiny_model, methods, **changes):
    """Its reward sees any difference between two texts: overlap alone gives most of a tiny model's the same."""
    folder.mkdir(exist_ok=True)
    for split in ("train", "test"):
        write(folder, users=24, split=split)
    return Recipe.model_validate(
        {
            "methods": methods,
            "data": [{"format": "pgraphrag", "path": str(folder), "task": "long"}],
            "limit": {"train": 6, "test": 6},
            "generator": {"model": str(tiny_model), "batch_size": 8},
            "retrieval": {"k": 2},
            "prompt": {"max_input_tokens": 800, "max_output_tokens": 64},
            "training": {"learning_rate": 3e-3, "batch_size": 4, "epochs": 10},
            "reward": {"mixture": {"rouge1": 1, "tests.shop:likeness": 1}},
            "evaluation": {"metrics": ["rouge1"], "temperature": 0.8},
            "pat": {
                "k": 2,
                "documents": "pat-no-documents" in methods,
                "max_input_tokens": 800,
                "max_summary_tokens": 40,
                "temperature": 1.0,
                "summary_temperature": 0.8,
                "samples": 4,
                "margin": 0,
                "style": {"epochs": 6},
                "dpo": {"lora_rank": 2, "batch_size": 2, "save_every": 1},
            },
            "shard_size": 3,
        }
        | changes
    )


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory, tiny_model):
    """The tiny model as an agent: it writes each summary in other words, and ends it.

    Rounding decides what a model draws. One that has not learned this writes now and then nothing, or nothing but the
    start of a sentence, which is left out; and without two summaries an input makes no pair to train on.
    """
    folder = tmp_path_factory.mktemp("agents")
    session = Session(recipe_of(folder, tiny_model, ["pat"]), RunFolder(folder / "run", Lines()))
    contexts = find_contexts(session, "train")
    choose = random.Random(0)
    samples = []
    for example in session.prepare_fitting("train"):
        for agent, theirs in itertools.product(AGENTS, (None, "short, warm and odd.")):
            prompt = agent_prompt(session, agent, example, contexts[example.example_id], theirs).tokens
            for _ in range(8):
                summary = "{}, {} and {}.".format(*choose.sample(MANNERS, 3))
                samples.append(TrainingSample(prompt, session.renderer.target(summary)))
    settings = TrainingConfig(learning_rate=3e-3, epochs=4, batch_size=8)
    fine_tune(str(tiny_model), samples, settings, folder, 0, lambda *_: None)
    return folder / "model"


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny_model):
    """A run of all methods that share a generator."""
    folder = tmp_path_factory.mktemp("shop")
    recipe = recipe_of(folder, tiny_model, SHARED, tune_generator=True)
    lines = Lines()
    train_run(recipe, folder / "run", lines)
    return recipe, folder / "run", lines.said


def test_all_methods_write_for_the_same_examples(run):
    results, _, notes = results_of([run[1]])
    assert list(results) == [m for m in run[0].methods]
    assert len({tuple(own) for own in results.values()}) == 1
    assert [note for note in notes if "of 6 completions" not in note] == []


@pytest.mark.slow
def test_methods_whose_prompts_the_generator_has_not_seen_are_told(tmp_path, tiny_model):
    def untold(*methods):
        lines = Lines()
        train_run(recipe_of(tmp_path, tiny_model, list(methods), tune_generator=True), tmp_path / "run", lines)
        return [line for line in lines.said if "fine-tuned without" in line]

    assert untold("zero-shot", "rag") == []
    assert untold("zero-shot", "rag") == []
    (told,) = untold("zero-shot", "rag", "random")
    assert told.endswith("without the prompts of random")
    assert untold("zero-shot") == []
    assert told.removeprefix("note: ") in results_of([tmp_path / "run"])[2]
    card = (tmp_path / "run/generator/training/model/README.md").read_text()
    assert "the prompts of `zero-shot`, `rag`. It writes for `random` too, whose prompts it has not seen" in card


def test_agents_are_trained_in_alternation_from_what_they_were(run):
    recipe, folder, said = run
    for method in ("pat", "pat-plain-reward"):
        for agent in AGENTS:
            stage = folder / method / "iteration-1" / agent
            pairs = list(read_stage(stage / "pairs"))
            assert pairs, "a test of training needs pairs"
            assert all(pair["difference"] > 0 for pair in pairs)
            if method == "pat":
                assert all(pair["differential"] > 0 for pair in pairs)
            assert f"The {agent} agent of `{method}`" in (stage / "training" / "model" / "README.md").read_text()
            facts = json.loads((stage / "training" / "stage.json").read_text())
            assert (facts["pairs"], facts["started_from"]) == (len(pairs), recipe.generator.model)
    # The topic agent learns beside the style agent that was trained before.
    assert (folder / "pat/iteration-1/topic/summaries/round-2/style").is_dir()
    assert any("too close" in line for line in said)


def test_each_method_tells_the_generator_its_own(run, tiny_model):
    recipe, folder, _ = run
    session = Session(recipe, RunFolder(folder, Lines()))
    examples = session.prepare_fitting("test")
    known = next(e for e in examples if e.profile_size)
    texts = {method: method_prompts(session, METHODS[method], "test")(known).text for method in SHARED}
    contexts = find_contexts(session, "test")[known.example_id]
    for method, shown in {
        "rag": known.context,
        "random": contexts.random,
        "pgraphrag-neighbours": contexts.neighbours,
        "pgraphrag": contexts.own + contexts.neighbours,
        "pat-no-reasoning": contexts.history + contexts.style + contexts.topic,
        "pat": contexts.history + contexts.style + contexts.topic,
        "pat-no-documents": contexts.history,
        "pat-no-style": contexts.topic,
        "pat-no-topic": contexts.style,
        "pat-exact-topics": contexts.style + contexts.exact_topic,
    }.items():
        assert shown, method
        assert all(text in texts[method] for text in shown), method
    assert not any(text in texts["zero-shot"] for text in known.context)
    assert "How a person writes: (nothing known)" in texts["pat-no-style"]
    assert "text should be about: (nothing known)" in texts["pat-no-topic"]
    assert "(nothing known)" not in texts["pat"].split("own texts")[0]
    different = [m for m in SHARED if METHODS[m].shows != "trajectories"] + [
        "pat-no-reasoning",
        "pat",
        "pat-no-style",
        "pat-no-topic",
    ]
    different.append("pat-no-documents")
    for method, not_shown in {
        "pat-no-documents": contexts.style + contexts.topic,
        "pat-no-style": contexts.style,
        "pat-no-topic": contexts.topic,
    }.items():
        elsewhere = {"pat-no-style": contexts.topic, "pat-no-topic": contexts.style}.get(method, ())
        hidden = set(not_shown) - set(elsewhere) - set(contexts.history)
        assert hidden, method
        assert not any(text in texts[method] for text in hidden), method
    assert texts["pat"].startswith(texts["pat-no-documents"].split("The person's own texts")[0])
    assert len({texts[m] for m in different}) == len(different)


def test_no_prompt_of_any_method_holds_its_target(run):
    """Each target has a word of its own; it is in nothing that agents or generator are shown for that example."""
    recipe, folder, _ = run
    session = Session(recipe, RunFolder(folder, Lines()))
    seen = 0
    for split in ("train", "test"):
        contexts = find_contexts(session, split)
        for example in session.prepare_fitting(split):
            word = secret(example.user_id.removeprefix("user"))
            assert word in example.output
            own = contexts[example.example_id]
            refined = (None, "what the other wrote")
            prompts = [agent_prompt(session, agent, example, own, t).text for agent in AGENTS for t in refined]
            prompts += [method_prompts(session, METHODS[method], split)(example).text for method in SHARED]
            assert not any(word in prompt for prompt in prompts)
            seen += sum("secretword" in prompt for prompt in prompts)
    assert seen, "others' targets are shown, so the words do reach prompts"


def test_topics_of_the_very_item_alone_are_part_of_all(run):
    recipe, folder, _ = run
    for own in find_contexts(Session(recipe, RunFolder(folder, Lines())), "test").values():
        exact = [text for text, level in zip(own.topic, own.levels, strict=True) if level == "topic"]
        assert list(own.exact_topic) == exact
        assert len(own.topic) == 2


@pytest.mark.slow
def test_killed_anywhere_it_ends_alike(tmp_path, run, tiny_model, monkeypatch):
    """Killed in each of the long stages in turn, the run goes on and writes the same texts."""
    recipe, whole, _ = run
    kills = []

    class Killed(BaseException):
        pass

    def once(module, name, at):
        original, count = getattr(module, name), [0]

        def killing(*arguments, **named):
            count[0] += 1
            if count[0] == at:
                kills.append(name)
                raise Killed
            return original(*arguments, **named)

        monkeypatch.setattr(module, name, killing)

    once(pat, "sample_summaries", 2)
    once(pat, "differential_rewards", 3)
    once(dpo, "save_model", 2)
    copy = tmp_path / "run"
    shutil.copytree(whole, copy)
    for folder in ("pat", "evaluation/test/pat"):
        shutil.rmtree(copy / folder)
    texts = None
    for _ in range(4):
        with contextlib.suppress(Killed):
            records = evaluate_in_run(Session(recipe, RunFolder(copy, Lines())), METHODS["pat"], "test")
            texts = [r["response"] for r in records]
    assert sorted(kills) == ["differential_rewards", "sample_summaries", "save_model"]
    assert texts == [r["response"] for r in read_stage(whole / "evaluation/test/pat/metrics")]


def train_in_a_process(recipe, folder):
    torch.set_num_threads(1)
    train_run(recipe, folder, Lines())


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_runs_killed_again_and_again_end_with_the_same_texts(run, tmp_path):
    def texts(folder):
        stages = {name: read_stage(folder / f"evaluation/test/{name}/metrics") for name in SHARED}
        return {name: [record["response"] for record in records] for name, records in stages.items()}

    recipe, folder, killed = run[0], tmp_path / "run", 0
    duration = time_undisturbed(train_in_a_process, recipe, tmp_path / "whole")
    expected = texts(tmp_path / "whole")
    while killed < KILLS["pat"]:
        killed += kill_until_done(train_in_a_process, (recipe, folder), duration / 6, killed)
        assert texts(folder) == expected, killed
        shutil.rmtree(folder)


def test_reports_by_history_and_the_cold_start(run, capsys):
    from typer.testing import CliRunner

    _, folder, _ = run
    by_history = json.loads(CliRunner().invoke(app, ["compare", str(folder), "--by-history", "--json"]).stdout)
    counts = {name: max((m["n"] for m in report["methods"].values()), default=0) for name, report in by_history.items()}
    histories = [r["history"] for r in read_stage(folder / "evaluation/test/pat/metrics")]
    assert counts == {
        "0": histories.count(0), "1": histories.count(1), "2 to 4": sum(2 <= h <= 4 for h in histories), "5 or more": 0
    }  # fmt: skip
    assert counts["0"]
    assert counts["1"]
    poor = CliRunner().invoke(app, ["cold-start", str(folder)])
    assert "no user with 5 documents or more" in str(poor.exception)


def test_generate_writes_for_a_user_who_is_in_no_data(run, tmp_path):
    from typer.testing import CliRunner

    def written(*changes):
        asked = ["generate", "--prompt", "Write of the soap.", "--json", *changes]
        return CliRunner().invoke(app, asked if "--model" in changes else [*asked, "--model", str(run[1])])

    found = [written(), written(), written("--item", "soap"), written("--item", "unheard of")]
    texts = [json.loads(done.stdout) for done in found]
    assert texts[0] == texts[1]
    assert all(text["response"] and text["reasoning"].startswith("Style: ") for text in texts)
    levels = [done.stderr.partition("by level: ")[2].splitlines()[0] for done in found]
    assert levels[2] == "2 topic"
    assert levels[0] == levels[3] == "2 nearest topics"
    assert "nobody has written on it" in found[3].stderr
    assert "nobody has written on it" not in found[2].stderr
    (tmp_path / "own.txt").write_text("GREAT!!! I LOVE IT!!!")
    known = written("--profile", str(tmp_path / "own.txt"))
    assert known.exit_code == 0, known.output
    assert json.loads(known.stdout) != texts[0]
    assert "for the method pat" in str(written("--model", "bundled", "--item", "soap").exception)
    assert "anew for each prompt" in str(written("--reuse-reasoning", str(tmp_path / "kept")).exception)
    (tmp_path / "empty").mkdir()
    assert "there are no documents: written as for a new user" in written("--profile", str(tmp_path / "empty")).stderr
    assert "query: found only white space" in str(written("--query", " ").exception)


def test_a_server_writes_for_users_whom_nobody_knows(run, tmp_path):
    with Writer(run[1]) as writer:
        expected = writer.write("Write of the soap.", item="soap", seed=3)
    with open_store(f"sqlite:///{tmp_path}/penname.db") as store, in_this_process(store, run[1]) as server:
        answers = {item: server.write("nobody", "Write of the soap.", seed=3, item=item) for item in ("soap", "other")}
        written = {item: answer.json for item, answer in answers.items()}
        message = written["soap"]["choices"][0]["message"]
        assert (message["content"], message["reasoning_content"]) == (expected.response, expected.reasoning)
        assert written["soap"]["penname"]["method"] == "pat"
        assert "nobody knows this user: written as for a new user" in written["soap"]["penname"]["notes"]
        assert any("nobody has written on it" in note for note in written["other"]["penname"]["notes"])
        assert written["soap"]["usage"]["completion_tokens"] > 0
        events = server.write("nobody", "Write of the soap.", seed=3, item="soap", stream=True)
        assert "".join(c["delta"].get("content", "") for e in events for c in e["choices"]) == expected.response
        assert server.write("nobody@pat", seed=1).status == 200
        assert server.write("nobody", reasoning="Short.").json["error"]["code"] == "model_not_found"
        assert server.write("nobody", logprobs=True).json["error"]["param"] == "logprobs"


def files_below(folder):
    """The files below a folder, each with when it was changed."""
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_what_is_written_about_a_user_is_in_no_file(run, tmp_path, monkeypatch):
    monkeypatch.setenv("PENNAME_CACHE", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")  # a file in it cannot be made
    of_run = files_below(run[1])
    with Writer(run[1]) as writer:
        assert writer.write("Write of the soap.").reasoning
        embeddings = files_below(tmp_path)  # of the run's own documents
        assert embeddings
        assert writer.write("Write of quinces.", documents=["Quince and soap.", "Plum."], candidates=2).reasoning
    assert files_below(tmp_path) == embeddings
    assert files_below(run[1]) == of_run


def test_candidates_are_not_chosen_by_a_model_that_the_run_lacks(run):
    evaluation = run[0].evaluation.model_copy(update={"choose": "authorship"})
    with Writer(run[1], recipe=run[0].model_copy(update={"evaluation": evaluation})) as writer:
        with pytest.raises(UserError, match="candidates: found 2; the run has no authorship model"):
            writer.write("Write of the soap.", candidates=2)
        assert writer.write("Write of the soap.", candidates=1).reasoning


@pytest.mark.slow
def test_a_server_that_is_killed_leaves_no_words_of_users(run, tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    before = files_below(run[1])
    with as_command(run[1], f"sqlite:///{tmp_path}/penname.db") as server:
        assert server.ask("POST", "/v1/users/ada/documents", {"text": "I planted quincetrellis and soap."}).status < 300
        body = {"model": "penname/ada@pat", "messages": [{"role": "user", "content": "Write."}], "n": 16}
        connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
        sent = json.dumps({**body, "stream": True, "seed": 3}), {"Content-Type": "application/json"}
        connection.request("POST", "/v1/chat/completions", *sent)
        assert connection.getresponse().readline().startswith(b"data: ")
        time.sleep(0.2)  # the first text is written, and the next one has begun
        server.process.kill()
        server.process.wait()
    left = {path.name for path in scratch.rglob("*")}
    assert [
        name for name in left if name != "__pycache__" and "torch_geometric" not in name
    ] == []  # whose code is there
    assert files_below(run[1]) == before
    assert not any(b"quincetrellis" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


@pytest.mark.parametrize("end", ["hung up", "forgotten"])
def test_a_server_does_not_write_on_for_whom_nobody_waits(run, tmp_path, end):
    body = {"model": "penname/ada", "messages": [{"role": "user", "content": "Write of the soap."}], "seed": 3, "n": 2}
    with open_store(f"sqlite:///{tmp_path}/penname.db") as store, in_this_process(store, run[1]) as server:
        server.ask("PUT", "/v1/users/ada")
        cold_start = server.state.methods.cold_start
        whole = server.ask("POST", "/v1/chat/completions", body).json["usage"]["completion_tokens"]
        connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
        wait_until(lambda: cold_start.in_progress)
        if end == "forgotten":
            server.ask("DELETE", "/v1/users/ada")
            assert json.loads(connection.getresponse().read())["error"]["code"] == "user_not_found"
        connection.close()
        wait_until(lambda: not cold_start.in_progress, 1)
        wait_until(lambda: not server.state.in_flight._requests)
        with cold_start._engine:  # whose next step is the end
            assert server.tokens_written() - whole < whole / 2
        assert server.write("ada", seed=3).status == 200


@pytest.mark.parametrize("stream", [False, True])
def test_a_server_refuses_what_pat_cannot_write_with_a_status_of_its_own(run, tmp_path, stream):
    with open_store(f"sqlite:///{tmp_path}/penname.db") as store, in_this_process(store, run[1]) as server:
        long = server.write("nobody", "soap " * 5000, stream=stream)
        assert (long.status, long.error["type"]) == (400, "invalid_request_error")


def test_generate_finds_documents_by_the_query(run, monkeypatch):
    """As training and evaluation do, which know the title of the text that is asked for."""
    from typer.testing import CliRunner

    found = []
    find = by_pat.format_documents
    monkeypatch.setattr(
        by_pat, "format_documents", lambda example, documents: found.append(documents) or find(example, documents)
    )
    for changes in ([], ["--query", "The lamp"]):
        asked = ["generate", "--model", str(run[1]), "--prompt", "Write a review of the soap.", *changes]
        assert CliRunner().invoke(app, asked).exit_code == 0
    items = [{d.item_id for d in documents} for documents in found if documents]
    assert items[1] == {"0 soap"}  # of the first source
    assert items[3] == {"0 lamp"}


@pytest.mark.parametrize("stage", ["style-model", "pat/iteration-1/topic/training", "generator/training"])
def test_generate_tells_what_of_a_run_is_damaged(run, tmp_path, stage):
    from typer.testing import CliRunner

    folder = tmp_path / "run"
    shutil.copytree(run[1], folder)
    damaged = next((folder / stage).rglob("model.safetensors"))
    damaged.write_bytes(damaged.read_bytes()[:100])
    asked = ["generate", "--model", str(folder), "--prompt", "Write of the soap."]
    problem = str(CliRunner().invoke(app, asked).exception)
    assert f"{damaged}: damaged (found 100 bytes" in problem
    shutil.rmtree(folder / stage)
    assert f"{stage}/stage.json" in str(CliRunner().invoke(app, asked).exception)


@pytest.mark.slow
def test_a_corpus_without_items_has_topics_too_and_rich_users_show_the_cold_start(tmp_path, tiny_model):
    from typer.testing import CliRunner

    for split in ("train", "test"):
        records = [
            {
                "id": f"{split}-{u}",
                "user_id": f"user{u}",
                "task": "notes",
                "input": f"Write of {ITEMS[u % 6]}.",
                "output": f"Never before seen words of {u}.",
                "profile": [
                    {"text": f"{WAYS[u % 2]} {ITEMS[(u + n) % 6]} own{u} number{n}"} for n in range(6 if u < 4 else 1)
                ],
            }
            for u in range(8)
        ]
        (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    recipe = recipe_of(tmp_path / "unused", tiny_model, ["zero-shot", "rag", "random", "pat-no-reasoning"]).model_copy(
        update={"data": [SourceConfig(format="jsonl", path=str(tmp_path))]}
    )
    train_run(recipe, tmp_path / "run", Lines())
    session = Session(recipe, RunFolder(tmp_path / "run", Lines()))
    contexts = find_contexts(session, "test")
    assert all(len(own.style) == len(own.topic) == len(own.random) == 2 for own in contexts.values())
    assert {level for own in contexts.values() for level in own.levels} <= {"topic", "nearest topics", "corpus"}

    asked = ["cold-start", str(tmp_path / "run"), "--documents", "0,2", "--metric", "rouge1"]
    shown = CliRunner().invoke(app, asked)
    assert shown.exit_code == 0, shown.output
    assert (tmp_path / "run/cold-start-rouge1.png").stat().st_size > 10_000
    found = json.loads(CliRunner().invoke(app, [*asked, "--json"]).stdout)
    assert list(found) == ["0", "2", "all"]
    rich = {f"test-{u}" for u in range(4)}  # also those that the limit leaves out of the split
    assert not rich <= {e.example_id for e in session.prepare_fitting("test")}
    assert all(m["n"] == len(rich) for report in found.values() for m in report["methods"].values())
    # Without any document known there is nothing that `rag` could show.
    assert found["0"]["methods"]["rag"]["rouge1"] == found["0"]["methods"]["zero-shot"]["rouge1"]
    kept = {e.example_id: e for e in session.prepare_fitting("test", 2)}
    assert set(kept) == rich
    assert all(e.profile_size == 2 for e in kept.values())
    for history in (0, 2):  # what is hidden is nowhere: not among others' documents either
        for id, own in find_contexts(session, "test", history).items():
            texts = [text for name, of_name in asdict(own).items() if name != "example_id" for text in of_name]
            assert any("own" in text for text in texts)
            word = f"own{id.removeprefix('test-')} "
            assert len({text for text in texts if word in text}) == history, id
    chosen = json.loads(CliRunner().invoke(app, [*asked, "--method", "rag", "--json"]).stdout)
    assert all(list(report["methods"]) == ["rag"] for report in chosen.values())
    for number in ("5", "-1", "x", ""):
        refused = CliRunner().invoke(app, ["cold-start", str(tmp_path / "run"), "--documents", number])
        assert "expected numbers under 5" in str(refused.exception)


@pytest.fixture(scope="module")
def two_shops(tmp_path_factory, tiny_model):
    """A run on two sources that name users and items alike; the test users of the first have written nothing."""
    folder = tmp_path_factory.mktemp("shops")
    for shop in ("films", "hotels"):
        (folder / shop).mkdir()
        for split in ("train", "test"):
            known = split == "train" or shop == "hotels"
            records = [
                {
                    "id": f"{split}-{u}",
                    "user_id": "Ann" if u == 0 else f"{split}{u}",
                    "task": shop,
                    "input": f"Write of the {ITEMS[u % 3]}.",
                    "output": f"Never before seen words of {u}.",
                    "item_id": ITEMS[u % 3],
                    "profile": [
                        {"text": f"{shop}: {WAYS[u % 2]} {ITEMS[(u + n) % 3]} {n}{u}", "item_id": ITEMS[(u + n) % 3]}
                        for n in range(6 if known else 0)
                    ],
                }
                for u in range(6)
            ]
            (folder / shop / f"{split}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    sources = [SourceConfig(format="jsonl", path=str(folder / shop)) for shop in ("films", "hotels")]
    recipe = recipe_of(folder / "unused", tiny_model, ["pgraphrag-neighbours", "pat"]).model_copy(
        update={"data": sources, "limit": LimitConfig(train=3)}
    )
    train_run(recipe, folder / "run", Lines())
    return recipe, folder / "run"


@pytest.mark.slow
def test_any_data_with_items_has_neighbours_and_new_users_others_of_the_train_split(two_shops):
    recipe, folder = two_shops
    contexts = find_contexts(Session(recipe, RunFolder(folder, Lines())), "test")
    assert len(contexts) == 12
    for id, own in contexts.items():
        shop = id.split("-")[0]
        assert len(own.neighbours) == len(own.style) == len(own.topic) == 2
        assert set(own.levels) == {"topic"}
        assert all(text.startswith(shop) for text in (*own.neighbours, *own.style, *own.topic))
        assert all(ITEMS[int(id.split("-")[-1]) % 3] in text for text in own.neighbours)


def test_users_and_items_of_two_sources_are_two_where_they_are_named_alike(two_shops, monkeypatch):
    from typer.testing import CliRunner

    _, folder = two_shops
    (data,) = read_runs([folder])
    assert {i.split("-")[0] for i, profile in data.profiles.items() if profile} == {"hotels"}
    reader, _ = _reader([data])
    shown = {example["id"]: reader["profiles"][example["profile"]] for example in reader["examples"]}
    assert shown["films-test-0"] == []
    assert len(shown["hotels-test-0"]) == 6

    found = []
    find = by_pat.format_documents
    monkeypatch.setattr(by_pat, "format_documents", lambda example, own: found.append(own) or find(example, own))
    asked = ["generate", "--model", str(folder), "--prompt", "Write a review.", "--item", ITEMS[0]]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    assert {d.text.split(":")[0] for d in found[-1]} == {"films"}
    assert "nobody has written on it" not in done.stderr


def test_without_any_document_there_is_no_graph(tmp_path, tiny_model):
    for split in ("train", "test"):
        record = {"id": split, "user_id": "u", "task": "notes", "input": "Write.", "output": "Words.", "profile": []}
        (tmp_path / f"{split}.jsonl").write_text(json.dumps(record) + "\n")
    recipe = recipe_of(tmp_path / "unused", tiny_model, ["random"]).model_copy(
        update={"data": [SourceConfig(format="jsonl", path=str(tmp_path))]}
    )
    with pytest.raises(UserError, match="train: found no document of any user"):
        train_run(recipe, tmp_path / "run", Lines())


def longest_topic_prompt(session):
    """Tokens of the longest of the topic agent's last prompts, with a whole summary and no document."""
    lists, other = {"own": [], "on_topic": []}, " word" * 40
    return max(
        len(session.renderer.render("pat_topic_refined", lists, input=e.input, other=other).tokens)
        for e in session.prepare_fitting("test")
    )


def test_inputs_that_leave_little_room_are_shortened_for_agents(tmp_path, tiny_model):
    """Which examples a run has is the same for all methods, so the ones with long inputs stay."""
    recipe = recipe_of(tmp_path, tiny_model, ["pat-no-dpo"], limit={})
    session = Session(recipe, RunFolder(tmp_path / "run", Lines()))
    prepared, longest = session.prepare_fitting("test"), longest_topic_prompt(session)
    tight = recipe.model_copy(update={"pat": recipe.pat.model_copy(update={"max_input_tokens": longest - 5})})
    session = Session(tight, RunFolder(tmp_path / "tight", Lines()))
    assert session.prepare_fitting("test") == prepared
    contexts = find_contexts(session, "test")
    prompts = [agent_prompt(session, "topic", e, contexts[e.example_id], " word" * 40) for e in prepared]
    assert all(len(prompt.tokens) <= longest - 5 for prompt in prompts)
    assert any(" word" * 40 not in prompt.text for prompt in prompts)
    tighter = recipe.model_copy(update={"pat": recipe.pat.model_copy(update={"max_input_tokens": 20})})
    session = Session(tighter, RunFolder(tmp_path / "tighter", Lines()))
    with pytest.raises(UserError, match=r"raise pat\.max_input_tokens"):
        agent_prompt(session, "topic", prepared[0], contexts[prepared[0].example_id], None)


def test_summaries_are_shortened_where_the_input_leaves_no_room(tmp_path, tiny_model):
    recipe = recipe_of(tmp_path, tiny_model, ["pat-no-dpo"], limit={})
    session = Session(recipe, RunFolder(tmp_path / "run", Lines()))
    example = session.prepare_fitting("test")[0]
    own = find_contexts(session, "test")[example.example_id]
    summary = "short sentences " * 30
    whole = response_prompt(session, example, own, summary, summary, documents=False)
    bare = len(session.renderer.render("pat_response", {"own": []}, input=example.input, style="", topic="").tokens)
    prompt = recipe.prompt.model_copy(update={"max_input_tokens": bare + 20})
    narrow = Session(recipe.model_copy(update={"prompt": prompt}), RunFolder(tmp_path / "narrow", Lines()))
    made = response_prompt(narrow, example, own, summary, summary, documents=False)
    assert bare < len(made.tokens) <= bare + 20 < len(whole.tokens)
    assert example.input in made.text
    assert 0 < made.text.count("short") < whole.text.count("short")


@pytest.mark.slow
def test_a_method_added_to_a_run_has_the_same_examples(tmp_path, tiny_model):
    """Also where its agents' prompts have less room than others': the example shown at the end is of all methods."""
    from typer.testing import CliRunner

    recipe = recipe_of(tmp_path, tiny_model, ["zero-shot"], limit={})
    session = Session(recipe, RunFolder(tmp_path / "other", Lines()))
    pat = recipe.pat.model_copy(update={"max_input_tokens": longest_topic_prompt(session) - 1})
    path = tmp_path / "recipe.yaml"
    for methods in (["zero-shot"], ["zero-shot", "pat-no-dpo"]):
        wanted = recipe.model_copy(update={"pat": pat, "methods": methods})
        path.write_text(yaml.safe_dump(wanted.model_dump(mode="json")))
        done = CliRunner().invoke(app, ["train", str(path), "--run", str(tmp_path / "run")])
        assert done.exit_code == 0, done.output
    assert "\npat-no-dpo (reward " in done.output
    results, _, _ = results_of([tmp_path / "run"])
    assert results["pat-no-dpo"].keys() == results["zero-shot"].keys()


@pytest.mark.slow
def test_the_second_iteration_goes_on_from_the_agents_of_the_first(tmp_path, tiny_model):
    recipe = recipe_of(tmp_path, tiny_model, ["pat"], tune_generator=True)
    more = {"iterations": 2, "differential": "previous round"}
    recipe = recipe.model_copy(update={"pat": recipe.pat.model_copy(update=more)})
    train_run(recipe, tmp_path / "run", Lines())
    for agent in AGENTS:
        first, second = (tmp_path / "run" / "pat" / f"iteration-{i}" / agent for i in (1, 2))
        facts = json.loads((second / "training" / "stage.json").read_text())
        assert facts["started_from"] == str(first / "training" / "model")
        drawn = [[r["summaries"] for r in read_stage(stage / "candidates")] for stage in (first, second)]
        assert drawn[0] != drawn[1]


@pytest.mark.slow
def test_one_round_alone_needs_no_other_agent_and_style_no_sentence_vectors(tmp_path, tiny_model):
    recipe = recipe_of(tmp_path, tiny_model, ["pat"])
    style = recipe.pat.style.model_copy(update={"sentence_vectors": False})
    one = recipe.pat.model_copy(update={"rounds": 1, "style": style})
    train_run(recipe.model_copy(update={"pat": one}), tmp_path / "run", Lines())
    assert {p.name for p in (tmp_path / "run/pat/summaries/test").iterdir() if p.is_dir()} == {"round-1"}
    assert len(list(read_stage(tmp_path / "run/evaluation/test/pat/metrics"))) == 6
