"""Users, their documents, reasonings and feedback."""

from __future__ import annotations

import json

import pytest

from penname.data.records import Document
from penname.errors import ArgumentError
from penname.serve.store.feedback import preference_pairs, written_documents
from penname.serve.store.records import Feedback, Reasoning, UnknownTenant, UnknownUser

CALLS = {
    "user": (),
    "export": (),
    "profile": (),
    "documents": (),
    "has_documents": (),
    "latest_documents": (9,),
    "feedback": (),
    "add_documents": ([],),
    "remove_document": ("d",),
    "reasoning": ("m",),
    "keep_reasoning": ("m", "text", 1),
    "put_reasoning": ("m", "text"),
    "reasonings": (),
    "delete_reasoning": (),
    "add_feedback": (Feedback("p", "r", thumbs="up"),),
    "delete_feedback": ("f",),
}


@pytest.fixture
def ada(store):
    store.put_tenant("t")
    return store.put_user("t", "ada")


def texts(store, **options):
    return [document.text for document in store.documents("t", "ada", **options)]


def test_a_user_is_put_once(store, ada):
    assert store.put_user("t", "ada") == ada == store.user("t", "ada")
    with pytest.raises(UnknownTenant, match="found no tenant of this name"):
        store.put_user("nobody", "ada")


def test_no_call_knows_a_user_who_was_not_added(store, ada):
    for call, arguments in CALLS.items():
        with pytest.raises(UnknownUser, match="found an id that no user has"):
            getattr(store, call)("t", "bob", *arguments)


def test_what_is_read_of_a_user_who_is_forgotten_meanwhile_is_not_told(store, ada):
    with store.while_known("t", "ada"):
        assert store.profile("t", "ada").documents == []
    with pytest.raises(UnknownUser), store.while_known("t", "ada"):
        store.forget("t", "ada")
    store.put_user("t", "bob")
    with pytest.raises(UnknownUser), store.while_known("t", "bob"):
        assert (store.forget("t", "bob"), store.put_user("t", "bob").id) == (True, "bob"), "another one of the same id"
    with pytest.raises(UnknownUser), store.while_known("t", "nobody"):
        pytest.fail("there is nobody")


def test_pages_of_users_are_in_one_order_in_every_language(store, ada):
    ids = ["Zoë", "ada b", "b", "Émile", "эмма", "艾達", "😀", "Ada", "100%", "a_b", "a/b", "a'b"]
    for user in ids:
        store.put_user("t", user)
    found, after = [], ""
    while page := store.users("t", after, 3):
        assert len(page) <= 3
        found += [user.id for user in page]
        after = page[-1].id
    assert found == sorted([*ids, "ada"])


def test_one_letter_in_two_forms_is_one_user(store, ada):
    composed, decomposed = "Andr\u00e9", "Andre\u0301"
    store.put_user("t", decomposed)
    assert store.user("t", composed).id == composed
    assert store.forget("t", decomposed)


def test_ids_that_cannot_be_kept(store):
    store.put_tenant("t")
    for user, problem in (
        ("", "no letter"),
        (" \u2003", "no letter"),
        ("a\0b", "a NUL character"),
        ("a\ud83d", "half of a character at 1"),
        ("a\nb", "a control character"),
        ("é" * 251, "502 bytes, expected at most 500"),
    ):
        for call in (store.put_user, store.profile, store.forget):
            with pytest.raises(ArgumentError, match=f"user: found {problem}"):
                call("t", user)


def test_the_longest_ids_fit(store):
    tenant, user, document = "😀" * 50, "😀" * 125, "😀" * 250
    store.put_tenant(tenant)
    store.put_user(tenant, user)
    store.add_documents(tenant, user, [Document(user, "text", id=document)])
    store.put_reasoning(tenant, user, document, "text")
    assert [d.id for d in store.profile(tenant, user).documents] == [document]
    assert store.forget(tenant, user)


