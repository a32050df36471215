"""Makes docs/tested.md, what the tests try of formats, languages and models: `python -m tests.tested`."""

import tempfile
from pathlib import Path

from tests.data.readers.samples import SAMPLES
from tests.data.test_encodings import ENCODINGS, MARKED, UNMARKED
from tests.engines.test_supported import ARCHITECTURES
from tests.prompts.shapes import SHAPES
from tests.rewards.test_languages import TEXTS
from tests.test_words import SENTENCES

from penname.data.files.document import DOCUMENT_SUFFIXES
from penname.data.readers.choice import find_reader
from penname.data.readers.tables import READER as TABLES
from penname.data.readers.texts import READER as TEXTS_AND_DOCUMENTS
from penname.data.rows import SUFFIXES

PAGE = Path(__file__).parents[1] / "docs" / "tested.md"

INTRODUCTION = """# What is tested

Made from the tests by `python -m tests.tested`; a test fails where this page is older than they are.
"""


def page():
    """The page's text."""
    return "\n".join([INTRODUCTION, *formats(), *languages(), *models()])


def formats():
    """A line for each reader, with the files that it is tested on."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, content in SAMPLES.items():
            path = Path(folder) / name
            path.write_bytes(content)
            reader = find_reader(path)[0]
            found.setdefault(reader, []).append(name)
    found.setdefault(TABLES, []).extend(f"table{suffix}" for suffix in SUFFIXES)
    found[TEXTS_AND_DOCUMENTS] = [f"document{suffix}" for suffix in DOCUMENT_SUFFIXES]
    yield "## Formats\n"
    yield "One file of each goes the whole way (convert, stats, training, generate), and a thousand mutations are read."
    yield "\n| format | known by | files |\n|---|---|---|"
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
    yield f"| architectures that are computed as transformers does, or refused by name | {', '.join(kinds)} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
