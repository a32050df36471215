"""Two tenants with users of the same ids: what one does changes nothing for the other."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penname.data.records import Document
from penname.serve.store.records import Feedback, UnknownUser, Usage

TENANTS, USERS, IDS, MODELS = ("one", "two"), ("ada", "bob"), ("1", "2"), ("m", "n")
NUMBERS = count()

STEP = st.tuples(
    st.sampled_from(("put", "add", "remove", "keep", "reason", "unreason", "feedback", "unfeedback", "forget")),
    st.sampled_from(TENANTS),
    st.sampled_from(USERS),
    st.sampled_from(IDS),
    st.sampled_from(MODELS),
)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, min_size=10, max_size=25))
def test_tenants_with_the_same_users_never_meet(store, steps):
    names = {tenant: f"{tenant}-{next(NUMBERS)}" for tenant in TENANTS}
    # Of each user: texts by id, reasonings by model, feedback by id.
    expected = {tenant: defaultdict(lambda: ({}, {}, {})) for tenant in TENANTS}
    keys = {tenant: store.key_of(store.add_key(names[tenant], tokens_a_day=1000)) for tenant in TENANTS}
    spent = dict.fromkeys(TENANTS, 0)
    for number, (action, tenant, user, id, model) in enumerate(steps):
        take(store, names[tenant], expected[tenant], (action, user, id, model), f"{tenant} {number}")
        assert store.reserve(keys[tenant], "2026-01-01", 9)
        store.settle(keys[tenant], "2026-01-01", 9, number)
        spent[tenant] += number
    for tenant in TENANTS:
        assert_holds(store, names[tenant], expected[tenant])
        assert store.usage(keys[tenant], "2026-01-01").used == spent[tenant]
        assert [key.id for key in store.list_keys(names[tenant])] == [keys[tenant].id]


def take(store, tenant, users, step, words):
    """Take a step in the store and in what is expected of it."""
    action, user, id, model = step
    if action == "put":
        store.put_user(tenant, user)
        return users[user]
    if action == "forget":
        assert store.forget(tenant, user) is (users.pop(user, None) is not None)
        return None
    try:
        store.user(tenant, user)
    except UnknownUser:
        assert user not in users
        return None
    texts, reasonings, feedback = users[user]
    if action == "add":
        store.add_documents(tenant, user, [Document(user, words, id=id)])
        texts[id] = words
        drop_written(reasonings)
    elif action == "remove":
        assert store.remove_document(tenant, user, id) is (id in texts)
        if texts.pop(id, None):
            drop_written(reasonings)
    elif action == "keep":
        by_hand = reasonings.get(model, ("", False))[1]
        kept = store.keep_reasoning(tenant, user, model, words, store.profile(tenant, user).version)
        assert kept is not by_hand
        if kept:
            reasonings[model] = words, False
    elif action == "reason":
        store.put_reasoning(tenant, user, model, words)
        reasonings[model] = words, True
    elif action == "unreason":
        assert store.delete_reasoning(tenant, user, model) == (reasonings.pop(model, None) is not None)
    elif action == "feedback":
        feedback[store.add_feedback(tenant, user, Feedback(words, "r", thumbs="up"))] = words
    elif feedback:
        oldest = next(iter(feedback))
        assert store.delete_feedback(tenant, user, oldest)
        del feedback[oldest]


def drop_written(reasonings):
    for model in [model for model, (_, by_hand) in reasonings.items() if not by_hand]:
        del reasonings[model]


def assert_holds(store, tenant, users):
    assert [user.id for user in store.users(tenant)] == sorted(users)
    for user, (texts, reasonings, feedback) in users.items():
        assert {d.id: d.text for d in store.profile(tenant, user).documents} == texts
        assert {d.id: d.text for d in store.documents(tenant, user)} == texts
        for model in MODELS:
            kept = store.reasoning(tenant, user, model)
            assert ((kept.text, kept.locked) if kept else None) == reasonings.get(model)
        assert {one.id: one.prompt for one in store.feedback(tenant, user)} == feedback
        exported = store.export(tenant, user)
        assert {d["id"]: d["text"] for d in exported["documents"]} == texts
        assert {r["model"]: (r["text"], r["locked"]) for r in exported["reasonings"]} == reasonings
        assert {f["id"]: f["prompt"] for f in exported["feedback"]} == feedback


def fill(store, tenant, words):
    """Give a tenant a key and the users, each with one of everything, by the same ids in every tenant."""
    key = store.key_of(store.add_key(tenant, tokens_a_day=10))
    assert store.reserve(key, "2026-01-01", 1)
    for user in USERS:
        store.put_user(tenant, user)
        store.add_documents(tenant, user, [Document(user, words, id=id) for id in IDS])
        assert store.keep_reasoning(tenant, user, "m", words, store.profile(tenant, user).version)
        store.put_reasoning(tenant, user, "n", words)
        store.add_feedback(tenant, user, Feedback(words, words, edited=words))
    return key


def seen(store, tenant):
    """All that a tenant is shown."""
    keys = store.list_keys(tenant)
    return {
        "users": store.users(tenant),
        "user": [store.user(tenant, user) for user in USERS],
        "export": [store.export(tenant, user) for user in USERS],
        "profile": [store.profile(tenant, user) for user in USERS],
        "documents": [store.documents(tenant, user, search="words") for user in USERS],
        "reasonings": [store.reasoning(tenant, user, model) for user in USERS for model in MODELS],
        "feedback": [store.feedback(tenant, user) for user in USERS],
        "keys": keys,
        "usage": [store.usage(key, "2026-01-01") for key in keys],
        "audit": store.audit(tenant),
    }


def test_no_call_for_one_tenant_changes_or_shows_anything_of_the_other(store, look):
    keys = {tenant: fill(store, tenant, f"words of {tenant}") for tenant in TENANTS}
    before = seen(store, "two")
    assert "words of one" not in str(before)
    assert "words of two" not in str(seen(store, "one"))
    theirs = store.feedback("two", "ada")[0].id
    assert not store.delete_feedback("one", "ada", theirs)
    assert not store.revoke_key("one", keys["two"].id)
    look_alike = replace(keys["one"], id=keys["two"].id)  # as if the two had keys of one id
    for call in (
        lambda: store.put_tenant("one"),
        lambda: store.put_user("one", "ada"),
        lambda: store.add_documents("one", "ada", [Document("", "new", id="1")]),
        lambda: store.remove_document("one", "ada", "1"),
        lambda: store.keep_reasoning("one", "ada", "m", "new", store.profile("one", "ada").version),
        lambda: store.put_reasoning("one", "ada", "n", "new"),
        lambda: store.delete_reasoning("one", "ada", "m"),
        lambda: store.delete_reasoning("one", "ada"),
        lambda: store.add_feedback("one", "ada", Feedback("new", "new", thumbs="up")),
        lambda: store.delete_feedback("one", "ada", store.feedback("one", "ada")[0].id),
        lambda: store.reserve(keys["one"], "2026-01-01", 9),
        lambda: store.settle(keys["one"], "2026-01-01", 9, 5),
        lambda: store.settle(look_alike, "2026-01-01", 1, 5),
        lambda: store.revoke_key("one", keys["one"].id),
        lambda: store.forget("one", "ada"),
        lambda: store.forget_again(["one"]),
        lambda: store.free_reservations(["one"]),
    ):
        call()
        assert seen(store, "two") == before
    store.settle(keys["two"], "2026-01-01", 1, 1)
    assert store.usage(keys["two"], "2026-01-01") == Usage(used=1)
    assert look("SELECT tenant, count(*) FROM documents GROUP BY tenant ORDER BY tenant") == [("one", 2), ("two", 4)]
