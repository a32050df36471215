"""Keys, and what they may spend."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from penname.errors import ArgumentError
from penname.serve.store.opening import open_store
from penname.serve.store.records import Usage

DAY = "2026-03-01"
KILLED = """
import os, sys
from pathlib import Path
from penname.serve.store.opening import open_store
store = open_store(sys.argv[1], Path(sys.argv[4]))
assert store.reserve(store.key_of(sys.argv[2]), sys.argv[3], 70)
print("reserved", flush=True)
sys.stdin.read()
"""

LOOKS = """
import sys
from pathlib import Path
from penname.serve.store.opening import open_store
with open_store(sys.argv[1], Path(sys.argv[4])) as store:
    print(store.usage(store.key_of(sys.argv[2]), sys.argv[3]))
"""


def test_a_key_is_known_by_its_secret_until_it_is_revoked(store, look):
    secret = store.add_key("t", "for tests", 1000, proxy=True)
    key = store.key_of(secret)
    assert (key.tenant, key.label, key.tokens_a_day, key.proxy) == ("t", "for tests", 1000, True)
    assert store.list_keys("t") == [key]
    assert secret not in str(look("SELECT * FROM keys"))
    assert not store.revoke_key("other", key.id)
    assert store.revoke_key("t", key.id)
    assert not store.revoke_key("t", key.id)
    assert store.key_of(secret) is None
    assert [k.revoked is None for k in store.list_keys("t")] == [False]


def test_another_secret_is_no_key(store):
    store.add_key("t")
    for secret in ("", "pn-", "pn-wrong", "sk-1", "pn-\ud800", "pn-\0", "pn-' OR 1=1 --"):
        assert store.key_of(secret) is None


def test_secrets_differ_and_are_long(store):
    secrets = {store.add_key("t") for _ in range(5)}
    assert len(secrets) == 5
    assert all(re.fullmatch(r"pn-[\w-]{43}", secret) for secret in secrets)


def test_200_races_for_a_quota_let_through_what_fits(store):
    key = store.key_of(store.add_key("t", tokens_a_day=500))
    with ThreadPoolExecutor(40) as threads:
        got = list(threads.map(lambda _: store.reserve(key, DAY, 10), range(200)))
        assert sum(got) == 50
        assert store.usage(key, DAY) == Usage(reserved=500)
        spent = [random.Random(n).randint(0, 10) for n in range(50)]
        list(threads.map(lambda used: store.settle(key, DAY, 10, used), spent))
    assert store.usage(key, DAY) == Usage(used=sum(spent))
    assert store.reserve(key, DAY, 500 - sum(spent))
    assert not store.reserve(key, DAY, 1)
    assert store.reserve(key, "2026-03-02", 500)


def test_what_is_reserved_and_settled_at_once_adds_up(store):
    key = store.key_of(store.add_key("t", tokens_a_day=300))

    def answer(number):
        if not store.reserve(key, DAY, 20):
            return 0
        store.settle(key, DAY, 20, number % 7)
        return number % 7

    with ThreadPoolExecutor(40) as threads:
        spent = sum(threads.map(answer, range(200)))
    assert store.usage(key, DAY) == Usage(used=spent)
    assert spent <= 300


def test_limits(store):
    for most, tokens, expected in ((None, 10**15, True), (0, 1, False), (0, 0, True), (5, 6, False)):
        key = store.key_of(store.add_key("t", tokens_a_day=most))
        assert store.reserve(key, DAY, tokens) is expected


def test_no_negative_tokens(store):
    with pytest.raises(ArgumentError, match="tokens_a_day: found -1, expected 0 or more"):
        store.add_key("t", tokens_a_day=-1)
    key = store.key_of(store.add_key("t", tokens_a_day=5))
    with pytest.raises(ArgumentError, match="tokens: found -5"):
        store.reserve(key, DAY, -5)


def test_reservations_of_a_killed_process_are_freed_and_those_of_a_running_one_are_not(store, url, user_keys):
    secret = store.add_key("t", tokens_a_day=100)
    key = store.key_of(secret)
    assert store.reserve(key, DAY, 10)
    other = subprocess.Popen(
        [sys.executable, "-c", KILLED, url, secret, DAY, str(user_keys)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout.readline() == "reserved\n"
    with open_store(url, user_keys):
        assert store.usage(key, DAY) == Usage(reserved=80)
    other.kill()
    other.communicate()
    with open_store(url, user_keys) as next_one:
        assert next_one.usage(key, DAY) == Usage(reserved=10)
        assert next_one.reserve(key, DAY, 90)
        store.settle(key, DAY, 10, 4)
        assert next_one.usage(key, DAY) == Usage(reserved=90, used=4)


def test_what_a_process_writes_is_kept_though_it_and_another_opened_the_store_again(store, url, user_keys):
    """SQLite removes its WAL with the last process that uses it; opening again must not hide this one."""
    secret = store.add_key("t", tokens_a_day=100)
    key = store.key_of(secret)
    with open_store(url, user_keys):
        pass
    looks = [sys.executable, "-c", LOOKS, url, secret, DAY, str(user_keys)]
    assert subprocess.check_output(looks, text=True) == "Usage(reserved=0, used=0)\n"
    assert store.reserve(key, DAY, 10)
    assert subprocess.check_output(looks, text=True) == "Usage(reserved=10, used=0)\n"


def test_a_process_whose_connections_broke_goes_on_and_its_tokens_are_still_counted(cluster, user_keys):
    url = cluster.url(cluster.new_database(), "penname")
    with open_store(url, user_keys) as store:
        key = store.key_of(store.add_key("t", tokens_a_day=100))
        assert store.reserve(key, DAY, 40)
        cluster.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'penname'")
        with open_store(url, user_keys) as other:  # takes the first for dead
            assert other.usage(key, DAY) == Usage()
            assert store.reserve(key, DAY, 10)
            with open_store(url, user_keys) as third:  # sees the first at work again
                assert third.usage(key, DAY) == Usage(reserved=10)
            store.settle(key, DAY, 40, 30)
            assert other.usage(key, DAY) == Usage(reserved=10, used=30)
            store.settle(key, DAY, 10, 5)
            assert other.usage(key, DAY) == Usage(used=35)
