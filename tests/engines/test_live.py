"""The live engine: requests come and go at any step, and get the texts that they get alone."""

import queue
import random
import threading
import time

import pytest
import torch
from tests.engines.test_llama import saved

from penname.engines.base import Sampling
from penname.engines.live import BATCH_PER_WORKER, FEW_COMPLETIONS, LiveEngine
from penname.engines.local import LocalEngine
from penname.errors import UserError

LIMIT = 60


class Listener:
    """Collects what an engine tells, by ticket and completion."""

    def __init__(self):
        self.updates = queue.Queue()
        self.tokens, self.log_probs, self.reasons, self.errors = {}, {}, {}, {}

    def __call__(self, updates):
        for update in updates:
            self.updates.put(update)

    def wait(self, done):
        """Listen until `done()` is true."""
        while not done():
            update = self.updates.get(timeout=30)
            key = update.ticket, update.index
            assert key not in self.reasons, "told after its end"
            self.tokens.setdefault(key, []).extend(update.tokens)
            self.log_probs.setdefault(key, []).extend(update.log_probs)
            if update.finish_reason:
                self.reasons[key] = update.finish_reason
            if update.error:
                self.errors[update.ticket] = update.error


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("model"))


@pytest.fixture
def live(model):
    listener = Listener()
    engine = LiveEngine(model, listener, "float32", rows=4, max_new_tokens=LIMIT)
    yield engine, listener
    engine.close()


def samplings():
    stop = tuple(range(0, 60, 20))
    return [
        Sampling(20, 0.8, 0.9, stop),
        Sampling(30, 0.0, 1.0, stop),
        Sampling(40, 1.2, 1.0, stop, top_k=30, no_repeat_ngram=2),
        Sampling(10, 0.7, 0.95, (), min_p=0.05, repetition_penalty=1.3),
    ]


def test_requests_that_join_at_any_step_get_the_completions_that_they_get_alone(model, live):
    engine, listener = live
    rng = random.Random(0)
    alone = LocalEngine(model, "float32", batch_size=4, workers=1)
    requests = []
    for number in range(30):
        prompt = [rng.randrange(100) for _ in range(rng.randrange(1, 40))]
        seeds, sampling = [number * 10 + i for i in range(rng.choice((1, 1, 2, 4)))], rng.choice(samplings())
        requests.append((engine.submit(prompt, seeds, sampling), prompt, seeds, sampling))
        time.sleep(rng.choice((0, 0, 0.01)))
    listener.wait(lambda: len(listener.reasons) == sum(len(seeds) for _, _, seeds, _ in requests))
    for ticket, prompt, seeds, sampling in requests:
        expected = alone.generate([prompt], [seeds], sampling)[0]
        assert [listener.tokens[ticket, i] for i in range(len(seeds))] == [e.tokens for e in expected]
        assert [listener.reasons[ticket, i] for i in range(len(seeds))] == [e.finish_reason for e in expected]


def test_a_cancelled_request_is_free_at_the_next_step_and_tells_nothing_more(live):
    engine, listener = live
    endless = Sampling(LIMIT, 1.0, 1.0, ())
    tickets = [engine.submit([1, 2, 3], [i], endless) for i in range(8)]  # the last four wait for the first four
    listener.wait(lambda: len(listener.tokens) >= 4)
    for ticket in tickets[:7]:
        engine.cancel(ticket)
    written = [len(ticket.completions[0].written.tokens) for ticket in tickets[:7]]
    listener.wait(lambda: (tickets[7], 0) in listener.reasons)
    assert len(listener.tokens[tickets[7], 0]) == LIMIT
    # A step that was under way when they were cancelled may have added a token.
    assert all(len(t.completions[0].written.tokens) <= n + 1 for t, n in zip(tickets[:7], written, strict=True))
    assert not any((ticket, 0) in listener.reasons for ticket in tickets[:7])
    assert not any((ticket, 0) in listener.tokens for ticket in tickets[4:7])


def test_log_probabilities_are_those_of_the_model(model, live):
    engine, listener = live
    prompt, sampling = [5, 6, 7], Sampling(12, 0.9, 0.8, (), repetition_penalty=1.5)
    ticket = engine.submit(prompt, [3], sampling, most_likely=2)
    listener.wait(lambda: (ticket, 0) in listener.reasons)
    tokens, told = listener.tokens[ticket, 0], listener.log_probs[ticket, 0]
    expected = LocalEngine(model, "float32").score([prompt], [[tokens]])[0][0]
    assert [t.log_prob for t in told] == pytest.approx(expected, abs=1e-4)
    for position in told:
        (_, first), (_, second) = position.most_likely
        assert first >= second
        assert first >= position.log_prob