def test_documents_keep_all_fields_and_their_order(store, ada):
    full = Document("ada", "Text\nof 😀 'words' %", "z", "Title", "2024-05-01", "item", 4.5, "what it is")
    ids = store.add_documents("t", "ada", [full, Document("someone else", "second"), Document("ada", "third", id="a")])
    _, version, documents = store.profile("t", "ada")
    assert documents[0] == full
    assert [d.id for d in documents] == ids
    assert [d.text for d in documents[1:]] == ["second", "third"]
    assert {d.user_id for d in documents} == {"ada"}
    assert version == ada.profile_version + 1 == store.user("t", "ada").profile_version


def test_a_document_of_the_same_id_replaces_the_one_before_in_its_place(store, ada):
    store.add_documents("t", "ada", [Document("", "one", id="1"), Document("", "two", id="2", title="T")])
    ids = store.add_documents("t", "ada", [Document("", "old", id="2"), Document("", "new", id="2")])
    assert ids == ["2", "2"]
    assert [(d.text, d.title) for d in store.profile("t", "ada").documents] == [("one", None), ("new", None)]


def test_a_faulty_document_leaves_all_out(store, ada):
    with pytest.raises(ArgumentError, match=r"documents\[1\]\.title: found a NUL"):
        store.add_documents("t", "ada", [Document("", "fine"), Document("", "text", title="a\0")])
    assert store.profile("t", "ada")[1:] == (ada.profile_version, [])


def test_pages_and_search_of_documents(store, ada):
    given = [Document("", f"Text {n} about {'Straße' if n % 3 else 'rain_%'}", id=f"{n:03}") for n in range(700)]
    store.add_documents("t", "ada", [*given, Document("", "untitled", id="x", title="Über STRASSE")])
    assert texts(store, limit=2) == [given[0].text, given[1].text]
    assert texts(store, after="500", limit=3) == [document.text for document in given[501:504]]
    assert texts(store, after="698", limit=5) == [given[699].text, "untitled"]
    assert texts(store, search="strasse", limit=1000)[-1] == "untitled"
    assert len(texts(store, search="strasse", limit=1000)) == 467
    assert texts(store, search="n_%", after="690", limit=1) == [given[693].text]
    assert texts(store, search="rain-") == []
    with pytest.raises(ArgumentError, match="after: found the id of no document of this user"):
        texts(store, after="none")


def test_pages_that_cannot_be(store, ada):
    for call in (lambda **page: store.users("t", **page), lambda **page: store.documents("t", "ada", **page)):
        for limit in (-1, 0, 10_001, 2**70):
            with pytest.raises(ArgumentError, match=f"limit: found {limit}, expected 1 to 10,000"):
                call(limit=limit)
        for after in ("\0", "\ud800"):
            with pytest.raises(ArgumentError, match="after: found"):
                call(after=after)
    assert texts(store, search="\ud800\0") == []


def test_a_change_of_documents_drops_reasonings_that_were_not_put_by_hand(store, ada, look):
    store.add_documents("t", "ada", [Document("", "one", id="1")])
    version = store.profile("t", "ada").version
    for model in ("a", "b"):
        assert store.keep_reasoning("t", "ada", model, "written", version)
    store.put_reasoning("t", "ada", "b", "by hand")
    assert store.reasoning("t", "ada", "a") == Reasoning("a", "written", version, locked=False)
    assert not store.keep_reasoning("t", "ada", "b", "written again", version)
    assert not store.remove_document("t", "ada", "2")
    assert store.reasoning("t", "ada", "a")
    assert store.remove_document("t", "ada", "1")
    assert store.reasoning("t", "ada", "a") is None
    assert store.reasoning("t", "ada", "b") == Reasoning("b", "by hand", version, locked=True)
    assert look("SELECT model FROM reasonings") == [("b",)]


