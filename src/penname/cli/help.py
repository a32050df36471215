"""What the commands' help has in common: panels in the order of work, examples, and what a shell completes."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

START, DATA, TRAIN, WRITE, MACHINE = "Start", "Data", "Train and compare", "Write", "This machine"
PANELS = (START, DATA, TRAIN, WRITE, MACHINE)


class InOrderOfWork(TyperGroup):
    """Commands by their panels; typer itself would show groups of commands last."""

    def list_commands(self, ctx: Any) -> list[str]:
        panels = {name: getattr(command, "rich_help_panel", None) for name, command in self.commands.items()}
        return sorted(self.commands, key=lambda name: PANELS.index(panels[name]))


def examples(*commands: str) -> str:
    """The end of a command's help: command lines to copy; one of several lines has a backslash at each line's end."""
    return "\n\n".join(["Example:" if len(commands) == 1 else "Examples:", *commands])


def complete_recipe(incomplete: str) -> list[str]:
    """Names of shipped recipes; where none fits, the shell goes on with files."""
    from penname.shipped import shipped_recipes

    return [name for name in shipped_recipes() if name.startswith(incomplete)]


def complete_method(incomplete: str) -> list[str]:
    from penname.method_table import METHODS

    return [name for name in METHODS if name.startswith(incomplete)]
