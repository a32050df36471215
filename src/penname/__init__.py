"""penname: train a language model to write as each of your users would, and prove how well it does."""

import os
import sys
import warnings
from importlib import import_module
from importlib.metadata import version
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
__version__ = version("penname")

# torch reads this setting at its first allocation. It gives tensors of 2 MiB and more huge pages, where Linux offers
# them on request; otherwise mapping memory in pages of 4 KiB takes much of a training step's and a long prompt's time.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

# oneDNN, which torch uses on a CPU, caches what it has prepared for each shape of a matrix product: by default for
# 1,024 shapes, which texts of all lengths soon fill with a gigabyte that is hardly ever used again.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "256")

# Threads that share a matrix product wait for each other at its end, and libgomp, which torch uses on Linux, lets them
# spin for milliseconds before they sleep. Beside another busy process one of them may have no core for just as long,
# while the others spin and occupy the cores. A thousand rounds are enough for threads that all have a core
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
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `import penname` alone loads nothing heavy."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'penname' has no attribute {name!r}")
    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