def test_completions_that_do_not_all_fit_join_in_parts_and_keep_nobody_from_free_rows(model, live):
    engine, listener = live
    long = engine.submit([1, 2], [0], Sampling(LIMIT, 1.0, 1.0, ()))
    listener.wait(lambda: (long, 0) in listener.tokens)
    sampling = Sampling(5, 1.0, 1.0, ())
    many, one = engine.submit([3, 4], [1, 2, 3, 4], sampling), engine.submit([5], [5], sampling)
    listener.wait(lambda: (one, 0) in listener.reasons)
    assert (long, 0) not in listener.reasons
    assert all((many, index) in listener.reasons for index in range(4))
    expected = LocalEngine(model, "float32").generate([[3, 4]], [[1, 2, 3, 4]], sampling)[0]
    assert [listener.tokens[many, index] for index in range(4)] == [completion.tokens for completion in expected]


def test_what_there_is_no_room_for_is_refused(live):
    engine, _ = live
    for prompt, seeds, sampling in (
        ([1] * 5000, [0], Sampling(10, 1.0, 1.0, ())),
        ([1], [0], Sampling(LIMIT + 1, 1.0, 1.0, ())),
        ([1], [0] * 5, Sampling(10, 1.0, 1.0, ())),
    ):
        with pytest.raises(UserError, match="at most"):
            engine.submit(prompt, seeds, sampling)


def test_a_step_that_fails_is_told_and_later_requests_go_on(live, monkeypatch):
    engine, listener = live
    decode = type(engine._decoder).decode

    def fail(self, ids, cache):
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(type(engine._decoder), "decode", fail)
    ticket = engine.submit([1, 2], [0], Sampling(5, 1.0, 1.0, ()))
    listener.wait(lambda: ticket in listener.errors)
    monkeypatch.setattr(type(engine._decoder), "decode", decode)
    later = engine.submit([1, 2], [0], Sampling(5, 1.0, 1.0, ()))
    listener.wait(lambda: (later, 0) in listener.reasons)


def test_a_warm_engine_foretells_that_many_prompts_take_long(model):
    engine = LiveEngine(model, Listener(), "float32", rows=4, max_new_tokens=LIMIT)
    assert engine.expected_wait(10**6, 1) == 0
    engine.warm_up()
    assert engine.in_progress == 0
    assert 0 < engine.expected_wait(10, 1) < engine.expected_wait(1000, 1) < engine.expected_wait(10**6, 1)
    assert engine.expected_wait(10, 400) > engine.expected_wait(10, 5)
    engine.close()


def test_what_is_being_prepared_counts_among_those_that_wait(live):
    engine, _ = live
    engine.warm_up()
    nobody = engine.expected_wait(None, 1)
    with engine.preparing(2), engine.preparing(1):
        assert engine.expected_wait(None, 1) > 2 * nobody
    assert engine.expected_wait(None, 1) == nobody


def test_one_long_prompt_does_not_keep_the_others_from_a_thread_that_is_free(model, monkeypatch):
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    listener = Listener()
    engine = LiveEngine(model, listener, "float32", rows=2 * BATCH_PER_WORKER, max_new_tokens=LIMIT)
    prefill, reached, go_on = type(engine._decoder).prefill, threading.Event(), threading.Event()

    def held_up(self, packed, indices, cache=None):
        if len(packed.input_ids) >= 300:
            reached.set()
            go_on.wait(120)
        return prefill(self, packed, indices, cache)

    monkeypatch.setattr(type(engine._decoder), "prefill", held_up)
    try:
        few = [engine.submit([1, 2], [i], Sampling(LIMIT, 1.0, 1.0, ())) for i in range(FEW_COMPLETIONS)]
        listener.wait(lambda: len(listener.tokens) == len(few))
        held = engine.submit([1] * 300, [0], Sampling(5, 1.0, 1.0, ()))
        assert reached.wait(120)
        later = [engine.submit([1, 2], [i], Sampling(5, 1.0, 1.0, ())) for i in range(6)]
        listener.wait(lambda: all((ticket, 0) in listener.reasons for ticket in later))
        assert (held, 0) not in listener.tokens
        go_on.set()
        listener.wait(lambda: (held, 0) in listener.reasons)
    finally:
        go_on.set()
        engine.close()
        torch.set_num_threads(threads)


def test_closing_ends_the_thread(model):
    engine = LiveEngine(model, Listener(), "float32", rows=2, max_new_tokens=LIMIT)
    engine.submit([1, 2], [0], Sampling(LIMIT, 1.0, 1.0, ()))
    engine.close()
    assert not engine.alive
