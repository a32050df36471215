"""Texts over HTTP: whole and streamed, with a reasoning that is written once, within a key's tokens."""

import http.client
import json
import signal
import threading
import time

import pytest
from tests.serve.running import as_command, in_this_process, wait_until, with_facts

from penname.data.records import Document
from penname.rewards import meteor, overlap
from penname.serve.store.opening import open_store

ADA = [Document("ada", f"I wrote of it before, in note {n}.") for n in range(3)]


@pytest.fixture(scope="module")
def reasoning_model(tiny_model, tmp_path_factory):
    return with_facts(tiny_model, tmp_path_factory.mktemp("served") / "model", with_reasoning=True)


@pytest.fixture(scope="module")
def plain_model(tiny_model, tmp_path_factory):
    return with_facts(tiny_model, tmp_path_factory.mktemp("served") / "model", with_reasoning=False)


@pytest.fixture(scope="module")
def server(reasoning_model, tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "penname.db"
    with open_store(f"sqlite:///{path}") as store, in_this_process(store, reasoning_model) as running:
        yield running


@pytest.fixture
def user(server):
    """A user with documents, and none of what earlier tests left of it."""
    store = server.state.store
    store.forget("local", "ada")
    store.put_user("local", "ada")
    store.add_documents("local", "ada", ADA)
    return "ada"


def text_of(answer):
    return answer.json["choices"][0]["message"]


def joined(events, name, choice=0):
    deltas = [c["delta"] for event in events for c in event["choices"] if c["index"] == choice]
    return "".join(delta.get(name, "") for delta in deltas)


def test_a_stream_has_the_text_and_the_reasoning_of_the_whole_response(server, user):
    for seed in range(4):
        server.state.store.delete_reasoning("local", user)
        whole = text_of(server.write(user, seed=seed))
        server.state.store.delete_reasoning("local", user)
        events = server.write(user, seed=seed, stream=True)
        assert joined(events, "content") == whole["content"]
        assert joined(events, "reasoning_content") == whole.get("reasoning_content", "")
        assert whole["content"], whole
        assert "reasoning_content" in whole
        assert len(events) > 5


def test_a_reasoning_is_written_once_until_the_documents_change(server, user):
    store, model = server.state.store, server.state.methods.get(None).model
    first = text_of(server.write(user, seed=1))
    assert store.reasoning("local", user, model).text == first["reasoning_content"]
    second = server.write(user, "Write about bread.", seed=2)
    assert text_of(second)["reasoning_content"] == first["reasoning_content"]
    assert second.json["usage"]["completion_tokens_details"]["reasoning_tokens"] == 0
    store.add_documents("local", user, [Document(user, "A new note about chess.")])
    assert store.reasoning("local", user, model) is None
    third = server.write(user, seed=3)
    assert third.json["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0


def test_a_reasoning_that_comes_to_no_end_is_followed_by_a_text_still(server, user):
    """A model that is asked for much else than it was trained on may never write the phrase that ends its reasoning."""
    prompt = server.write(user, "bread " * 40, max_tokens=1).json["usage"]["prompt_tokens"]
    answers = [server.write(user, "bread " * 40, seed=seed, temperature=1.5).json for seed in range(8)]
    cut = [answer for answer in answers if "the reasoning came to no end by itself" in answer["penname"]["notes"]]
    assert cut
    for answer in cut:
        assert answer["choices"][0]["message"]["content"]
        assert answer["choices"][0]["finish_reason"] in ("stop", "length")
        assert answer["usage"]["prompt_tokens"] > 2 * prompt + 5, "of both prompts"
    spent = server.write(user, "bread " * 40, max_tokens=5).json
    assert spent["choices"][0]["finish_reason"] == "length"
    assert spent["choices"][0]["message"]["content"] == ""
    assert spent["usage"]["completion_tokens"] == 5


def test_a_reasoning_that_was_put_by_hand_or_with_the_request_is_used(server, user):
    server.state.store.put_reasoning("local", user, server.state.methods.get(None).model, "Short plain words.")
    assert text_of(server.write(user))["reasoning_content"] == "Short plain words."
    assert text_of(server.write(user, reasoning="Long words."))["reasoning_content"] == "Long words."


def test_an_unknown_user_is_written_as_a_new_one_and_that_is_said(server):
    answer = server.write("nobody", seed=1)
    assert "nobody knows this user" in answer.json["penname"]["notes"][0]
    without = server.write(None, seed=1)
    assert "no user is named" in without.json["penname"]["notes"][0]
    assert text_of(answer)["content"] == text_of(without)["content"]


def test_that_a_user_has_no_documents_is_said(server):
    server.state.store.put_user("local", "empty")
    assert "this user has no documents" in server.write("empty", seed=1).json["penname"]["notes"][0]


def test_a_longest_completion_above_the_models_is_said_to_be_cut(server, user):
    answer = server.write(user, max_tokens=5000).json
    assert "max_tokens: found 5000, the model writes at most 100" in answer["penname"]["notes"]
    assert "max_tokens" not in str(server.write(user, max_tokens=100).json["penname"]["notes"])


@pytest.mark.parametrize("content", ["", " \n", None, [{"type": "text", "text": ""}]])
def test_a_turn_without_text_is_named(server, content):
    body = {"messages": [{"role": "user", "content": content}]}
    error = server.ask("POST", "/v1/chat/completions", body).json["error"]
    assert (error["param"], error["code"]) == ("messages", "invalid_value")
    assert error["message"] == "messages: found one without text, expected a last turn of 'user' with text"


def test_the_reasonings_of_candidates_are_counted(server, user):
    usage = server.write(user, seed=1, candidates=3).json["usage"]
    alone = server.write(user, seed=1, reasoning="Plain.", candidates=3).json["usage"]
    assert 3 <= usage["completion_tokens_details"]["reasoning_tokens"] < usage["completion_tokens"]
    assert alone["completion_tokens_details"]["reasoning_tokens"] == 0


def test_a_seed_gives_the_same_texts_and_choices_differ(server, user):
    first, again = (server.write(user, seed=5, n=3) for _ in range(2))
    texts = [choice["message"]["content"] for choice in first.json["choices"]]
    assert [choice["index"] for choice in first.json["choices"]] == [0, 1, 2]
    assert len(set(texts)) > 1
    # The first one wrote a reasoning, which the second was given.
    third = server.write(user, seed=5, n=3)
    assert [c["message"] for c in third.json["choices"]] == [c["message"] for c in again.json["choices"]]
    events = server.write(user, seed=5, n=3, stream=True)
    for index, choice in enumerate(again.json["choices"]):
        assert joined(events, "content", index) == choice["message"]["content"]


def test_a_response_ends_before_a_stop_string(server, user):
    whole = text_of(server.write(user, seed=1, reasoning="Plain."))["content"]
    stop = whole.split()[3]
    stopped = server.write(user, seed=1, reasoning="Plain.", stop=stop)
    assert text_of(stopped)["content"] == whole[: whole.index(stop)].strip()
    assert stopped.json["choices"][0]["finish_reason"] == "stop"
    events = server.write(user, seed=1, reasoning="Plain.", stop=[stop], stream=True)
    assert joined(events, "content") == text_of(stopped)["content"]


def test_a_text_that_has_come_to_its_stop_string_takes_no_more_while_others_go_on(server, user):
    asked = {"seed": 1, "reasoning": "Plain.", "n": 3, "logprobs": True}
    whole = server.write(user, **asked).json
    texts = [choice["message"]["content"] for choice in whole["choices"]]
    stop = next(word for word in texts[0].split()[2:] if not any(word in text for text in texts[1:]))
    stopped = server.write(user, **asked, stop=stop).json
    events = server.write(user, **asked, stop=stop, stream=True, stream_options={"include_usage": True})
    told = [token_texts([choice]) for choice in stopped["choices"]]
    assert told[0].removesuffix(stop).strip() == texts[0].partition(stop)[0].strip()
    assert told[1:] == [token_texts([choice]) for choice in whole["choices"][1:]]
    streamed = [choice for event in events for choice in event["choices"]]
    assert [token_texts(c for c in streamed if c["index"] == index) for index in range(3)] == told
    assert stopped["usage"] == events[-1]["usage"]
    written = [len(choice["logprobs"]["content"]) for choice in whole["choices"]]
    assert stopped["usage"]["completion_tokens"] < sum(written)
    assert whole["usage"]["completion_tokens"] == sum(written)


def token_texts(choices):
    return "".join(entry["token"] for choice in choices for entry in choice["logprobs"]["content"])


def test_that_no_log_probabilities_are_told_of_chosen_texts_is_said(server, user):
    asked = {"reasoning": "Plain.", "candidates": 2, "logprobs": True}
    whole, events = server.write(user, **asked).json, server.write(user, **asked, stream=True)
    assert [about["penname"]["notes"][0].partition(":")[0] for about in (whole, events[-1])] == ["logprobs"] * 2
    assert {str(choice["logprobs"]) for event in (whole, *events) for choice in event["choices"]} == {"None"}


def test_what_there_is_never_room_for_is_not_to_be_asked_again(server, monkeypatch):
    # As nobody is refused who has nobody before.
    before = threading.Thread(target=server.write, args=("ada",), kwargs={**ENDLESS, "n": 4})
    before.start()
    wait_until(lambda: server.engine.in_progress)
    monkeypatch.setattr(server.state.admission, "_longest_wait", -1.0)
    busy, *never = [
        server.write("ada", **more) for more in ({}, {"n": 16, "candidates": 1}, {"n": 16, "candidates": 16})
    ]
    before.join()
    assert [answer.status for answer in (busy, *never)] == [429, 400, 400]
    assert not any("retry-after" in answer.headers for answer in never)


def test_the_candidate_most_like_the_others_is_chosen(server, user):
    one = [server.write(user, seed=seed, reasoning="Plain.").json for seed in (1,)]
    best = server.write(user, seed=1, reasoning="Plain.", candidates=4).json
    assert best["usage"]["completion_tokens"] > one[0]["usage"]["completion_tokens"]
    events = server.write(user, seed=1, reasoning="Plain.", candidates=4, stream=True)
    assert joined(events, "content") == best["choices"][0]["message"]["content"]
    caches = overlap._rouge_words, meteor._words, meteor._piece_words, meteor._stemmer()
    assert [cache.cache_info().currsize for cache in caches] == [0] * 4  # as they would outlive the user's texts


def test_log_probabilities_and_usage_are_told(server, user):
    answer = server.write(user, seed=1, logprobs=True, top_logprobs=3, max_tokens=9, reasoning="Plain.").json
    content = answer["choices"][0]["logprobs"]["content"]
    assert len(content) == answer["usage"]["completion_tokens"] == 9
    assert answer["choices"][0]["finish_reason"] == "length"
    assert all(entry["logprob"] <= 0 and len(entry["top_logprobs"]) == 3 for entry in content)
    events = server.write(user, seed=1, stream=True, stream_options={"include_usage": True}, max_tokens=9)
    assert events[-1]["usage"]["completion_tokens"] == 9


def test_each_event_has_a_text_but_one_with_the_usage_that_was_asked_for(server, user):
    """Many programs take the first text of each event without a look at how many there are."""
    events = server.write(user, seed=1, n=2, max_tokens=9, reasoning="Plain.", stream=True)
    assert all(event["choices"] for event in events)
    assert [event["choices"][0]["finish_reason"] for event in events if "penname" in event] == ["length"]
    assert "penname" in events[-1]
    more = server.write(user, max_tokens=9, stream=True, stream_options={"include_usage": True})
    assert [event["choices"] for event in more if "usage" in event] == [[]]


def test_a_completion_is_written_as_a_turn_of_a_conversation_is(server, user):
    body = {"model": f"penname/{user}", "prompt": "Write about rain.", "seed": 1, "reasoning": "Plain."}
    completion = server.ask("POST", "/v1/completions", body).json
    assert completion["choices"][0]["text"] == text_of(server.write(user, seed=1, reasoning="Plain."))["content"]
    assert completion["object"] == "text_completion"


@pytest.mark.parametrize(
    ("body", "status", "param", "found"),
    [
        ({"messages": []}, 400, "messages", "at least 1"),
        ({"temperature": 7}, 400, "temperature", "found 7, expected at most 2"),
        ({"model": "gpt-4"}, 404, "model", "penname/USER"),
        ({"model": "penname/ada@example.org"}, 200, None, ""),  # the user's id may have an @
        ({"messages": [{"role": "assistant", "content": "Hi"}]}, 400, "messages", "last turn"),
        ({"messages": [{"role": "user", "content": "rain " * 500}]}, 400, "messages", "too long"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]}, 400, None, ""),
        ({"n": 99}, 400, "n", "16"),
        ({"candidates": 17}, 400, "candidates", "16"),
        ({"item": "a shop"}, 400, "item", "pat"),
        ({"n": 16, "candidates": 8}, 400, None, "at most 4"),
        ({"unknown": {"field": 1}}, 200, None, ""),
    ],
)
def test_a_bad_field_is_one_line_in_openais_shape(server, body, status, param, found):
    sent = {"model": "penname/ada", "messages": [{"role": "user", "content": "Write about rain."}], **body}
    answer = server.ask("POST", "/v1/chat/completions", sent)
    assert answer.status == status
    if status != 200:
        error = answer.json["error"]
        assert found in error["message"]
        assert "\n" not in error["message"]
        assert param is None or error["param"] == param
        assert set(error) == {"message", "type", "param", "code"}


