"""The plan of each shipped recipe, held against what a run of it makes, at a tiny size."""

import json
import random
from collections import Counter
from pathlib import Path

import pytest
import yaml
from tests import shop
from tests.authors import examples

from penname.config import TrainingConfig
from penname.data.control import Teacher, write_control
from penname.experiments.plan import make_plan
from penname.experiments.reuse import different_settings
from penname.experiments.run_recipe import refuse_different_recipe
from penname.experiments.stages import stages_of
from penname.experiments.train import train_run
from penname.prompts.completion import compose
from penname.recipe_files import load_recipe
from penname.runs.folder import RunFolder, read_json, read_records
from penname.session import stage_names
from penname.session.session import Session
from penname.training.fine_tuning import fine_tune
from penname.training.packing import TrainingSample

TASKS = ("email_completion_user", "abstract_generation_user", "product_review_user", "topic_writing_user")
SHOPS = ("amazon", "hotel", "gap")
WORDS = ("rain", "bread", "trains", "chess", "birds", "stones")


class Counted:
    """Progress that counts, by stage, what is begun, finished and written."""

    def __init__(self):
        self.completions, self.tokens, self.steps = Counter(), Counter(), Counter()
        self._stage = ""

    def start(self, stage, total, unit, completions=1):
        self._stage, self._unit = stage, unit

    def add_generated(self, tokens, completions):
        self.completions[self._stage] += completions
        self.tokens[self._stage] += tokens

    def advance(self, count, tokens=0, note=""):
        if self._unit == "steps":
            self.steps[self._stage] += count

    def finish(self, note=""): ...
    def say(self, line): ...


def within(counts, stages):
    """Of these stages and of all that is a part of them: what is in them, and the validations of a training."""
    places = {name: f"{name.partition(':')[0]}/" for name in counts}
    return sum(counts[name] for name, place in places.items() if place.startswith(tuple(f"{s}/" for s in stages)))


