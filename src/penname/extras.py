"""Packages that only a part of penname needs: pip installs them by the name of an extra, as in penname[train]."""

from __future__ import annotations

from importlib.util import find_spec

from penname.errors import UserError

MODULES = {
    "train": ("peft", "trl"),
    "graph": ("torch_geometric",),
    "plots": ("matplotlib",),
    "tracking": ("tensorboard",),
    "openai": ("openai",),
    "vllm": ("vllm",),
    "ray": ("ray",),
}
"""What each extra installs, as far as penname asks whether it is there: names of modules."""


def missing(extra: str) -> list[str]:
    """The modules of an extra that are not installed."""
    return [name for name in MODULES[extra] if find_spec(name) is None]


def require(extra: str, user: str) -> None:
    """Raise UserError where an extra is not installed. user: what needs it, as its line begins."""
    if names := missing(extra):
        raise UserError(f"{user} needs {', '.join(names)}: pip install 'penname[{extra}]'")
