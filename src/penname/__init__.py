"""penname: train a language model to write as each of your users would, and prove how well it does."""

import os
import sys
import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penname.api import Run, compare, open_run, report, train
    from penname.config import Recipe
    from penname.data.records import Document, Example
    from penname.errors import UserError
    from penname.experiments.comparison import Comparison
    from penname.generate.request import Written
    from penname.generate.writer import Writer
    from penname.recipe_files import load_recipe
    from penname.rewards.base import RewardInput

__all__ = [
    "Comparison",
    "Document",
    "Example",
    "Recipe",
    "RewardInput",
    "Run",
    "UserError",
    "Writer",
    "Written",
    "compare",
    "load_recipe",
    "open_run",
    "report",
    "train",
]
__version__ = "0.1.0"

# torch reads it at its first allocation. Large pages for tensors of 2 MiB and more, where Linux offers them on request:
# otherwise much of a training step and of a long prompt goes into mapping fresh memory in pages of 4 KiB.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

# oneDNN, which torch computes with on a processor, keeps what it has prepared for each shape of a product: by default
# for 1,024 of them, which texts of all lengths soon fill with a gigabyte that is hardly ever used again.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "256")

# Threads that share a product wait for each other at its end, and libgomp, which torch computes with on Linux, lets
# them spin for milliseconds before they sleep. Beside another busy process one of them has no core for just as long,
# and the others spin in its way. A thousand rounds are enough for threads that all have a core
# (benchmarks/contention.py).
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

if "torch" in sys.modules:
    warnings.warn("import penname before torch, which reads some of penname's settings only once", stacklevel=2)

_MODULES = {
    "penname.api": ("Run", "compare", "open_run", "report", "train"),
    "penname.config": ("Recipe",),
    "penname.data.records": ("Document", "Example"),
    "penname.errors": ("UserError",),
    "penname.generate.request": ("Written",),
    "penname.generate.writer": ("Writer",),
    "penname.experiments.comparison": ("Comparison",),
    "penname.recipe_files": ("load_recipe",),
    "penname.rewards.base": ("RewardInput",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: `import penname` alone loads nothing heavy."""
    if name not in _HOMES:
        raise AttributeError(f"module 'penname' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
