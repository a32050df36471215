"""Python as it is on Windows, as far as penname sees: without fcntl and resource, and with processes that start anew.

Python imports this at its start where this folder is in PYTHONPATH: see `make test-portable`. Other packages have ways
of their own around what a system lacks, which they choose by its name; from them nothing is hidden.
"""

import builtins
import multiprocessing

HIDDEN = {"fcntl", "grp", "pwd", "resource", "termios"}

python_import = builtins.__import__


def import_as_there(name, globals=None, locals=None, fromlist=(), level=0):
    """Import a module, unless penname asks for one that Windows lacks."""
    asks = str((globals or {}).get("__name__"))
    if level == 0 and name in HIDDEN and asks.partition(".")[0] == "penname":
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return python_import(name, globals, locals, fromlist, level)


builtins.__import__ = import_as_there
multiprocessing.set_start_method("spawn")
