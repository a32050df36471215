"""Tunes the C library's allocator: what freed memory it keeps, and when it returns it to the operating system.

Huge pages for single tensors of 2 MiB and more are torch's own switch, THP_MEM_ALLOC_ENABLE, which it reads at its
first allocation: `penname/__init__.py` sets it.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import mmap
import os
import time
from functools import cache

import psutil

# Names and values of <malloc.h> and <sys/mman.h>.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
MADV_HUGEPAGE = 14

HEAP_BLOCK = 2**25
"""The largest block in bytes that glibc can be made to take from its heap instead of mapping it."""

HEAP_BLOCKS = 256
"""Number of such blocks marked for huge pages; until they are written to, they take up addresses only."""

LARGE_SHARE = 0.25
"""Share of the machine's memory above which a process returns its unused memory."""

GROWTH, SECONDS_BETWEEN_LOOKS = 1.1, 60.0
"""How much a serving process may grow, and how often it is looked whether it has."""


@cache
def keep_freed_memory() -> None:
    """Make the C library keep freed tensors' memory, in huge pages, instead of mapping new memory in every step.

    Without it, a training step on a CPU takes a third longer. Nothing happens where the library is not glibc, the
    address space is limited, or the library is set to fill the memory it allocates.
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
    """Return unused heap memory to the operating system (malloc_trim) if the process is large.

    Batches of varying length fragment the heap, which grows. But returned memory has to be mapped again, in small
    pages, which makes all later steps up to a fifth slower.
    """
    if psutil.Process().memory_info().rss > LARGE_SHARE * psutil.virtual_memory().total:
        _trim(kept=0)


def _trim(kept: int) -> None:
    """Return unused heap memory. kept: bytes at the end of the heap that stay."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(ctypes.c_size_t(kept))


class GrowthWatch:
    """Returns unused heap memory of a process that serves for hours, whenever it has grown by a tenth.

    Texts of varying length fragment the heap, which without this grows by a third in ten minutes. It takes some
    hundredths of a second, and a hundredth more of the processor's time afterwards.
    """

    def __init__(self) -> None:
        self._left = 0
        self._next_look = 0.0

    def look(self) -> None:
        """Look whether it has grown; to be called often, of which most calls do nothing."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + SECONDS_BETWEEN_LOOKS
        taken = psutil.Process().memory_info().rss
        if taken > GROWTH * self._left:
            _trim(kept=HEAP_BLOCK * HEAP_BLOCKS)  # the part that is marked for huge pages
            self._left = psutil.Process().memory_info().rss


def free_memory() -> None:
    """Free the memory of models that are no longer referenced: all of it on a GPU, on the CPU only if it is much."""
    import torch

    from penname.engines.attention import clear_mask_cache

    clear_mask_cache()
    gc.collect()
    trim_if_large()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
