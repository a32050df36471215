"""One of each format goes the whole way: convert, stats, two steps of training, generate."""

import pytest
from rich.console import Console
from tests.data.readers.samples import SAMPLES

import penname
from penname.config import SourceConfig
from penname.data.convert import ConversionSettings, convert
from penname.data.load_report import LoadReport
from penname.data.sources import load_split, read_split
from penname.data.statistics import statistics_of
from penname.runs.progress import ConsoleProgress

SPLITS = ("train", "val", "test")


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """The data set made of each format's sample, by the sample's name."""
    folder = tmp_path_factory.mktemp("formats")
    found = {}
    for name, content in SAMPLES.items():
        path = folder / "exports" / name / name
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        found[name] = folder / "data" / name.replace(".", "-")
        convert(path, found[name], ConversionSettings("texts", min_words=1), LoadReport())
    return found


@pytest.mark.parametrize("name", SAMPLES)
def test_a_format_is_converted_and_described(converted, name):
    source = SourceConfig(format="jsonl", path=str(converted[name]))
    for split in SPLITS:
        statistics = statistics_of(read_split(source, split, LoadReport(strict=True))).summary()
        assert statistics["examples"] > 0
        assert statistics["users"] > 0


def test_all_formats_are_trained_on_and_written_from(converted, tiny_model, tmp_path):
    sources = [{"format": "jsonl", "path": str(path), "task": path.name} for path in converted.values()]
    inputs = sum(len(load_split([SourceConfig(**source)], "train", None, 0)) for source in sources)
    model = {"model": str(tiny_model), "dtype": "float32"}
    recipe = penname.load_recipe(
        "quickstart",
        {
            "methods": ["sft"],
            "data": sources,
            "generator": model,
            "retrieval.k": 1,
            "prompt": {"max_input_tokens": 600, "max_output_tokens": 20},
            "training": {"learning_rate": 2e-4, "epochs": 1, "batch_size": -(-inputs // 2)},
            "limit": {"test": 4},
            "three_authors": None,
        },
    )
    with ConsoleProgress(Console(quiet=True)) as progress:
        run = penname.train(recipe, tmp_path / "run", progress=progress)
    assert (tmp_path / "run" / "sft" / "training").is_dir()
    writer = penname.Writer(run.folder)
    for path in converted.values():
        (example, *_) = load_split([SourceConfig(format="jsonl", path=str(path))], "test", None, 0)
        documents = [document.text for document in example.profile]
        assert writer.write(example.input, documents).response is not None
