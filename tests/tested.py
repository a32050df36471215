"""Makes docs/tested.md, what the tests try of formats, languages and models: `python -m tests.tested`."""

import tempfile
from pathlib import Path

from tests.data.test_encodings import ENCODINGS, MARKED, UNMARKED
from tests.data.test_mutations import RECORDS, SUFFIXES
from tests.engines.test_supported import ARCHITECTURES
from tests.kills import KILLS
from tests.mutations import MANY
from tests.prompts.shapes import SHAPES
from tests.rewards.test_languages import TEXTS
from tests.test_formats import FOLDERS
from tests.test_recipe_mutations import RECIPES
from tests.test_words import SENTENCES

from penname.data.readers.choice import find_reader

PAGE = Path(__file__).parents[1] / "docs" / "tested.md"

INTRODUCTION = """# What is tested

Made from the tests by `python -m tests.tested`; a test fails where this page is older than they are.
"""


def page():
    """The page's text."""
    return "\n".join([INTRODUCTION, *formats(), *languages(), *models(), *faults()])


def formats():
    """A line for each reader, with what it is tested on."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, files in FOLDERS.items():
            for file, content in files.items():
                path = Path(folder) / name / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            found.setdefault(find_reader(Path(folder) / name)[0], []).append(name)
    yield "## Formats\n"
    yield "Each goes the whole way in a test: convert, stats, training, generate."
    yield "\n| format | known by | tested on |\n|---|---|---|"
    for reader in sorted(found, key=lambda reader: reader.name.split(" ", 1)[-1].lower()):
        yield f"| {reader.name} | {reader.looks_for} | {', '.join(f'`{name}`' for name in found[reader])} |"


def languages():
    """The languages of words, metrics and encodings."""
    encodings = {}
    for language, encoding in ENCODINGS + MARKED + UNMARKED:
        encodings.setdefault(language, []).append(encoding)
    yield "\n## Languages\n\n| what | languages |\n|---|---|"
    yield f"| words: search, copies, lengths | {', '.join(language for language in SENTENCES if language != 'mixed')} |"
    yield f"| ROUGE, METEOR, style features | {', '.join(TEXTS)} |"
    told = (f"{language} ({', '.join(names)})" for language, names in encodings.items())
    yield f"| encodings that are told | {', '.join(told)} |"


def models():
    """The chat templates and the architectures."""
    yield "\n## Models\n\n| what | models |\n|---|---|"
    yield f"| chat templates of the shape of | {', '.join(SHAPES)} |"
    kinds = dict.fromkeys(["llama", *(config.model_type for config in ARCHITECTURES)])
    yield f"| architectures that are computed as transformers does, or refused by name | {', '.join(kinds)} |"


def faults():
    """How often processes are killed, and how many broken inputs are tried."""
    yield "\n## Kills and broken inputs\n"
    yield "`make test-slow` kills at random moments (SIGKILL), and tries inputs with values that nobody meant."
    yield "The last time (December 2026, two busy cores) it took nearly four hours, and nothing ended otherwise."
    yield "\n| what | times | what must be |\n|---|---|---|"
    yield f"| a run of five methods | {KILLS['train']} | it ends with the samples and the table of an undisturbed one |"
    yield f"| a sweep of two runs | {KILLS['sweep']} | it ends with the tables of an undisturbed one |"
    yield f"| a run of all of PaT's methods | {KILLS['pat']} | it ends with the texts of an undisturbed one |"
    writers = "a process that writes into the server's store, SQLite and PostgreSQL"
    yield f"| {writers} | {KILLS['store']} | nothing that it acknowledged is lost |"
    workers = "a worker, a machine or the driver of a Ray cluster"
    yield f"| {workers} | {KILLS['scale']} | the files are those of an undisturbed process |"
    files = MANY * len(RECORDS) + MANY // 2 * len(SUFFIXES)
    changed = f"files of {len(RECORDS)} formats, in which records or bytes are changed"
    yield f"| {changed} | {files:,} | each row is read or reported |"
    yield f"| recipes and settings, changed | {MANY * (len(RECIPES) + 1):,} | each is read, or refused in one line |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
