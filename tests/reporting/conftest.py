"""A real browser for the pages."""

import shutil

import pytest


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Debian's Chromium, which saves files to its `downloads`."""
    from selenium import webdriver

    driver = shutil.which("chromedriver")
    if driver is None:
        pytest.skip("no chromedriver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    for switch in "headless no-sandbox disable-gpu disable-dev-shm-usage disable-background-networking".split():
        options.add_argument(f"--{switch}")
    downloads = tmp_path_factory.mktemp("downloads")
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    opened = webdriver.Chrome(options, webdriver.ChromeService(driver))
    opened.downloads = downloads
    yield opened
    opened.quit()
