"""Which requests may wait: what was foretold too low of late is allowed for."""

import random
import threading

import pytest
from tests.serve.running import in_this_process

from penname.engines.base import Sampling
from penname.serve.admission import Admission
from penname.serve.errors import ApiError
from penname.serve.metrics import Metrics
from penname.serve.store.opening import open_store


def refused(admission, foretold, engine="sft", spent=0.0, before=1):
    try:
        admission.check(engine, foretold, spent, before)
    except ApiError as error:
        return error.status
    return None


def test_waits_that_come_later_than_foretold_make_it_refuse_sooner():
    admission = Admission(10.0, Metrics())
    assert (refused(admission, 9.9), refused(admission, 10.1)) == (None, 429)
    generator = random.Random(0)
    for _ in range(200):
        seconds = 8.0 * generator.uniform(0.9, 1.2)
        admission.note_first_token("sft", seconds, since_foretold=seconds, foretold=8.0)
    accepted = max(foretold for foretold in range(70, 100) if refused(admission, foretold / 10) is None) / 10
    late = sum(accepted * generator.uniform(0.9, 1.2) > 10 for _ in range(1000))
    assert late < 100
    assert accepted > 8.2
    for _ in range(100):
        admission.note_first_token("sft", 7.0, since_foretold=7.0, foretold=8.0)
    assert refused(admission, 9.9) is None  # but never later than is foretold
    assert refused(admission, 10.1) == 429


def test_short_waits_and_few_ones_tell_nothing():
    admission = Admission(10.0, Metrics())
    for _ in range(100):
        admission.note_first_token("sft", 0.5, since_foretold=0.5, foretold=0.1)
    for _ in range(10):
        admission.note_first_token("sft", 20.0, since_foretold=20.0, foretold=5.0)
    assert refused(admission, 9.9) is None


def test_only_what_an_engine_itself_took_longer_counts_against_it():
    admission = Admission(10.0, Metrics())
    for _ in range(100):
        admission.note_first_token("sft", 30.0, since_foretold=2.0, foretold=2.0)  # its documents were searched long
        admission.note_first_token("pat", 8.0, since_foretold=8.0, foretold=2.0)
    assert (refused(admission, 9.9), refused(admission, 9.9, "pat")) == (None, 429)


def test_what_a_request_has_waited_counts_once():
    admission = Admission(10.0, Metrics())
    for _ in range(100):
        admission.note_first_token("sft", 4.0, since_foretold=4.0, foretold=2.0)
    assert (refused(admission, 2.0, spent=5.5), refused(admission, 2.0, spent=6.5)) == (None, 429)


def test_whoever_has_nobody_before_it_is_never_refused_for_its_wait():
    admission = Admission(10.0, Metrics())
    assert refused(admission, 100.0, spent=100.0, before=0) is None
    admission.stopping = True
    assert refused(admission, 0.0, before=0) == 503


@pytest.fixture(scope="module")
def server(served_run, tmp_path_factory):
    path = tmp_path_factory.mktemp("admission") / "penname.db"
    with open_store(f"sqlite:///{path}") as store, in_this_process(store, served_run, longest_wait=5) as running:
        yield running


def test_an_engine_that_was_slow_is_tried_again_once_it_has_nothing_to_do(server, monkeypatch):
    engine = server.engine

    def slow():
        monkeypatch.setattr(engine._pace, "_prompt_token", 1.0)

    slow()
    assert engine.expected_wait(None, 1) > 5
    for _ in range(2):
        assert server.write(None, max_tokens=2).status == 200
        slow()
    with engine.preparing(1):
        assert server.write(None, max_tokens=2).error["code"] == "server_busy"
    assert server.write(None, max_tokens=2).status == 200
    slow()
    go_on, prefill = threading.Event(), type(engine._decoder).prefill

    def held_up(self, packed, indices, cache=None):
        go_on.wait()
        return prefill(self, packed, indices, cache)

    monkeypatch.setattr(type(engine._decoder), "prefill", held_up)
    engine.submit([0], [0], Sampling(2, 1.0, 1.0, ()))
    try:
        assert server.write(None, max_tokens=2).error["code"] == "server_busy"
    finally:
        go_on.set()
