"""Models for tests: the bundled one, and a tiny one that has learned the template, made here in seconds."""

from __future__ import annotations

import gc
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

# Where Python is told to keep no compiled files, each command that a test starts would compile transformers anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Some tests run a model in two processes at once: threads that spin while they wait would starve the other.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# And more threads than cores, with tests in several processes, slow each other many times over.
os.environ.setdefault(
    "OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))))
)
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import pytest

sys.dont_write_bytecode = False
# What imports make stays: the collector, which looks at all of it again and again, would take a sixth of their time.
gc.disable()

ARITHMETIC = os.environ.get("PENNAME_TEST_ARITHMETIC")
"""float32 or bfloat16: what `dtype: auto` means in the tests, whatever this processor does (`make test-arithmetic`)."""

if ARITHMETIC:
    os.environ["PENNAME_COMPUTE_DTYPE"] = ARITHMETIC

CHAT_TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
LONGEST_FIRST = (
    "test_resume.py",
    "test_mutations.py",
    "test_pat.py",
    "test_cli.py",
    "test_distributed.py",
    "test_ray.py",
)
"""Files whose tests take longest: begun last, one of them would keep a single process busy at the end.

The second one needs no tiny model, and goes on while the first one makes it for all.
"""

hidden_imports = 0
"""The number of modules that were imported when the garbage collector was last told to leave them alone."""

SUBJECTS = ("rain", "bread", "trains", "chess", "birds", "stones")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    last = len(LONGEST_FIRST)
    items.sort(key=lambda item: LONGEST_FIRST.index(item.path.name) if item.path.name in LONGEST_FIRST else last)


def pytest_collection_finish() -> None:
    hide_imports()
    gc.set_threshold(20_000)  # tests make objects by the million, and hardly any in circles
    gc.enable()


def pytest_runtest_setup() -> None:
    """Some libraries are imported by the first test that needs them only."""
    if len(sys.modules) - hidden_imports > 100:
        hide_imports()


def hide_imports() -> None:
    """Keep what is imported by now out of the garbage collector's sight.

    It is called whenever a model is given back, and half of the time of a tiny model's run would go into this; in a
    forked process every object that it looks at is copied besides.
    """
    global hidden_imports
    hidden_imports = len(sys.modules)
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def bundled() -> str:
    from penname.engines.models import bundled_model

    return str(bundled_model())


def example_record(subject: str, number: int) -> dict[str, object]:
    return {
        "id": f"{subject}-{number}",
        "user_id": f"author of {subject}",
        "task": "notes",
        "input": f"Write about {subject}, note {number}.",
        "output": f"I like {subject} a lot. It is note {number} about {subject}.",
        "profile": [{"text": f"I wrote of {subject} before, in note {n}."} for n in range(3)],
    }


@pytest.fixture(scope="session")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set in penname's own format."""
    folder = tmp_path_factory.mktemp("notes")
    for split, numbers in (("train", (1, 2)), ("val", (3,)), ("test", (4,))):
        records = [example_record(subject, n) for subject in SUBJECTS for n in numbers]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A two-layer Llama with its own tokenizer, fine-tuned until it writes Figure 8's template and answers Figure 7."""
    return made_once("tiny", train_tiny_model, tmp_path_factory) / "trained" / "model"


def made_once(name: str, make: Callable[[Path], object], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of the tests share, made by the first of them that needs it.

    make: called with the folder. Whoever changes what is in there copies it first.
    """
    from filelock import FileLock

    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # its own is that of one process
    folder, finished = base / name, base / f"{name}.finished"
    with FileLock(base / f"{name}.lock"):
        if not finished.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            finished.touch()
    return folder


def train_tiny_model(folder: Path) -> None:
    """Make the model of `tiny_model` below a folder."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from penname.config import TrainingConfig
    from penname.prompts.completion import compose
    from penname.prompts.render import Renderer
    from penname.prompts.templates import template
    from penname.training.fine_tuning import fine_tune
    from penname.training.packing import TrainingSample

    records = [example_record(s, n) for s in SUBJECTS for n in range(10)]
    texts = [str(r["input"]) + str(r["output"]) for r in records]
    texts += [template("figure8_input"), template("figure8_output"), template("figure7_reasoning")] * 10
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    special = ["<|end|>", "<|user|>", "<|assistant|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=1200, special_tokens=special, initial_alphabet=alphabet)
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<|end|>", pad_token="<|end|>")
    tokenizer.chat_template = CHAT_TEMPLATE
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    start = folder / "start"
    LlamaForCausalLM(config).save_pretrained(start)
    tokenizer.save_pretrained(start)
    renderer = Renderer(tokenizer, "chat", 512)
    samples = []
    for number, record in enumerate(records):
        documents = [f"I wrote of it before, in note {n}." for n in range(1 + number % 3)]
        prompt = renderer.render("figure8_input", documents, input=str(record["input"])).tokens
        target = compose("short plain sentences", str(record["output"]))
        samples.append(TrainingSample(prompt, renderer.target(target)))
        if number % 3 == 0:
            asked = {"input": str(record["input"]), "expected_output": str(record["output"])}
            prompt = renderer.render("figure7_reasoning", documents, **asked).tokens
            samples.append(TrainingSample(prompt, renderer.target("Short sentences.")))
    settings = TrainingConfig(learning_rate=4e-3, warmup_steps=20, epochs=12, batch_size=8)
    fine_tune(str(start), samples, settings, folder / "trained", 0, lambda *_: None)
