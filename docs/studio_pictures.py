"""Makes the pictures of the studio, `docs/studio.png` and `docs/studio.gif`, in a real Chromium.

    penname quickstart && python docs/studio_pictures.py runs/quickstart

The studio is started with that run, and with three presidents as users; one prompt is then written as each of them, and
the run is looked at. It needs Debian's `chromium-driver`, and `pip install 'penname[studio]' selenium`.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

from PIL import Image
from selenium import webdriver

from penname.data.presidents import read_passages

HERE = Path(__file__).parent
AUTHORS = ("George Washington", "Abraham Lincoln", "Calvin Coolidge")
PROMPT = "Write the passage of an annual message about railroads, farmers and peace."
SEED = 7
WIDTH, HEIGHT, WIDTH_OF_ANIMATION = 1280, 1040, 800
MOST_SECONDS = 240.0
"""How long one step may take: a model is loaded in some of them."""


def main(run: Path) -> None:
    """Start the studio, walk through its pages, and save what was seen. run: the folder of a finished run."""
    with tempfile.TemporaryDirectory() as folder, studio(run.resolve(), Path(folder)) as address:
        bring_documents(address)
        with chromium() as browser:
            browser.get(address)
            frames = [*writing(browser), *training(browser, run.name), *comparing(browser)]
    still = frames[-1][0] if len(frames) == 1 else max(frames, key=lambda frame: frame[1])[0]
    save_still(still, HERE / "studio.png")
    save_animation(frames, HERE / "studio.gif")


@contextmanager
def studio(run: Path, folder: Path) -> Iterator[str]:
    """The studio in a process of its own; yields the address that it prints. folder: for what it keeps."""
    shown = folder / "runs" / run.name
    shown.parent.mkdir()
    shown.symlink_to(run)
    command = [sys.executable, "-m", "penname", "studio", str(shown), "--runs", str(shown.parent)]
    command += ["--db", f"sqlite:///{folder}/penname.db", "--port", "0", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield next(line.split()[-1] for line in process.stdout if "/studio?token=" in line)
        finally:
            process.terminate()


def bring_documents(address: str) -> None:
    """Give the studio the messages of three presidents, as its users' documents."""
    server = f"http://{urlsplit(address).netloc}"
    for author in AUTHORS:
        own = [p for p in read_passages() if p.author == author][:60]
        documents = [{"text": p.text, "date": p.date, "title": p.message} for p in own]
        body = json.dumps({"documents": documents}).encode()
        path = f"{server}/v1/users/{quote(author, safe='')}/documents"
        urlopen(Request(path, body, {"Content-Type": "application/json"})).close()


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser without a window of its own."""
    options = webdriver.ChromeOptions()
    for switch in ("headless", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "hide-scrollbars"):
        options.add_argument(f"--{switch}")
    browser = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    sizes = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", sizes)
    try:
        yield browser
    finally:
        browser.quit()


Frame = tuple[Image.Image, int]
"""What is seen, and for how many milliseconds."""


def writing(browser: Any) -> Iterator[Frame]:
    """One prompt, written as three authors side by side."""
    if not open_page(browser, "write"):
        return
    yield seen(browser, 900)
    one(browser, "#prompt").clear()
    one(browser, "#prompt").send_keys(PROMPT)
    fields = browser.find_elements("css selector", "[name=user]")
    while len(fields) < len(AUTHORS):
        one(browser, "#add").click()
        time.sleep(0.3)
        fields = browser.find_elements("css selector", "[name=user]")
    for field, author in zip(fields, AUTHORS, strict=True):
        field.clear()
        field.send_keys(author)
    browser.execute_script("document.getElementById('seed').value = arguments[0]", SEED)
    yield seen(browser, 1500)
    one(browser, "#write").click()
    until(lambda: written(browser) > 0)
    browser.execute_script("document.getElementById('asked').scrollIntoView()")
    while not is_done(browser):
        yield seen(browser, 350)
        time.sleep(2.0)
    yield seen(browser, 4000)


def training(browser: Any, run: str) -> Iterator[Frame]:
    """The list of runs, and the one that there is."""
    if open_page(browser, "train"):
        yield seen(browser, 1200)
        browser.get(f"{browser.current_url.rstrip('/')}/runs/{quote(run, safe='')}")
        yield seen(browser, 2500)


def comparing(browser: Any) -> Iterator[Frame]:
    """The table of the run and its report."""
    if open_page(browser, "results"):
        one(browser, ".runs tbody a").click()
        yield seen(browser, 2200)
        one(browser, "a[href*='/results/report']").click()
        browser.execute_script("document.getElementById('authors')?.scrollIntoView()")
        yield seen(browser, 2600)


def open_page(browser: Any, name: str) -> bool:
    """Open a page by the menu, if it has it."""
    links = browser.find_elements("css selector", f"header a[href$='/studio/{name}']")
    if links:
        links[0].click()
    return bool(links)


def written(browser: Any) -> int:
    """The letters of the texts so far."""
    letters = "[...document.querySelectorAll('.written.text')].reduce((sum, text) => sum + text.textContent.length, 0)"
    return int(browser.execute_script(f"return {letters}"))


def is_done(browser: Any) -> bool:
    """Whether no text is being written."""
    return not browser.find_elements("css selector", "button[id^='stop-']")


def one(browser: Any, selector: str) -> Any:
    """The first element of a selector, as soon as there is one."""
    until(lambda: bool(browser.find_elements("css selector", selector)))
    return browser.find_element("css selector", selector)


def until(condition: Callable[[], bool]) -> None:
    """Wait for something."""
    last = time.monotonic() + MOST_SECONDS
    while not condition():
        if time.monotonic() > last:
            raise TimeoutError(condition)
        time.sleep(0.1)


def seen(browser: Any, milliseconds: int) -> Frame:
    """What the browser shows."""
    return Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB"), milliseconds


def save_still(picture: Image.Image, path: Path) -> None:
    """Save a picture in few colours: text and areas need no more."""
    picture.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)


def save_animation(frames: list[Frame], path: Path) -> None:
    """Save pictures one after the other, with the colours of all of them."""
    height = round(HEIGHT * WIDTH_OF_ANIMATION / WIDTH)
    small = [picture.resize((WIDTH_OF_ANIMATION, height), Image.Resampling.LANCZOS) for picture, _ in frames]
    every = Image.new("RGB", (WIDTH_OF_ANIMATION, height * len(small)))
    for number, picture in enumerate(small):
        every.paste(picture, (0, number * height))
    palette = every.quantize(128, dither=Image.Dither.NONE)
    first, *others = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in small]
    durations = [milliseconds for _, milliseconds in frames]
    first.save(path, save_all=True, append_images=others, duration=durations, loop=0, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
