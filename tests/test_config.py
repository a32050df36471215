"""Recipes: what ships is valid and holds the paper's settings; what is wrong is one clear line."""

from pathlib import Path

import pytest

from penname.config import PaTConfig
from penname.errors import UserError
from penname.recipe_files import load_recipe
from penname.shipped import shipped_recipes

ROOT = Path(__file__).parents[1]
SMALL = "methods: [rag]\ndata: [{format: presidents}]\nexpectation: {threshold: 1.0}\nreward: {mixture: {rouge1: 1}}\n"
SERVED = "generator: {kind: openai, base_url: x}\n"


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipes_are_valid(name):
    assert load_recipe(name) == load_recipe(str(shipped_recipes()[name]))
    assert len(shipped_recipes()[name].read_text().splitlines()) <= 25


def test_the_paper_recipe_holds_the_settings_of_the_paper():
    recipe = load_recipe("recipes/paper.yaml")
    training, expectation = recipe.training, recipe.expectation
    assert (recipe.generator.model, recipe.teacher.model) == ("google/gemma-2b", "google/gemma-7b-it")
    assert recipe.reward.judge.model == "google/gemma-7b-it"
    assert (recipe.retrieval.retriever, recipe.retrieval.encoder, recipe.retrieval.k) == (
        "contriever", "facebook/contriever", 5,
    )  # fmt: skip
    assert (expectation.iterations, expectation.samples, expectation.temperature) == (3, 32, 0.7)
    assert (expectation.threshold, expectation.max_kept, expectation.start_from) == (1.0, 10, "base")
    assert (training.optimizer, training.learning_rate, training.warmup_steps) == ("adafactor", 5e-6, 250)
    assert (training.max_steps, training.batch_size, training.weight_decay) == (10_000, 64, 0.01)
    assert (training.max_grad_norm, training.validate_every, training.validation_examples) == (1.0, 1000, 1024)
    assert (recipe.prompt.max_input_tokens, recipe.prompt.max_output_tokens) == (5120, 1536)
    assert recipe.evaluation.temperature == 0.1


