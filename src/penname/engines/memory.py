"""Memory of the process: what the C library keeps of it, and when that is given back.

Large pages for single tensors of 2 MiB and more are torch's own switch, THP_MEM_ALLOC_ENABLE, which it reads at its
first allocation: `penname/__init__.py` sets it.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import mmap
import os
from functools import cache

import psutil

# Names and values of <malloc.h> and <sys/mman.h>.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
MADV_HUGEPAGE = 14

HEAP_BLOCK = 2**25
"""The largest block that glibc can be told to take from its heap."""

HEAP_BLOCKS = 256
"""So many of them are marked for large pages; until something is written there they are addresses only."""

LARGE_SHARE = 0.25
"""A process that has more of the machine's memory than this gives back what it keeps without use."""


@cache
def keep_memory() -> None:
    """Have the C library keep the memory that tensors give back, in large pages, instead of mapping it in every step.

    A training step on a processor takes a third longer without. Where the library has no such switch (it is glibc's),
    nothing happens; nor where addresses are limited, or the library is told to fill what it hands out.
    """
    with contextlib.suppress(OSError, AttributeError, ImportError):
        import resource

        if resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY or "MALLOC_PERTURB_" in os.environ:
            return
        libc = ctypes.CDLL(None)
        libc.malloc.restype = ctypes.c_void_p
        libc.mallopt(M_TRIM_THRESHOLD, -1)
        libc.mallopt(M_MMAP_THRESHOLD, HEAP_BLOCK)
        size = HEAP_BLOCK - mmap.PAGESIZE
        blocks = sorted(filter(None, (libc.malloc(ctypes.c_size_t(size)) for _ in range(HEAP_BLOCKS))))
        if blocks:
            first = blocks[0] + -blocks[0] % mmap.PAGESIZE
            libc.madvise(ctypes.c_void_p(first), ctypes.c_size_t(blocks[-1] - first), MADV_HUGEPAGE)
        for block in reversed(blocks):
            libc.free(ctypes.c_void_p(block))


def trim_if_large() -> None:
    """Give back what the C library keeps without use, here and there between what is in use, if the process is large.

    For rows of all lengths, kept memory falls to pieces, of which ever more are needed. But what is given back has to
    be mapped again, in small pages, with which all later steps take up to a fifth longer.
    """
    if psutil.Process().memory_info().rss > LARGE_SHARE * psutil.virtual_memory().total:
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


def free_memory() -> None:
    """Give back what dropped models held: all of it on a GPU, where other processes want it, the rest if it is much."""
    import torch

    from penname.engines.attention import forget_masks

    forget_masks()
    gc.collect()
    trim_if_large()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
