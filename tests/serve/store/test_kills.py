"""A process that is killed while it writes loses nothing that it has acknowledged, in either database."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections import defaultdict
from contextlib import closing

import pytest
from tests.kills import KILLS
from tests.serve.store import writer

from penname.serve.store.opening import open_store


@pytest.mark.parametrize("kills", [2, pytest.param(KILLS["store"] // 2, marks=pytest.mark.slow)])
def test_nothing_acknowledged_is_lost(url, user_keys, kills):
    with open_store(url, user_keys) as store:
        store.put_tenant("t")
    process = subprocess.Popen(
        [sys.executable, writer.__file__, url, str(user_keys)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    acknowledged = [written_until_killed(process, f"w{number}", random.Random(number)) for number in range(kills)]
    process.communicate()
    with open_store(url, user_keys) as store:
        for number, words in enumerate(acknowledged):
            assert_kept(store, f"w{number}", words)
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def written_until_killed(process, name, generator):
    """What a writer acknowledged before it was killed, by kind."""
    process.stdin.write(f"{name}\n")
    _, pid = process.stdout.readline().split()
    lines = [process.stdout.readline() for _ in range(generator.randint(4, 12))]
    os.kill(int(pid), signal.SIGKILL)
    while (line := process.stdout.readline()) != "killed\n":
        lines.append(line)
    acknowledged = defaultdict(list)
    for line in lines:
        kind, *ids = line.split()
        acknowledged[kind] += ids
    return acknowledged


def assert_kept(store, name, acknowledged):
    documents = {document.id for document in store.profile("t", name).documents}
    assert len(acknowledged["documents"]) >= 1
    assert set(acknowledged["documents"]) <= documents
    assert set(acknowledged["feedback"]) <= {one.id for one in store.feedback("t", name)}
    users = {user.id for user in store.users("t", after=f"{name}-", limit=10_000)}
    assert not set(acknowledged["forgotten"]) & users
    last = acknowledged["user"][-1:]  # it may have been forgotten without that being acknowledged
    assert set(acknowledged["user"]) - set(acknowledged["forgotten"]) - set(last) <= users
