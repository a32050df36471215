"""Memory that is kept without use; in a separate process, because the C library's allocator is changed."""

import subprocess
import sys

import pytest

FRAGMENTED = """
import psutil
from penname.engines import memory

resident = lambda: psutil.Process().memory_info().rss // 2**20
memory.keep_freed_memory()
pieces = [bytearray(2**20) for _ in range(400)]
pieces = pieces[::50]
kept = resident()
"""

PROCESS = f"""{FRAGMENTED}
memory.trim_if_large()
still_kept = resident()
memory.LARGE_SHARE = 200 * 2**20 / psutil.virtual_memory().total
memory.trim_if_large()
print(kept, still_kept, resident())
"""


SERVING = f"""{FRAGMENTED}
watch = memory.GrowthWatch()
watch.look()
first = resident()
pieces += [bytearray(2**20) for _ in range(400)][::50]
watch.look()
grown = resident()
memory.SECONDS_BETWEEN_LOOKS = 0
watch = memory.GrowthWatch()
watch.look()
print(kept, first, grown, resident())
"""


def printed(program):
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    return map(int, out.split())


@pytest.mark.skipif(sys.platform != "linux", reason="the switches are those of glibc")
def test_only_a_large_process_returns_unused_memory():
    kept, still_kept, given_back = printed(PROCESS)
    assert kept > 400
    assert abs(still_kept - kept) < 10
    assert given_back < kept - 300


@pytest.mark.skipif(sys.platform != "linux", reason="the switches are those of glibc")
def test_a_process_that_serves_returns_what_it_has_grown_by_from_time_to_time():
    kept, first, grown, given_back = printed(SERVING)
    assert first < kept - 300
    assert grown > first + 300
    assert given_back < grown - 300
