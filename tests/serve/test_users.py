"""Users, their documents, reasonings and feedback over HTTP, in both databases."""

from __future__ import annotations

import json
import random
import statistics
import sys
import threading
import time
from collections import Counter
from unittest.mock import patch
from urllib.parse import quote

import pytest
from anyio.to_thread import run_sync

from penname.cli.app import main
from penname.serve.documents_in_json import documents_in_json

USER = "team/Ada Ω@example.org 100%"
ADA = f"/v1/users/{quote(USER, safe='')}"


def test_a_user_is_added_shown_and_forgotten(client):
    added = client("PUT", ADA)
    assert (added.status, added.json["id"]) == (200, USER)
    assert client("PUT", ADA).json == added.json == client("GET", ADA).json
    assert client("GET", f"/v1/users/{quote(USER)}/").json == added.json  # with its slash as it is
    assert client("DELETE", ADA).json == {"object": "user", "id": USER, "deleted": True}
    for method in ("GET", "DELETE"):
        assert client(method, ADA).status == 404
    assert client("GET", "/v1/users").json["data"] == []


def test_documents_that_are_added_while_the_user_is_deleted_are_added_or_refused(client):
    """They add the user, unless others delete it meanwhile."""
    statuses, done = Counter(), threading.Event()

    def add(n):
        for k in range(6):
            statuses["POST", client("POST", f"{ADA}/documents", {"text": f"Text {n} {k}"}).status] += 1
            statuses["PUT", client("PUT", ADA).status] += 1

    def delete():
        while not done.is_set():
            client("DELETE", ADA)

    adding = [threading.Thread(target=add, args=(n,)) for n in range(3)]
    deleting = [threading.Thread(target=delete) for _ in range(3)]
    for thread in [*adding, *deleting]:
        thread.start()
    for thread in adding:
        thread.join()
    done.set()
    for thread in deleting:
        thread.join()
    assert statuses["PUT", 200] == 18
    assert statuses["POST", 200] + statuses["POST", 404] == 18


@pytest.mark.parametrize("known", [False, True])
def test_a_user_who_is_deleted_while_documents_come_does_not_come_back(client, monkeypatch, known):
    reached, go_on = threading.Event(), threading.Event()

    async def slowly(request, user):
        taken = await documents_in_json(request, user)
        reached.set()
        await run_sync(go_on.wait)
        return taken

    monkeypatch.setattr("penname.serve.routes.documents.documents_in_json", slowly)
    if known:
        client("PUT", ADA)
    answers = []
    adding = threading.Thread(target=lambda: answers.append(client("POST", f"{ADA}/documents", {"text": "Rain."})))
    adding.start()
    assert reached.wait(30)
    assert client("DELETE", ADA).status == (200 if known else 404)
    go_on.set()
    adding.join()
    assert (answers[0].status, answers[0].error["code"]) == (404, "user_not_found")
    assert client("GET", ADA).status == 404


def test_pages_of_users_have_each_once(client):
    for n in range(7):
        client("PUT", f"/v1/users/user{n}")
    found, after = [], ""
    while True:
        page = client("GET", f"/v1/users?limit=3&after={after}").json
        found += [user["id"] for user in page["data"]]
        after = page["last_id"]
        if not page["has_more"]:
            break
    assert found == [f"user{n}" for n in range(7)]


UNKNOWN = [
    ("GET", "", None),
    ("DELETE", "", None),
    ("GET", "/documents", None),
    ("DELETE", "/documents/secret", None),
    ("GET", "/reasoning", None),
    ("PUT", "/reasoning", {"text": "Short."}),
    ("DELETE", "/reasoning", None),
    ("GET", "/export", None),
    ("GET", "/feedback", None),
    ("POST", "/feedback", {"prompt": "p", "response": "r", "thumbs": "up"}),
    ("DELETE", "/feedback/secret", None),
]


def test_another_tenants_user_is_answered_as_one_whom_nobody_knows(server, served_store, client):
    other = server.with_key(served_store.add_key("other"))
    other("POST", "/v1/users/ada/documents", {"id": "secret", "text": "Planted words about heliotropes."})
    other("PUT", "/v1/users/ada/reasoning", {"text": "Planted."})
    for method, path, body in UNKNOWN:
        known, unknown = (client(method, f"/v1/users/{user}{path}", body) for user in ("ada", "eve"))
        assert (known.status, known.body) == (unknown.status, unknown.body) == (404, known.body), path
        assert known.error["code"] == "user_not_found"
    answers = [client("GET", f"/v1/models/penname/{user}") for user in ("ada", "eve")]
    assert answers[0].body == answers[1].body
    assert len(other("GET", "/v1/users/ada/documents").json["data"]) == 1


