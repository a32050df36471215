"""A studio and a browser for each module of tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.browser import chromium
from tests.serve.serving import make_run
from tests.studio.studios import Studio, running_studio

from penname.serve.store.opening import open_store


@pytest.fixture(scope="session")
def served_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("served") / "run")


@pytest.fixture(scope="module")
def studio(served_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A studio without users and runs."""
    folder = tmp_path_factory.mktemp("studio")
    with (
        open_store(f"sqlite:///{folder}/penname.db") as store,
        running_studio(store, served_run, folder / "runs") as studio,
    ):
        yield studio


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("downloads")) as opened:
        yield opened


@pytest.fixture
def browser(opened: Any, studio: Studio) -> Any:
    """A browser that is let into the studio; nothing is left in its console."""
    studio.enter(opened)
    opened.get_log("browser")
    return opened