def hang_up(server, body, after):
    """Ask for a stream, and hang up after so many bytes."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    headers = {"Content-Type": "application/json", **body.pop("headers", {})}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    if after:
        connection.getresponse().read(after)
    connection.sock.close()
    connection.close()


ENDLESS = {"max_tokens": 60, "temperature": 2, "messages": [{"role": "user", "content": "Write about rain."}]}


@pytest.mark.parametrize("stream", [True, False])
def test_who_hangs_up_frees_the_engine(server, user, stream):
    steps = []
    for _ in range(6):
        hang_up(server, {"model": f"penname/{user}", "stream": stream, **ENDLESS}, 200 if stream else 0)
        time.sleep(0.05)
        steps.append(server.engine.in_progress)
    wait_until(lambda: server.engine.in_progress == 0, 5)
    assert server.write(user).status == 200


SHORT = {**ENDLESS, "max_tokens": 20}
"""The races are for what may be written, not in the writing."""


@pytest.mark.parametrize("requests", [80, pytest.param(200, marks=pytest.mark.slow)])
def test_a_keys_tokens_are_never_overspent(reasoning_model, url, user_keys, requests):
    """Requests race for a day's tokens, some hang up: what is spent is what was written, and never too much."""
    with open_store(url, user_keys) as store, in_this_process(store, reasoning_model, key_required=True) as server:
        one = most_tokens(server, store)
        limit = 12 * one
        secret = store.add_key("acme", tokens_a_day=limit)
        store.put_user("acme", "ada")
        statuses, lock = [], threading.Lock()

        def ask(number):
            body = {"model": "penname/ada", "stream": number % 2 == 0, **SHORT}
            if number % 5 == 0:
                hang_up(server, {**body, "stream": True, "headers": {"Authorization": f"Bearer {secret}"}}, 300)
                return
            answer = server.ask("POST", "/v1/chat/completions", body, secret)
            with lock:
                statuses.append(answer.status)

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(requests)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        key = store.key_of(secret)
        day = time.strftime("%Y-%m-%d", time.gmtime())
        wait_until(lambda: store.usage(key, day).reserved == 0, 10)
        assert set(statuses) == {200, 429}
        assert 0 < store.usage(key, day).used <= limit
        while server.ask("POST", "/v1/chat/completions", {"model": "penname/ada", **SHORT}, secret).status == 200:
            pass
        assert limit - one < store.usage(key, day).used <= limit