def test_a_foreign_id_takes_the_time_of_an_unknown_one(server, served_store, client):
    other = server.with_key(served_store.add_key("other"))
    other("POST", "/v1/users/ada/documents", {"documents": [{"text": f"Text {n}. " * 50} for n in range(200)]})
    seconds = {"ada": [], "eve": []}
    for _ in range(40):
        for user in random.sample(list(seconds), 2):
            started = time.perf_counter()
            client("GET", f"/v1/users/{user}/documents")
            seconds[user].append(time.perf_counter() - started)
    ada, eve = map(statistics.median, seconds.values())
    assert abs(ada - eve) < max(0.5 * eve, 0.003)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", json.dumps({"id": "1", "text": "One.", "date": "2024-05-31", "rating": 4, "lang": "en"})),
        ("application/json; charset=utf-8", json.dumps({"documents": [{"id": 1, "text": "Één ✓"}, {"text": "Two."}]})),
        ("application/x-ndjson", '\ufeff{"text": "One."}\r\n\r\n{"text": "Two.", "user_id": "x"}'),
        ("application/jsonl", '{"text": "One.", "title": null}\n'),
    ],
)
def test_documents_come_as_json_or_as_lines(client, kind, body):
    added = client("POST", f"{ADA}/documents", content=body.encode(), headers={"Content-Type": kind})
    assert added.status == 200, added.body
    page = client("GET", f"{ADA}/documents").json
    assert {document["id"] for document in page["data"]} == set(added.json["ids"])
    assert added.json["documents"] == len(page["data"]) == added.json["rows"]
    assert client("GET", ADA).status == 200  # the user was added with them
    for known in added.json["ids"]:
        assert client("DELETE", f"{ADA}/documents/{quote(known, safe='')}").json["deleted"]
    assert client("GET", f"{ADA}/documents").json["data"] == []


@pytest.mark.parametrize(
    ("kind", "body", "told"),
    [
        (
            "application/json",
            b'{"documents": [{"text": "Good."}, {"title": "No text"}]}',
            "documents[1].text: found none, expected a value",
        ),
        ("application/json", b'{"text": "Good.", "rating": "many"}', "rating: found a string, expected a number"),
        ("application/json", b'{"text": "Good.", "rating": NaN}', "body: found no JSON"),
        (
            "application/json",
            b'{"documents": [{"text": "A."}, {"text": "B.", "date": "31st"}]}',
            "documents[1].date: found",
        ),
        ("application/json", b'{"text": "\\u0000"}', "text: found empty text"),
        ("application/json", b'{"text": "\\ud800"}', "body: found no JSON"),
        ("application/json", b'{"text": " "}', "text: found empty text"),
        ("application/json", b'{"documents": []}', "documents: found a list of length 0, expected at least 1"),
        ("application/json", b"[" * 100_000, "body: found no JSON"),
        ("application/json", b"\xff\xfe", "body: found utf-16, expected UTF-8"),
        ("application/json", b"[]", "body: found a list, expected an object"),
        ("application/x-ndjson", b'{"text": "Good."}\n{"text": 7}', "line 2.text: found 7, expected a string"),
        ("application/x-ndjson", b'{"text": "A."}\n\n{"text": "B.", "date": "31st"}', "line 3.date: found"),
        ("application/x-ndjson", b'{"text": "A."}\n{', "line 2: found no JSON"),
        ("application/x-ndjson", b"\n", "body: found no document"),
        (
            "application/x-ndjson",
            b'{"text": "A.", "user_id": "ann"}\n{"text": "B.", "user_id": "bob"}',
            "user_id: found 2 of them, expected documents by one author",
        ),
        ("multipart/form-data", b"text", "Missing boundary"),
        ("multipart/form-data; boundary=edge", b"--edge--\r\n", "found no file"),
    ],
)
def test_of_faulty_documents_none_is_added(client, kind, body, told):
    answer = client("POST", f"{ADA}/documents", content=body, headers={"Content-Type": kind})
    assert answer.status == 400
    assert told in answer.error["message"]
    assert client("GET", ADA).status == 404


