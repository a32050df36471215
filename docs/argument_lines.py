"""Has mkdocstrings read this project's docstrings, whose lines "name: meaning" it would take for text."""

from __future__ import annotations

import re
from collections.abc import Container
from typing import Any

import griffe

LINE = re.compile(r"(\w+): .*")


class ArgumentLines(griffe.Extension):
    """Puts the lines that are about arguments or fields under the heading that the Google style has for them."""

    def on_function(self, *, func: griffe.Function, **kwargs: Any) -> None:
        """A function's lines are about its arguments."""
        _rewrite(func, "Args", {parameter.name for parameter in func.parameters})

    def on_class_members(self, *, cls: griffe.Class, **kwargs: Any) -> None:
        """A class's lines are about the arguments it is made with, or else about its fields."""
        made_with = cls.members.get("__init__")
        if isinstance(made_with, griffe.Function):
            _rewrite(cls, "Args", {parameter.name for parameter in made_with.parameters})
        else:
            _rewrite(cls, "Attributes", cls.members)


def _rewrite(described: griffe.Object, heading: str, names: Container[str]) -> None:
    if described.docstring is not None:
        described.docstring.value = with_heading(described.docstring.value, heading, names)


def with_heading(docstring: str, heading: str, names: Container[str]) -> str:
    """A docstring whose blocks of lines "name: meaning" are indented under a heading.

    heading: `Args` or `Attributes`.
    names: the names of arguments or fields; lines of others stay as they are.
    """
    blocks = docstring.split("\n\n")
    return "\n\n".join(_under(heading, block) if _is_about(block, names) else block for block in blocks)


def _is_about(block: str, names: Container[str]) -> bool:
    found = LINE.match(block)
    return found is not None and found[1] in names


def _under(heading: str, block: str) -> str:
    return "\n".join([f"{heading}:", *(f"    {line}" for line in block.split("\n"))])