def test_overrides_reach_nested_keys():
    recipe = load_recipe("quickstart", ["expectation.samples=3", "training.learning_rate=1e-5", "seed=4"])
    assert (recipe.expectation.samples, recipe.training.learning_rate, recipe.seed) == (3, 1e-5, 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SMALL + "trainig: {}\n", "'trainig': found an unknown key, expected a known one: did you mean 'training'?"),
        (SMALL + "training: {lerning_rate: 1}\n", "did you mean 'learning_rate'?"),
        (SMALL.replace("rouge1", "rogue1"), "field 'reward.mixture.rogue1"),
        (SMALL.replace("[rag]", "[rga]"), "found 'rga'"),
        (SMALL.replace("threshold: 1.0", "threshold: 2"), "found 2"),
        (SMALL.replace("threshold: 1.0", "{}").replace("{{}}", "{}"), "give one of threshold"),
        (SMALL.replace("format: presidents", "format: jsonl"), "format jsonl needs a path"),
        (SMALL.replace("format: presidents", "format: longlamp, hub: a/b"), "hub needs format longlamp and, as task"),
        (
            SMALL.replace("format: presidents", "format: jsonl, path: x, split_by_user: true"),
            "are for format pgraphrag",
        ),
        (SMALL.replace("format: presidents", "format: pgraphrag, path: x, task: all"), "one of long, short, rating"),
        (SMALL.replace("[rag]", "[sft-reasoning]") + "prompt: {style: benchmark}\n", "benchmark has no reasoning"),
        (SMALL + "training: {rendezvous: first}\n", "rendezvous: found 'first', expected HOST:PORT"),
        (SMALL + "training: {nodes: 2}\n", "nodes 2 needs rendezvous, HOST:PORT"),
        (SMALL + "scale: {kind: ray, address: first}\n", "address: found 'first', expected auto, local or HOST:PORT"),
        (SMALL.replace("[rag]", "[pat]") + SERVED, "pat trains its style agent here"),
        (
            SMALL.replace("[rag]", "[pat]") + "pat: {topic_agent: {kind: openai, base_url: x}}\n",
            "trains its topic agent",
        ),
        (SMALL + SERVED + "tune_generator: true\n", "tune_generator writes with a model trained here"),
        (SMALL.replace("[rag]", "[pat]") + "pat: {samples: 1}\n", "field 'pat.samples'"),
        (SMALL + "pat: {rounds: 1, differential: previous round}\n", "previous round needs rounds of 2 or more"),
        (SMALL + "evaluation: {texts: 2, temperature: 0}\n", "all alike at evaluation.temperature 0"),
        (SMALL + "evaluation: {temperature: 0}\npat: {texts: 2}\n", "pat.texts of 2 or more are all alike"),
        (SMALL.replace("[rag]", "[pat, pat-no-documents]"), "is pat itself where pat.documents is false"),
        (SMALL.replace("[rag]", "[pat-one-round]") + "pat: {rounds: 1}\n", "is pat itself where pat.rounds is 1"),
        (SMALL.replace("[rag]", "[rag, zero-shot, rag]"), "bad.yaml: methods: found rag twice"),
        (SMALL + "pat: {max_summary_tokens: 64, max_input_tokens: 64}\n", "has to hold a summary"),
        ("methods: [rag\n", "broken YAML"),
        ("- 1\n", "found list"),
        ("methods: [rag]\n", "found nothing, expected a value"),
    ],
)
def test_bad_recipes_are_one_clear_line(tmp_path, text, message):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        load_recipe(str(path))
    assert str(path) in str(error.value)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_the_papers_recipe_for_a_cluster_differs_in_where_it_is_computed_alone():
    paper, cluster = (load_recipe(name).model_dump() for name in ("paper", "paper-cluster"))
    assert cluster.pop("scale") != paper.pop("scale")
    assert (cluster["training"].pop("processes"), paper["training"].pop("processes")) == (8, 1)
    assert cluster == paper


def test_a_missing_recipe_names_those_that_ship():
    with pytest.raises(
        UserError,
        match=r"nowhere.yaml: found no such recipe.*laptop, paper-cluster, paper, pat-laptop, pat, quickstart",
    ):
        load_recipe("nowhere.yaml")


@pytest.mark.parametrize("override", ["seed", "=3", "seed.x=3", "sed=3"])
def test_bad_overrides_are_refused(override):
    with pytest.raises(UserError):
        load_recipe("quickstart", [override])


def test_the_docs_name_every_setting_of_pat_with_its_default():
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (ROOT / "docs" / "pat.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("| `pat.")
    ]
    told = {}
    for names, defaults, _ in rows:
        first, *others = (name.strip("` ") for name in names.split(", "))
        section = first.rpartition(".")[0]
        every = [first, *(name if name.startswith("pat.") else f"{section}.{name}" for name in others)]
        values = defaults.split(", ")
        told |= dict(zip(every, values if len(values) > 1 else values * len(every), strict=True))
    defaults = PaTConfig().model_dump(exclude={"style", "dpo"}) | {
        f"{section}.{name}": value
        for section in ("style", "dpo")
        for name, value in getattr(PaTConfig(), section).model_dump().items()
    }
    written = {None: {"the generator", "all", "no limit"}, True: {"true"}, False: {"false"}}
    assert set(told) == {f"pat.{name}" for name in defaults}
    for name, value in defaults.items():
        found = told[f"pat.{name}"]
        assert found in written.get(value, ()) or found == value or float(found) == value, name


def test_an_earlier_name_on_the_command_line_is_told_the_new_one():
    with pytest.raises(UserError, match="found a name of an earlier version, expected 'batch_size'"):
        load_recipe("quickstart", ["generator.rows=8"])
