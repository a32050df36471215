"""A lock on a file holds against other processes, and ends with its own, however that ends."""

import subprocess
import sys

from penname.file_locks import lock, try_lock, unlock

HOLDER = """
import sys, time
from penname.file_locks import lock
held = open(sys.argv[1], "a")
lock(held)
print("locked", flush=True)
time.sleep(600)
"""


def holder_of(path):
    process = subprocess.Popen([sys.executable, "-c", HOLDER, path], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "locked\n"
    return process


def test_another_process_holds_it_until_it_is_killed(tmp_path):
    path = tmp_path / "lock"
    process = holder_of(path)
    with process, path.open("a") as file:
        assert not try_lock(file)
        process.kill()
        process.wait()
        assert try_lock(file)


def test_whoever_waits_gets_it_afterwards(tmp_path):
    path = tmp_path / "lock"
    process = holder_of(path)
    with process, path.open("a") as file:
        process.kill()
        lock(file)
        with path.open("a") as second:
            assert not try_lock(second)
            unlock(file)
            assert try_lock(second)
