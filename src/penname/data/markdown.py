"""Texts in Markdown without the lines that they quote, which are others' words."""

from __future__ import annotations

import re
from collections.abc import Iterator

SUFFIXES = (".md", ".markdown")

_FENCE = re.compile(r" {0,3}(```|~~~)")
_QUOTED = re.compile(r" {0,3}>")
_CALLOUT = re.compile(r" {0,3}> ?\[!")
"""Where a box begins, as note programs show it, which is the writer's."""


def without_quotes(text: str) -> str:
    """A text without quoted lines; those in code and in boxes such as `> [!note]` are the writer's."""
    return "\n".join(_own_lines(text)).strip() if ">" in text else text


def _own_lines(text: str) -> Iterator[str]:
    in_code = in_box = False
    for line in text.split("\n"):
        is_quoted = not in_code and _QUOTED.match(line) is not None
        in_code ^= _FENCE.match(line) is not None
        in_box = is_quoted and (in_box or _CALLOUT.match(line) is not None)
        if not is_quoted or in_box:
            yield line
