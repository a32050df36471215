"""Memory of the process: kept while models work, given back when they are dropped.

Large pages for single tensors of 2 MiB and more are torch's own switch, THP_MEM_ALLOC_ENABLE, which it reads at its
first allocation: `penname/__init__.py` sets it.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import mmap
from functools import cache

import psutil

# Names and values of <malloc.h> and <sys/mman.h>.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
MADV_HUGEPAGE = 14

SETTLING_STEPS = 8
"""After so many steps a process has the memory that it works with."""

GROWN = 1.1
"""Memory kept without use is given back once the process has so many times that."""


@cache
def keep_memory() -> None:
    """Have the C library keep the memory that tensors give back, in large pages, instead of mapping it in every step.

    A training step on a processor takes a third longer without. Where the library has no such switch (it is glibc's),
    nothing happens.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.malloc.restype = ctypes.c_void_p
        libc.mallopt(M_TRIM_THRESHOLD, -1)
        libc.mallopt(M_MMAP_MAX, 0)
        size = psutil.virtual_memory().total // 2  # until something is written there, addresses only
        block = libc.malloc(ctypes.c_size_t(size))
        if block:
            first = block + -block % mmap.PAGESIZE
            libc.madvise(ctypes.c_void_p(first), ctypes.c_size_t(size - mmap.PAGESIZE), MADV_HUGEPAGE)
            libc.free(ctypes.c_void_p(block))


class KeptMemory:
    """What the C library keeps without use between the steps of a training, given back where it has become too much.

    For rows of all lengths it falls to pieces, of which ever more are needed. But what is given back has to be mapped
    again, in small pages, with which all later steps take a fifth longer: so not before the process has grown.
    """

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._settling = SETTLING_STEPS
        self._settled = 0

    def between_steps(self) -> None:
        resident = self._process.memory_info().rss
        if self._settling:
            self._settling -= 1
            self._settled = max(self._settled, resident)
        elif resident > GROWN * self._settled:
            with contextlib.suppress(OSError, AttributeError):
                ctypes.CDLL(None).malloc_trim(0)
            self._settling = SETTLING_STEPS


def free_memory() -> None:
    """Give back what dropped models held, on a GPU as well, where another process may want it."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
