"""Memory that is kept without use; in a separate process, because the C library's allocator is changed."""

import subprocess
import sys

import pytest

PROCESS = """
import psutil
from penname.engines import memory

resident = lambda: psutil.Process().memory_info().rss // 2**20
memory.keep_freed_memory()
pieces = [bytearray(2**20) for _ in range(400)]
pieces = pieces[::50]
kept = resident()
memory.trim_if_large()
still_kept = resident()
memory.LARGE_SHARE = 200 * 2**20 / psutil.virtual_memory().total
memory.trim_if_large()
print(kept, still_kept, resident())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the switches are those of glibc")
def test_only_a_large_process_returns_unused_memory():
    out = subprocess.run([sys.executable, "-c", PROCESS], capture_output=True, text=True, check=True).stdout
    kept, still_kept, given_back = map(int, out.split())
    assert kept > 400
    assert abs(still_kept - kept) < 10
    assert given_back < kept - 300