def test_another_kind_of_body_is_refused(client):
    answer = client("POST", f"{ADA}/documents", content=b"a=b", headers={"Content-Type": "text/csv"})
    assert (answer.status, answer.error["code"]) == (415, "unsupported_media_type")


def test_documents_are_listed_by_page_and_found(client):
    documents = [
        {"id": f"d/{n}", "text": f"Text number {n} of RAIN" if n % 2 else f"Text number {n}"} for n in range(9)
    ]
    client("POST", f"{ADA}/documents", {"documents": documents})
    page = client("GET", f"{ADA}/documents?limit=5").json
    rest = client("GET", f"{ADA}/documents?limit=5&after={quote(page['last_id'])}").json
    assert [document["id"] for document in page["data"] + rest["data"]] == [f"d/{n}" for n in range(9)]
    assert (page["has_more"], rest["has_more"]) == (True, False)
    assert len(client("GET", f"{ADA}/documents?search=rain").json["data"]) == 4
    version = client("GET", ADA).json["profile_version"]
    assert client("DELETE", f"{ADA}/documents/d%2F3").status == client("DELETE", f"{ADA}/documents/d/1").status == 200
    assert client("DELETE", f"{ADA}/documents/d%2F3").error["code"] == "document_not_found"
    assert len(client("GET", f"{ADA}/documents?search=rain").json["data"]) == 2
    assert client("GET", ADA).json["profile_version"] == version + 2


def test_a_reasoning_is_put_shown_and_deleted(client):
    client("POST", f"{ADA}/documents", {"text": "Rain."})
    assert client("GET", f"{ADA}/reasoning").error["code"] == "reasoning_not_found"
    put = client("PUT", f"{ADA}/reasoning", {"text": "Writes plainly."}).json
    assert (put["method"], put["locked"], put["current"]) == ("sft-reasoning", True, True)
    assert put["model"].startswith("sft-reasoning ")
    assert client("GET", f"{ADA}/reasoning?method=sft-reasoning").json == put
    client("POST", f"{ADA}/documents", {"text": "Snow."})
    assert client("GET", f"{ADA}/reasoning").json["current"] is False
    body = {"model": f"penname/{USER}", "messages": [{"role": "user", "content": "Write."}], "max_tokens": 4}
    written = client("POST", "/v1/chat/completions", body).json
    assert written["choices"][0]["message"]["reasoning_content"] == "Writes plainly."
    assert client("DELETE", f"{ADA}/reasoning").status == 200
    assert client("DELETE", f"{ADA}/reasoning").status == client("GET", f"{ADA}/reasoning").status == 404


@pytest.mark.parametrize(
    ("query", "body", "status", "told"),
    [
        ("?method=sft", {"text": "Short."}, 400, "reasoning: this model was not trained to reason"),
        ("?method=pat", {"text": "Short."}, 404, "found no such method, expected one of sft, sft-reasoning"),
        ("", {"text": " \n"}, 400, "text: found only white space"),
        ("", {"text": "word " * 2000}, 400, "tokens, for which there is no room: a prompt and its completion have"),
        ("", {"text": ""}, 400, "text: found a string of length 0, expected at least 1"),
        ("", {}, 400, "text: found none, expected a value"),
    ],
)
def test_a_reasoning_that_the_model_cannot_be_given_is_refused(client, query, body, status, told):
    client("PUT", ADA)
    answer = client("PUT", f"{ADA}/reasoning{query}", body)
    assert (answer.status, told in answer.error["message"]) == (status, True), answer.body


def test_all_that_is_kept_is_given_out(client, tmp_path):
    from penname.data.profiles import load_profile

    client(
        "POST",
        f"{ADA}/documents",
        {"documents": [{"id": "a", "text": "Één.", "rating": 4.5}, {"id": "b", "text": "Two."}]},
    )
    client("PUT", f"{ADA}/reasoning", {"text": "Writes plainly."})
    client("POST", f"{ADA}/feedback", {"prompt": "p", "response": "r", "thumbs": "up"})
    kept = client("GET", f"{ADA}/export").json
    assert kept["user"]["id"] == USER
    assert [document["text"] for document in kept["documents"]] == ["Één.", "Two."]
    assert [kept["reasonings"][0]["text"], kept["feedback"][0]["thumbs"]] == ["Writes plainly.", "up"]
    lines = client("GET", f"{ADA}/export?format=jsonl")
    assert lines.headers["content-type"].startswith("application/x-ndjson")
    (tmp_path / "documents.jsonl").write_bytes(lines.body)
    read = load_profile(tmp_path / "documents.jsonl")
    assert [(d.user_id, d.id, d.text, d.rating) for d in read] == [(USER, "a", "Één.", 4.5), (USER, "b", "Two.", None)]
    again = client(
        "POST", "/v1/users/twin/documents", content=lines.body, headers={"Content-Type": "application/x-ndjson"}
    )
    assert again.json["ids"] == ["a", "b"]


