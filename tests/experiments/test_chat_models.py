"""Whole runs with chat models that think, print the date or need arguments."""

import json

import pytest
import yaml
from tests.prompts.shapes import SHAPES, Shape
from tests.test_cli import penname, refused
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

import penname as library
from penname.engines.base import GeneratedTokens
from penname.engines.models import load_tokenizer
from penname.runs.folder import read_records

THOUGHT = "<think>\nSecret.\n</think>\n\n"


def save_model(shape, folder):
    """A model that knows nothing, with the tokenizer of a shape."""
    tokenizer = shape.tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=4096,
        eos_token_id=tokenizer.eos_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


class Thinker:
    """An engine that thinks before each text, and sometimes thinks only."""

    def __init__(self, config, on_written):
        tokenizer = load_tokenizer(config.model)
        texts = (f"{THOUGHT}Short sentences.", "<think>Secret. I wonder")
        self._written = [GeneratedTokens(tokenizer(text).input_ids, "stop") for text in texts]

    def generate(self, prompts, seeds, sampling):
        return [[self._written[seed % 2] for seed in own] for own in seeds]

    def score(self, prompts, candidates):
        return [[[-1.0] for _ in own] for own in candidates]


def settings(model, notes, **others):
    return {
        "methods": ["zero-shot"],
        "data": [{"format": "jsonl", "path": str(notes)}],
        "generator.model": str(model),
        "generator.dtype": "float32",
        "teacher.model": str(model),
        "prompt": {"max_input_tokens": 2500, "max_output_tokens": 100},
        "reward.mixture": {"rouge1": 1},
        "evaluation.metrics": ["rouge1"],
        "evaluation.candidates": 1,
        "three_authors": None,
        "training.max_steps": 1,
        "expectation.samples": 2,
        "expectation.quantile": 0,
        "limit": {"train": 4, "test": 4},
        **others,
    }


def test_thoughts_reach_no_response_and_no_target(notes, tmp_path):
    model = save_model(SHAPES["Qwen3"], tmp_path / "model")
    given = {"generator.kind": Thinker, "generator.chat_template_kwargs": {"enable_thinking": True}}
    recipe = library.load_recipe("quickstart", settings(model, notes, methods=["zero-shot", "rest-em"], **given))
    run = library.train(recipe, tmp_path / "run")
    records = [record for path in run.folder.rglob("*.parquet") for record in read_records(path)]
    assert {record["response"] for record in records if "response" in record} == {"Short sentences.", "", None}
    assert {record["completion"] for record in records if "weight" in record} >= {"Short sentences."}
    assert "Secret" not in json.dumps(records, default=str)


def test_a_run_tells_and_records_how_models_are_asked(notes, tmp_path):
    model = save_model(SHAPES["gpt-oss"], tmp_path / "model")
    recipe = library.load_recipe("quickstart", settings(model, notes, **{"generator.kind": Thinker}))
    library.train(recipe, tmp_path / "run")
    log = (tmp_path / "run" / "log.txt").read_text()
    assert "generator: the model does not think: its prompts end with '<|channel|>final<|message|>'" in log
    assert "generator: the model is told the date 2024-07-26 on every day (chat_template_date)" in log
    record = json.loads((tmp_path / "run" / "prompting.json").read_text())
    assert record["generator"]["end"] == "<|return|>"
    assert record["generator"]["chat_template_date"] == "2024-07-26"
    (model / "chat_template.jinja").write_text(SHAPES["gpt-oss"].template + " ")
    with pytest.raises(library.UserError, match="was started with other prompts: generator"):
        library.train(recipe, tmp_path / "run")


def test_what_is_trained_is_exported_with_its_end_and_template(notes, tmp_path):
    model = save_model(SHAPES["Qwen3"], tmp_path / "model")
    run = library.train(library.load_recipe("quickstart", settings(model, notes, methods=["sft"])), tmp_path / "run")
    folder = run.folder / "sft" / "training" / "model"
    facts = json.loads((folder / "penname.json").read_text())
    assert facts["chat_template_kwargs"] == {"enable_thinking": False}
    tokenizer = AutoTokenizer.from_pretrained(folder)
    asked = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hello"}], tokenize=False, add_generation_prompt=True
    )
    assert asked.endswith(SHAPES["Qwen3"].asked)
    card = (folder / "README.md").read_text()
    assert "It was trained to end its texts with the token `<|im_end|>` (256)." in card
    assert tokenizer.chat_template in card
    assert yaml.safe_load(card.split("```yaml\n")[1].split("```")[0])["generator"]["chat_template_kwargs"] == {}


NEEDS = Shape(
    "{% if not persona %}{{ raise_exception('A persona is required') }}{% endif %}{{ messages[0].content }}</s>",
    ("</s>", "<s>"),
    "",
    "</s>",
)


@pytest.mark.parametrize("where", ["generator", "teacher", "reward.judge"])
def test_a_template_that_fails_is_told_before_anything_is_computed(where, notes, tmp_path):
    model, other = save_model(NEEDS, tmp_path / "model"), save_model(SHAPES["Phi-3"], tmp_path / "other")
    given = settings(other, notes, methods=["sft-reasoning"], **{"reward.mixture": {"judge": 1}})
    given |= {"reward.judge.model": str(other), f"{where}.model": str(model)}
    overrides = [part for key, value in given.items() for part in ("--set", f"{key}={json.dumps(value)}")]
    run = tmp_path / "run"
    message = f"{where}: model '{model}': the chat template fails: A persona is required"
    refused(penname("train", "quickstart", "--run", run, *overrides), message)
    assert not (run / "recipe.yaml").exists()


def test_arguments_that_penname_gives_are_refused():
    with pytest.raises(library.UserError, match="chat_template_kwargs': found add_generation_prompt, which"):
        library.load_recipe("quickstart", ["generator.chat_template_kwargs.add_generation_prompt=true"])
