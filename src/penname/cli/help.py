"""Shared pieces of the commands' help: panels in the order of a usual workflow, examples, and shell completion."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

START, DATA, TRAIN, WRITE, MACHINE = "Start", "Data", "Train and compare", "Write", "This machine"
PANELS = (START, DATA, TRAIN, WRITE, MACHINE)


class InOrderOfWork(TyperGroup):
    """Lists commands by panel, as typer itself shows groups of commands last."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of the commands, in the order of `PANELS`."""
        panels = {name: getattr(command, "rich_help_panel", None) for name, command in self.commands.items()}
        return sorted(self.commands, key=lambda name: PANELS.index(panels[name]))


def examples(*commands: str) -> str:
    """The end of a command's help, with command lines to copy.

    commands: the command lines; one that spans several lines ends each of them with a backslash.
    """
    return "\n\n".join(["Example:" if len(commands) == 1 else "Examples:", *commands])


def complete_recipe(incomplete: str) -> list[str]:
    """The names of shipped recipes that begin with `incomplete`; if there is none, the shell completes file names."""
    from penname.shipped import shipped_recipes

    return [name for name in shipped_recipes() if name.startswith(incomplete)]


def complete_method(incomplete: str) -> list[str]:
    """The names of methods that begin with `incomplete`."""
    from penname.method_table import METHODS

    return [name for name in METHODS if name.startswith(incomplete)]
