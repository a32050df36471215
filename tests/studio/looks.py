"""What a page looks like: light and dark, narrow and wide, without faults of accessibility, and as it did before.

`PENNAME_PICTURES=write pytest tests/studio` makes the pictures anew that pages are compared with. They are so small
that letters cannot be read in them, and another machine's fonts make little difference. Whole screenshots are written
to the folder that `PENNAME_SCREENSHOTS` names.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

AXE = (Path(__file__).parent / "axe.min.js").read_text()
PICTURES = Path(__file__).parent / "pictures"
SIZES = {"wide": (1280, 900), "narrow": (360, 740)}
THEMES = ("light", "dark")
REPLACE = """
window.looks_before = [...document.querySelectorAll(arguments[0])].map((e) => [e, e.textContent]);
for (const [e, text] of window.looks_before) if (text) e.textContent = 'The river is wide and slow here. '.repeat(3);
"""
PUT_BACK = "for (const [e, text] of window.looks_before) e.textContent = text;"
SCALE = 10
MOST_DIFFERENT = 0.02
"""Share of a picture's points that may differ from those of before by more than a fifth of the whole range."""


def check_looks(browser: Any, name: str, written: str = "") -> None:
    """Look at the page that is open, in each size and theme.

    name: of its pictures.
    written: selects what a model of random weights has written, another text on each kind of processor; meanwhile
        there are other words in its place.
    """
    if written:
        browser.execute_script(REPLACE, written)
    for theme in THEMES:
        for size, (width, height) in SIZES.items():
            _show_as(browser, theme, width, height)
            seen = f"{name}-{size}-{theme}"
            _check_access(browser, seen)
            assert browser.execute_script("return document.documentElement.scrollWidth") <= width, f"{seen}: too wide"
            _compare(browser.get_screenshot_as_png(), seen)
    if written:
        browser.execute_script(PUT_BACK)
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    check_console(browser)


def check_console(browser: Any) -> None:
    """Nothing was complained about, and nothing was refused by the policy of the page."""
    log = browser.get_log("browser")
    assert log == [], log


def _show_as(browser: Any, theme: str, width: int, height: int) -> None:
    sizes = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", sizes)
    features = [{"name": "prefers-color-scheme", "value": theme}, {"name": "prefers-reduced-motion", "value": "reduce"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def _check_access(browser: Any, seen: str) -> None:
    if not browser.execute_script("return typeof window.axe === 'object'"):
        browser.execute_script(AXE)
    found = browser.execute_async_script("axe.run(document).then(arguments[0], arguments[0])")
    faults = [(fault["id"], node["html"][:200]) for fault in found["violations"] for node in fault["nodes"]]
    assert faults == [], f"{seen}: {faults}"


def _compare(png: bytes, seen: str) -> None:
    if folder := os.environ.get("PENNAME_SCREENSHOTS"):
        (Path(folder) / f"{seen}.png").write_bytes(png)
    whole = Image.open(io.BytesIO(png)).convert("L")
    small = whole.resize((whole.width // SCALE, whole.height // SCALE), Image.Resampling.BOX)
    kept = PICTURES / f"{seen}.png"
    if os.environ.get("PENNAME_PICTURES") == "write":
        kept.parent.mkdir(exist_ok=True)
        small.save(kept, optimize=True)
        return
    before = Image.open(kept)
    assert before.size == small.size, f"{seen}: another size than in {kept.name}"
    difference = np.abs(np.asarray(before, dtype=int) - np.asarray(small, dtype=int))
    assert (difference > 51).mean() <= MOST_DIFFERENT, f"{seen}: looks different from {kept.name}"