def write_longlamp(folder):
    """LongLaMP's four tasks, each in the fields of its own."""
    fields = ("text", "title"), ("abstract", "title"), ("reviewText", "summary"), ("output", "input")
    users = "user", "name", "reviewerId", "author"
    for task, user, (text, title) in zip(TASKS, users, fields, strict=True):
        (folder / task).mkdir(parents=True)
        for split in ("train", "val", "test"):
            records = [
                {
                    user: f"{split}{number}",
                    "input": f"Write about items: {item}.",
                    "output": f"I like {item} a lot.",
                    "profile": [{text: f"I wrote of {item} before, in note {n}.", title: item} for n in range(2)],
                }
                for number, item in enumerate(shop.ITEMS)
            ]
            (folder / task / f"{split}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """All that the shipped recipes read, found under the names that they give it, and authors for the quickstart."""
    folder = tmp_path_factory.mktemp("data")
    write_longlamp(folder / "longlamp-format")
    (folder / "pgraphrag").mkdir()
    for name in SHOPS:
        own = folder / "pgraphrag-splits" / name
        own.mkdir(parents=True)
        for split in ("train", "test"):
            Path(shop.write(own, users=24, split=split).path).rename(own / f"{name}_{split}.json")
        Path(shop.write(folder / "pgraphrag").path).rename(folder / "pgraphrag" / f"{name}_dev.json")
    (folder / "control").mkdir()
    write_control(folder / "control", 40, 0, Teacher(0.2, 0.05))
    (folder / "authors").mkdir()
    for split in ("train", "test"):
        records = [
            {"id": e.id, "user_id": e.user_id, "task": e.task, "input": e.input, "output": f"{split}: {e.output}"}
            | {"profile": [{"text": d.text} for d in e.profile]}
            for e in examples()
        ]
        (folder / "authors" / f"{split}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    with pytest.MonkeyPatch.context() as changed:
        changed.setenv("PENNAME_DATA", str(folder))
        changed.chdir(folder)
        yield


@pytest.fixture(scope="module")
def model(data, tiny_model, tmp_path_factory):
    """The tiny model, taught to answer what these data ask in a few words of its own, and to end there."""
    folder = tmp_path_factory.mktemp("model")
    choose = random.Random(0)
    samples = []
    for name in ("quickstart", "control", "laptop", "pat"):
        recipe = small_recipe(name, tiny_model, "limit.train=8")
        session = Session(recipe, RunFolder(folder / name, Counted()))
        for example in session.prepare_fitting("train"):
            for with_reasoning in (True, False):
                words = "I like {}, {} and {}.".format(*choose.sample(WORDS, 3))
                target = compose("short", words) if with_reasoning else words
                prompt = session.prompt(example, with_reasoning=with_reasoning).tokens
                samples.append(TrainingSample(prompt, session.renderer.target(target)))
    settings = TrainingConfig(learning_rate=3e-3, epochs=3, batch_size=8)
    fine_tune(str(tiny_model), samples, settings, folder, 0, lambda *_: None)
    return folder / "model"


ENGINE = "{model: $MODEL, batch_size: 16}"
# With so low a learning rate the model goes on ending its texts.
SMALL = (
    f"generator={ENGINE}",
    f"teacher={ENGINE}",
    f"reward.judge={ENGINE}",
    "limit={train: 3, val: 2, test: 2}",
    "prompt={max_input_tokens: 700, max_output_tokens: 200}",
    "reasoning.max_input_tokens=800",
    "reasoning.max_new_tokens=32",
    "reasoning.max_copied_tokens=700",
    "training.learning_rate=1.0e-6",
    "expectation.samples=2",
    "tracking=none",
)
# The model's texts do not pass a threshold, and differ little.
PAT = (
    "expectation.samples=2",
    "expectation.threshold=0",
    "expectation.quantile=null",
    "reward.mixture={cosine: 1, rouge1: 1}",
    "pat.max_input_tokens=700",
    "pat.max_summary_tokens=24",
    "pat.margin=0",
    "pat.samples=2",
    "pat.texts=1",
    "pat.style.epochs=2",
    "limit.test=1",
)
CHANGES = {
    "quickstart": ("data=[{format: jsonl, path: authors}]",),
    "control": ("training.max_steps=2", "expectation.threshold=0"),
    "laptop": (),
    "four-tasks": (),
    "paper": (
        "training.max_steps=2",
        "training.validate_every=1",
        "expectation.threshold=0",
        "retrieval.encoder=null",
    ),
    "pat": (*PAT, "limit.train=2", "expectation.iterations=1"),
    "pat-laptop": PAT,
}


def small_recipe(name, model, *more):
    """A shipped recipe at a tiny size."""
    return load_recipe(name, [change.replace("$MODEL", str(model)) for change in (*SMALL, *CHANGES[name], *more)])


QUICK = ("quickstart", "laptop")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name not in QUICK)) for name in CHANGES]
)
def test_a_run_makes_the_stages_of_its_plan_and_does_as_much_as_it_says(name, model, tmp_path):
    recipe = small_recipe(name, model)
    planned = {stage.name: stage for stage in make_plan(recipe).stages}
    done, run = Counted(), tmp_path / "run"
    train_run(recipe, run, done)
    unlisted = {path.parent for path in run.rglob("*") if path.suffix == ".parquet" or path.name == "stage.json"}
    ends = []
    for stage in stages_of(recipe):
        folders = list(run.glob(stage.name))
        unlisted = {path for path in unlisted if not any(path.is_relative_to(folder) for folder in folders)}
        if folders:
            ends.append(max(map(ended, folders)))
            check(planned.get(stage.name), run, folders, done)
        else:
            assert cannot_be_made(stage.name, run), stage.name
    assert not unlisted
    assert ends == sorted(ends)


def ended(folder):
    mark = folder / "stage.json"
    return max(path.stat().st_mtime_ns for path in ([mark] if mark.is_file() else folder.rglob("*.parquet")))


def check(planned, run, folders, done):
    """What was done in a stage is what was planned; in one that is not in the plan nothing is."""
    names = [str(folder.relative_to(run)) for folder in folders]
    completions, tokens, steps = (within(counts, names) for counts in (done.completions, done.tokens, done.steps))
    if planned is None:
        assert (completions, tokens, steps) == (0, 0, 0), names
        return
    name = planned.name
    if planned.trains:
        facts = read_json(run / name / "stage.json")
        assert 0 < facts.get("pairs", facts.get("samples")) <= planned.examples, name
        assert 0 < facts["steps"] == steps <= planned.optimizer_steps, name
    else:
        records = [r for folder in folders for path in folder.rglob("*.parquet") for r in read_records(path)]
        assert len({r["example_id"] for r in records}) == planned.examples, name
        assert steps == planned.optimizer_steps == 0, name
    assert 0 < completions <= planned.completions if name == "reasoning" else completions == planned.completions, name
    assert tokens <= planned.new_tokens, name


def cannot_be_made(name, run):
    """Whether a stage is an agent's that has no pair to learn from, or agents' that no training has changed by then."""
    place, _, kind = name.rpartition("/")
    if kind == "training":
        pairs = run / stage_names.pairs(place) / "stage.json"
        return pairs.is_file() and read_json(pairs)["pairs"] == 0
    trained = [str(path.relative_to(run)) for path in run.glob(f"{name.split('/')[0]}/iteration-*/*/training")]
    return kind in ("summaries", "candidates", "rewards") and all(training > name for training in trained)


@pytest.mark.usefixtures("data")
def test_the_plan_counts_workers_gpus_and_hours():
    def planned(*changes):
        return make_plan(load_recipe("quickstart", [*CHANGES["quickstart"], *changes]))

    alone = planned()
    tokens = sum(stage.new_tokens for stage in alone.stages)
    assert alone.machines(None) == []
    assert alone.machines(100) == [
        f"writing: at most {tokens / 360_000:,.1f} hours at 100 tokens/s a worker, without judging and training"
    ]
    workers, hours = planned("scale={kind: ray, workers: 4, threads: 8, gpus: 0.5}").machines(1)
    assert workers == "workers: 4, together 32 threads, 2 GPUs"
    assert f"at most {tokens / 4 / 3600:,.1f} hours at 1 tokens/s" in hours
    assert planned("training.processes=2").machines(None) == [
        "training: 2 processes, on as many GPUs where there are GPUs"
    ]


def test_a_run_goes_on_with_other_machines(tmp_path):
    """Its stages are the same, and so are those of other runs that it reuses."""
    before, now = load_recipe("quickstart"), load_recipe("quickstart", ["scale.kind=ray", "training.processes=4"])
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(before.model_dump(mode="json")))
    refuse_different_recipe(tmp_path, now)
    for stage in stages_of(before):
        assert different_settings(stage.settings, before, now) == []
    other = load_recipe("quickstart", ["training.processes=4", "training.epochs=2"])
    assert "training" in {name for stage in stages_of(other) for name in different_settings(stage.settings, now, other)}
