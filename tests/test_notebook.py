"""In a notebook, run by a real kernel: progress is a bar, and tables are tables."""

import json

import nbformat
import pytest
from nbclient import NotebookClient

CELLS = [
    "import penname",
    """
overrides = {
    "methods": ["zero-shot", "rag"],
    "data": [{"format": "jsonl", "path": NOTES}],
    "generator": {"model": MODEL, "dtype": "float32"},
    "prompt": {"max_input_tokens": 400, "max_output_tokens": 24},
    "evaluation.candidates": 1,
    "three_authors": None,
}
run = penname.train(penname.load_recipe("quickstart", overrides), "run")
""",
    "run.compare()",
    'print(run.writer("rag").write("Write about rain.", documents=["I wrote of rain before."]).response)',
]


@pytest.fixture(scope="module")
def outputs(tiny_model, notes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebook")
    given = f"NOTES, MODEL = {json.dumps(str(notes))}, {json.dumps(str(tiny_model))}"
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in [given, *CELLS]])
    updates = []
    client = NotebookClient(book, timeout=300, resources={"metadata": {"path": str(folder)}})
    shown = client.process_message

    def watched(message, cell, index):
        updates.append(message)
        return shown(message, cell, index)

    client.process_message = watched
    client.execute()
    return book, updates


@pytest.mark.slow
def test_progress_is_a_bar_that_moves_and_goes(outputs):
    book, updates = outputs
    bars = [m["content"]["data"].get("text/html", "") for m in updates if "display" in m["msg_type"]]
    assert any("<progress" in bar and "evaluation/test/rag" in bar for bar in bars)
    left = [o for o in book.cells[2].outputs if o.output_type == "display_data"]
    assert all("<progress" not in o.data.get("text/html", "") for o in left)


def test_a_comparison_is_a_table(outputs):
    book, _ = outputs
    (shown,) = [o for o in book.cells[3].outputs if o.output_type == "execute_result"]
    assert "<table>" in shown.data["text/html"]
    assert "zero-shot" in shown.data["text/plain"] or "rag" in shown.data["text/plain"]


def test_a_text_is_written(outputs):
    book, _ = outputs
    assert any(o.get("name") == "stdout" and o.text.strip() for o in book.cells[4].outputs)
    assert not any(o.output_type == "error" for cell in book.cells for o in cell.get("outputs", []))
