"""Memory that is kept between steps, in a process of its own: it sets the C library."""

import subprocess
import sys

import pytest

PROCESS = """
import psutil
from penname.engines.memory import SETTLING_STEPS, KeptMemory, keep_memory

def in_pieces(mebibytes):
    pieces = [bytearray(2**20) for _ in range(mebibytes)]
    return pieces[::50]

resident = lambda: psutil.Process().memory_info().rss // 2**20
keep_memory()
memory = KeptMemory()
pieces = in_pieces(200)
for _ in range(SETTLING_STEPS):
    memory.between_steps()
settled = resident()
memory.between_steps()
unchanged = resident()
more = in_pieces(600)
grown = resident()
memory.between_steps()
print(settled, unchanged, grown, resident())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the switches are those of glibc")
def test_memory_kept_without_use_is_given_back_once_the_process_has_grown():
    out = subprocess.run([sys.executable, "-c", PROCESS], capture_output=True, text=True, check=True).stdout
    settled, unchanged, grown, given_back = map(int, out.split())
    assert settled > 200
    assert abs(unchanged - settled) < 20
    assert grown > settled + 300
    assert given_back < settled - 100
