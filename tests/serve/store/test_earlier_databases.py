"""Databases of every revision that a version had are opened, and what they hold is read.

`database-of-REVISION.tar.xz` is made when a revision comes, and never again, by
`python -m tests.serve.store.test_earlier_databases FOLDER`, an empty one: SQLite's file, that of users' keys, a secret.
"""

import sys
import tarfile
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from penname.data.records import Document
from penname.serve.store.opening import open_keys, open_store
from penname.serve.store.records import Feedback

HERE = Path(__file__).parent
TEXTS = ["A walk by the sea, in the rain.", "Bread that has to rest for a night."]


def revisions():
    config = Config()
    config.set_main_option("script_location", "penname.serve.store:migrations")
    return [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]


def make(folder):
    """Put a database with one of each thing into a folder."""
    with open_keys(f"sqlite:///{folder}/penname.db") as keys:
        keys.put_tenant("press")
        (folder / "secret").write_text(keys.add_key("press", "printing", 5000))
    with open_store(f"sqlite:///{folder}/penname.db") as store:
        store.put_user("press", "ada")
        store.add_documents("press", "ada", [Document("", text, date="2025-03-04") for text in TEXTS])
        store.put_reasoning("press", "ada", "bundled", "Short sentences.")
        store.add_feedback("press", "ada", Feedback("Write of tea.", "Tea is hot.", edited="Tea is warm.", seed=3))
        store.put_user("press", "bob")
        store.forget("press", "bob")


@pytest.mark.parametrize("revision", revisions())
def test_it_is_opened_and_holds_what_it_held(tmp_path, revision):
    with tarfile.open(HERE / f"database-of-{revision}.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    with open_store(f"sqlite:///{tmp_path}/penname.db") as store:
        key = store.key_of((tmp_path / "secret").read_text())
        assert (key.tenant, key.label, key.tokens_a_day) == ("press", "printing", 5000)
        assert [user.id for user in store.users("press")] == ["ada"]
        documents = store.profile("press", "ada").documents
        assert [(document.text, document.date) for document in documents] == [(text, "2025-03-04") for text in TEXTS]
        reasoning = store.reasoning("press", "ada", "bundled")
        assert (reasoning.text, reasoning.locked) == ("Short sentences.", True)
        (feedback,) = store.feedback("press", "ada")
        assert (feedback.prompt, feedback.edited, feedback.seed) == ("Write of tea.", "Tea is warm.", 3)
        assert store.add_documents("press", "ada", [Document("", "A new one.")])  # and it can be written to


def test_the_newest_revision_has_a_database_that_is_kept():
    kept = {path.name.removeprefix("database-of-").removesuffix(".tar.xz") for path in HERE.glob("database-of-*")}
    assert kept == set(revisions())


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    make(folder)
    with tarfile.open(HERE / f"database-of-{revisions()[0]}.tar.xz", "w:xz") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, path.name)