def test_feedback_is_kept_and_given_out_for_training(client, tmp_path, capsys):
    client("PUT", ADA)
    texts = [
        f"{word.title()} fell on the {place} for hours and hours."
        for word in ("rain", "snow", "hail", "sleet")
        for place in ("roof", "lake")
    ]
    for n, text in enumerate(texts):
        given = {"prompt": f"Write about {n}.", "response": f"Response {n}.", ("edited", "chosen")[n % 2]: text}
        assert client("POST", f"{ADA}/feedback", given | {"method": "sft", "seed": n}).status == 200
    down = {"prompt": "Write about 0.", "response": "Bad.", "thumbs": "down"}
    liked = {"prompt": "Write about 0.", "response": "Good.", "thumbs": "up"}
    kept = [client("POST", f"{ADA}/feedback", given).json["id"] for given in (down, liked)]
    listed = client("GET", f"{ADA}/feedback").json["data"]
    assert [one["seed"] for one in listed] == [*range(8), None, None]
    pairs = [json.loads(line) for line in client("GET", f"{ADA}/feedback?format=pairs").body.splitlines()]
    assert pairs[0] == {"user_id": USER, "prompt": "Write about 0.", "chosen": texts[0], "rejected": "Response 0."}
    assert pairs[-1] == {"user_id": USER, "prompt": "Write about 0.", "chosen": "Good.", "rejected": "Bad."}
    assert len(pairs) == 9
    documents = tmp_path / "documents.jsonl"
    documents.write_bytes(client("GET", f"{ADA}/feedback?format=documents").body)
    arguments = ["penname", "data", "convert", str(documents), "--out", str(tmp_path / "set"), "--json"]
    with patch.object(sys, "argv", arguments), pytest.raises(SystemExit):
        main()
    assert json.loads(capsys.readouterr().out)["documents"] == 8
    assert client("DELETE", f"{ADA}/feedback/{kept[0]}").status == 200
    assert client("DELETE", f"{ADA}/feedback/{kept[0]}").error["code"] == "feedback_not_found"
    assert len(client("GET", f"{ADA}/feedback?format=pairs").body.splitlines()) == 8


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"prompt": "p", "response": "r"}, "feedback: found none of them"),
        ({"prompt": "p", "response": "r", "thumbs": "sideways"}, "thumbs: found 'sideways', expected 'up' or 'down'"),
        ({"prompt": "p", "thumbs": "up"}, "response: found none, expected a value"),
        ({"prompt": "", "response": "r", "edited": "e"}, "prompt: found nothing but white space"),
        ({"prompt": "p", "response": " \n", "thumbs": "down"}, "response: found nothing but white space"),
        ({"prompt": "p", "response": "r", "chosen": ""}, "chosen: found nothing but white space"),
        ({"prompt": "p", "response": "r", "edited": "\t"}, "edited: found nothing but white space"),
        ({"prompt": "p", "response": "\0", "thumbs": "up"}, "response: found a NUL character"),
        (
            {"prompt": "p", "response": "r", "thumbs": "up", "seed": 2**64},
            "seed: found 18446744073709551616",
        ),
    ],
)
def test_faulty_feedback_is_refused(client, given, told):
    client("PUT", ADA)
    answer = client("POST", f"{ADA}/feedback", given)
    assert (answer.status, told in answer.error["message"]) == (400, True), answer.body


@pytest.mark.parametrize("path", ["/v1/users", "/v1/users/ada", "/v1/users/ada/documents", "/v1/models", "/metrics"])
def test_without_a_key_nothing_is_told(server, path):
    for client in (server, server.with_key("pn-nobody"), server.with_key("")):
        assert client("GET", path).status == 401


@pytest.mark.parametrize("name", ["documents", "export", "reasoning", "feedback"])
def test_no_method_takes_what_is_asked_of_a_user_for_a_part_of_an_id(client, name):
    method = {"documents": "PUT", "reasoning": "POST"}.get(name, "PUT")
    assert client(method, f"/v1/users/ada/{name}", {}).status == 405
    assert client("GET", "/v1/users").json["data"] == []
