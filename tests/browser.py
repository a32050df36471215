"""A real browser for the pages."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


@contextmanager
def chromium(downloads: Path, *, with_requests: bool = False) -> Iterator[Any]:
    """Debian's Chromium, which saves files to its `downloads`; without it the test is skipped.

    with_requests: whether its log `performance` has what its pages ask for.
    """
    from selenium import webdriver

    driver = shutil.which("chromedriver")
    if driver is None:
        pytest.skip("no chromedriver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    for switch in "headless no-sandbox disable-gpu disable-dev-shm-usage disable-background-networking".split():
        options.add_argument(f"--{switch}")
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    logs = {"browser": "ALL"} | ({"performance": "ALL"} if with_requests else {})
    options.set_capability("goog:loggingPrefs", logs)
    opened: Any = webdriver.Chrome(options, webdriver.ChromeService(driver))
    opened.downloads = downloads
    try:
        yield opened
    finally:
        opened.quit()