def most_tokens(server, store):
    """At least the most tokens that a request of the test above can take: a reasoning without an end is put into a
    second prompt, of which the answer comes.
    """
    secret = store.add_key("measure")
    store.put_user("measure", "ada")
    usage = server.ask("POST", "/v1/chat/completions", {"model": "penname/ada", **SHORT}, secret).json["usage"]
    return 2 * usage["prompt_tokens"] + 2 * SHORT["max_tokens"] + 60


def test_without_a_valid_key_nothing_is_written(reasoning_model, url, user_keys):
    with open_store(url, user_keys) as store, in_this_process(store, reasoning_model, key_required=True) as server:
        assert server.write("ada").status == 401
        assert server.write("ada", key="pn-wrong").status == 401
        secret = store.add_key("acme")
        assert server.write("ada", key=secret).status == 200
        assert store.revoke_key("acme", store.key_of(secret).id)
        assert server.write("ada", key=secret).json["error"]["code"] == "invalid_api_key"


def test_on_this_machine_other_hosts_names_are_refused_without_a_key(server):
    assert server.ask("POST", "/v1/completions", {"prompt": "Hi there."}, Host="evil.example").status == 403
    assert server.ask("POST", "/v1/completions", {"prompt": "Hi there."}, key="sk-anything").status == 200


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ("Basic pn-abc", 401),
        ("Basic dXNlcjpwYXNz", 401),
        ("pn-abc", 401),
        ("none", 401),
        ("Bearer: pn-abc", 401),
        ("Bearer Bearer pn-abc", 401),
        ('Bearer "pn-abc"', 401),
        ("Bearer none", 200),
        ("bearer", 200),
        ("", 200),
    ],
)
def test_who_means_to_show_a_key_is_not_answered_without_one(server, authorization, status):
    answer = server.ask(
        "POST", "/v1/completions", {"prompt": "Hi there.", "max_tokens": 1}, Authorization=authorization
    )
    assert answer.status == status
    if status == 401:
        assert answer.error["code"] == "invalid_api_key"


# The test of a server whose texts take longer is told SIGTERM first.
@pytest.mark.parametrize("told", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_server_that_is_told_to_stop_lets_texts_end_and_refuses_new_ones(reasoning_model, tmp_path, told):
    with as_command(reasoning_model, f"sqlite:///{tmp_path}/penname.db", "--rows", "2") as server:
        body = json.dumps({"model": "penname", "stream": True, "n": 2, **ENDLESS})
        streams = [http.client.HTTPConnection("127.0.0.1", server.port) for _ in range(4)]
        for stream in streams:
            stream.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
        answers = [stream.getresponse() for stream in streams]
        begun = answers[0].read(100)  # the others wait for the first one to end
        server.process.send_signal(told)
        wait_until(lambda: server.write(None).status == 503)
        ends = [answer.read() for answer in answers]
        assert begun + ends[0] != begun
        assert all(end.endswith(b"data: [DONE]\n\n") for end in ends)
        assert server.process.wait(30) == 0
        listening, stopping = server.process.stdout.read().splitlines()
        assert listening == f"listening on 127.0.0.1, port {server.port}: see /docs there"
        assert stopping.startswith("stopping")
