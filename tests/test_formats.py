"""One of each format goes the whole way: convert, stats, two steps of training, generate."""

import io
import json

import pyarrow
import pyarrow.parquet
import pytest
from rich.console import Console
from tests.data.documents import docx, epub, pdf
from tests.data.readers.samples import SAMPLES

import penname
from penname.config import SourceConfig
from penname.data.convert import ConversionSettings, convert
from penname.data.load_report import LoadReport
from penname.data.sources import load_split, read_split
from penname.data.statistics import statistics_of
from penname.runs.progress import ConsoleProgress

SPLITS = ("train", "val", "test")

LINES = [f"I walked {n} miles to the {place} that day." for n, place in enumerate(("sea", "mill", "market", "bridge"))]
ROWS = [{"user": "ann", "text": line, "date": f"2024-0{n + 1}-01"} for n, line in enumerate(LINES)]
MAILS = [
    f"From: ann@sea.example\nDate: {n + 1} Jun 2024 10:00:00 +0200\nSubject: {n}\n\n{line}\n"
    for n, line in enumerate(LINES)
]


def parquet():
    raw = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), raw)
    return raw.getvalue()


def medium_page(number, line):
    author = '<a href="https://medium.com/@ann" class="p-author h-card">Ann Example</a>'
    time = f'<time class="dt-published" datetime="2024-0{number + 1}-01T10:00:00.000Z">then</time>'
    body = f'<section data-field="body" class="e-content"><p>{line}</p></section>'
    return f'<html><article class="h-entry">{body}<footer>{author} {time}</footer></article></html>'.encode()


def table(separator):
    return "\n".join(separator.join(row) for row in (ROWS[0], *(row.values() for row in ROWS))).encode()


FOLDERS = {
    "texts": {f"ann/{n}.txt": line.encode() for n, line in enumerate(LINES)},
    "markdown": {f"{n}.md": f"---\nauthor: Ann\n---\n{line}".encode() for n, line in enumerate(LINES)},
    "word": {f"ann/{n}.docx": docx(f"<w:p><w:r><w:t>{line}</w:t></w:r></w:p>") for n, line in enumerate(LINES)},
    "pdf": {f"ann/{n}.pdf": pdf(line) for n, line in enumerate(LINES)},
    "html": {f"ann/{n}.html": f"<html><body><p>{line}</p></body></html>".encode() for n, line in enumerate(LINES)},
    "rtf": {f"ann/{n}.rtf": f"{{\\rtf1\\ansi {line}\\par}}".encode() for n, line in enumerate(LINES)},
    "epub": {f"ann/{n}.epub": epub(f"<p>{line}</p>") for n, line in enumerate(LINES)},
    "medium": {f"posts/2024-0{n + 1}-01_{n}.html": medium_page(n, line) for n, line in enumerate(LINES)},
    "csv": {"a.csv": table(",")},
    "tsv": {"a.tsv": table("\t")},
    "json": {"a.json": json.dumps(ROWS).encode()},
    "jsonl": {"a.jsonl": "\n".join(map(json.dumps, ROWS)).encode()},
    "parquet": {"a.parquet": parquet()},
    "eml": {f"{n}.eml": mail.encode() for n, mail in enumerate(MAILS)},
    "maildir": {f"Sent/cur/{n}.host:2,S": mail.encode() for n, mail in enumerate(MAILS)},
    "emlx": {f"{n}.emlx": f"{len(mail)}\n{mail}".encode() for n, mail in enumerate(MAILS)},
    "mbox": {"Sent.mbox": "".join(f"From - Sat Jun 01 10:00:00 2024\n{mail}\n" for mail in MAILS).encode()},
}
FOLDERS |= {name: {name: content} for name, content in SAMPLES.items()}
"""The files of each format, by their names in a folder."""


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """The data set made of each format's files, by its name."""
    folder = tmp_path_factory.mktemp("formats")
    found = {}
    for name, files in FOLDERS.items():
        export = folder / "exports" / name
        for file, content in files.items():
            (export / file).parent.mkdir(parents=True, exist_ok=True)
            (export / file).write_bytes(content)
        found[name] = folder / "data" / name.replace(".", "-")
        convert(export, found[name], ConversionSettings("texts", min_words=1), LoadReport())
    return found


@pytest.mark.parametrize("name", FOLDERS)
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