def test_a_reasoning_written_meanwhile_is_not_kept(store, ada, look):
    store.add_documents("t", "ada", [Document("", "secret", id="1")])
    version = store.profile("t", "ada").version
    store.remove_document("t", "ada", "1")
    assert not store.keep_reasoning("t", "ada", "m", "of the secret", version)
    store.forget("t", "ada")
    with pytest.raises(UnknownUser):
        store.keep_reasoning("t", "ada", "m", "of the secret", version)
    later = store.put_user("t", "ada")
    assert later.profile_version != version
    assert not store.keep_reasoning("t", "ada", "m", "of the secret", version)
    assert look("SELECT * FROM reasonings") == []


def test_reasonings_are_deleted_by_model_or_all(store, ada):
    for model in ("a", "b", "c"):
        store.put_reasoning("t", "ada", model, "text")
    assert store.delete_reasoning("t", "ada", "a") == 1
    assert store.delete_reasoning("t", "ada", "a") == 0
    assert store.delete_reasoning("t", "ada") == 2


def test_feedback_as_pairs_and_documents(store, ada):
    given = [
        Feedback("p1", "response", edited="as I write", method="rest-pg", seed=7),
        Feedback("p1", "response", chosen="the other one"),
        Feedback("p2", "good", thumbs="up"),
        Feedback("p2", "bad", thumbs="down"),
        Feedback("p3", "bad too", thumbs="down"),
        Feedback("p3", "the same", edited="the same"),
    ]
    ids = [store.add_feedback("t", "ada", one) for one in given]
    kept = store.feedback("t", "ada")
    assert [one.id for one in kept] == ids
    assert (kept[0].edited, kept[0].method, kept[0].seed) == ("as I write", "rest-pg", 7)
    assert [tuple(pair.values()) for pair in preference_pairs(kept)] == [
        ("p1", "as I write", "response"),
        ("p1", "the other one", "response"),
        ("p2", "good", "bad"),
    ]
    assert [d.text for d in written_documents(kept, "ada")] == ["as I write", "the other one", "the same"]
    assert store.delete_feedback("t", "ada", ids[0])
    assert not store.delete_feedback("t", "ada", ids[0])


def test_faulty_feedback(store, ada):
    for given, problem in (
        (Feedback("p", "r"), "found none of them"),
        (Feedback("p", "r", thumbs="left"), "thumbs: found 'left', expected 'up' or 'down'"),
        (Feedback("p", "r", edited="a\0"), "edited: found a NUL"),
        (Feedback("p", "r\ud800", thumbs="up"), "response: found half of a character"),
        (Feedback("p", "r", thumbs="up", seed=2**63), "seed: found 9223372036854775808"),
    ):
        with pytest.raises(ArgumentError, match=problem):
            store.add_feedback("t", "ada", given)
    assert store.feedback("t", "ada") == []


def test_export_has_everything_as_json(store, ada):
    store.add_documents("t", "ada", [Document("", "one", id="1", rating=3.0)])
    store.put_reasoning("t", "ada", "m", "about ada")
    feedback_id = store.add_feedback("t", "ada", Feedback("p", "r", thumbs="down"))
    exported = json.loads(json.dumps(store.export("t", "ada")))
    assert exported["user"] == {"id": "ada", "created": ada.created, "profile_version": ada.profile_version + 1}
    assert [(d["id"], d["text"], d["rating"]) for d in exported["documents"]] == [("1", "one", 3.0)]
    assert [(r["model"], r["text"], r["locked"]) for r in exported["reasonings"]] == [("m", "about ada", True)]
    assert [(f["id"], f["prompt"], f["thumbs"]) for f in exported["feedback"]] == [(feedback_id, "p", "down")]


def test_the_audit_says_what_was_done_and_not_to_whom(store, ada):
    store.add_documents("t", "ada", [Document("", "word"), Document("", "word")])
    store.forget("t", "ada")
    entries = store.audit("t")
    assert [(e.action, e.count) for e in entries] == [("documents added", 2), ("users forgotten", 1)]
    assert store.audit("t", after=entries[0].number) == entries[1:]
    assert not {"ada", "word"} & set(str(entries).replace("'", " ").split())
