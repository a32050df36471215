"""Two tenants with users of the same ids: what one does changes nothing for the other."""

from __future__ import annotations

from collections import defaultdict
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penname.data.records import Document
from penname.serve.store.records import Feedback, UnknownUser

TENANTS, USERS, IDS, MODELS = ("one", "two"), ("ada", "bob"), ("1", "2"), ("m", "n")
NUMBERS = count()

STEP = st.tuples(
    st.sampled_from(("put", "add", "remove", "keep", "reason", "unreason", "feedback", "unfeedback", "forget")),
    st.sampled_from(TENANTS),
    st.sampled_from(USERS),
    st.sampled_from(IDS),
    st.sampled_from(MODELS),
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
