"""Documents of several users at once: all of them are added, or nothing is."""

from __future__ import annotations

import pytest

from penname.data.records import Document
from penname.errors import ArgumentError
from penname.serve.store.records import UnknownTenant, UnknownUser


def documents(count: int, word: str = "text") -> list[Document]:
    return [Document("", f"{word} {n}", id=f"d{n}") for n in range(count)]


def known(store):
    ids = [user.id for user in store.users("t")]
    return store.count_documents("t", ids)


@pytest.fixture(autouse=True)
def tenant(store):
    store.put_tenant("t")
    store.put_tenant("other")


def test_users_and_documents_are_added_together(store):
    store.put_user("t", "ada")
    before = store.user("t", "ada").profile_version
    told = []
    assert store.add_profiles("t", {"ada": documents(700), "bo": documents(2), "cy": []}, told.append) == 702
    assert known(store) == {"ada": 700, "bo": 2}
    assert store.user("t", "ada").profile_version == before + 1
    assert sum(told) == 702
    assert [document.id for document in store.documents("t", "ada", limit=1000)] == [f"d{n}" for n in range(700)]
    assert ("documents added", 702) in [(entry.action, entry.count) for entry in store.audit("t")]


def test_documents_of_the_same_id_take_the_place_of_those_before(store):
    for word in ("first", "second"):
        store.add_profiles("t", {"ada": documents(3, word)})
    assert [document.text for document in store.documents("t", "ada")] == ["second 0", "second 1", "second 2"]


def test_what_fails_in_the_middle_leaves_nothing(store, user_keys):
    store.add_profiles("t", {"ada": documents(1)})
    version = store.user("t", "ada").profile_version

    keys = store._user_keys

    def fail(count: int) -> None:
        if len(keys) > 2:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        store.add_profiles("t", {"ada": documents(5), "bo": documents(5), "cy": documents(5)}, fail)
    assert known(store) == {"ada": 1}
    assert store.user("t", "ada").profile_version == version
    forgotten, damaged = keys.states()
    assert (len(forgotten), damaged) == (2, set())  # nobody can read what the files may still have
    store.add_profiles("t", {"bo": documents(1)})
    assert known(store) == {"ada": 1, "bo": 1}


def test_a_text_that_cannot_be_kept_keeps_all_out(store):
    with pytest.raises(ArgumentError, match="NUL"):
        store.add_profiles("t", {"ada": documents(1), "bo": [Document("", "a\0b")]})
    with pytest.raises(ArgumentError, match="control character"):
        store.add_profiles("t", {"ada": documents(1), "b\no": documents(1)})
    with pytest.raises(UnknownTenant):
        store.add_profiles("nobody", {"ada": documents(1)})
    assert known(store) == {}


def test_who_is_not_wanted_any_more_is_left_out_also_at_the_end(store):
    unwanted = {"ada"}

    def drop(count: int) -> None:
        unwanted.add("bo")

    profiles = {"ada": documents(1), "bo": documents(1), "cy": documents(1)}
    assert store.add_profiles("t", profiles, drop, lambda user: user not in unwanted) == 1
    assert known(store) == {"cy": 1}


def test_documents_are_counted_for_each_tenant_alone(store):
    store.add_profiles("t", {"ada": documents(2)})
    store.add_profiles("other", {"ada": documents(3)})
    store.put_user("t", "bo")
    assert store.count_documents("t", ["ada", "bo", "nobody"]) == {"ada": 2, "bo": 0}
    assert store.count_documents("t", []) == {}


def test_the_latest_documents_come_first_and_no_more_than_are_asked_for(store):
    store.add_profiles("t", {"ada": documents(3), "bo": documents(2)})
    store.add_documents("t", "ada", [Document("", "the newest", id="new")])
    assert [document.id for document in store.latest_documents("t", "ada", 12)] == ["new", "d2"]
    assert [document.id for document in store.latest_documents("t", "ada", 10**6)] == ["new", "d2", "d1", "d0"]
    assert store.latest_documents("t", "ada", 0) == []


@pytest.mark.parametrize("known", [False, True])
def test_documents_that_are_not_wanted_any_more_are_not_added(store, known):
    if known:
        store.add_documents("t", "ada", documents(2), put_user=True)
    with pytest.raises(UnknownUser):
        store.add_documents("t", "ada", documents(5), put_user=True, wanted=lambda: False)
    assert store.has_user("t", "ada") is known
    assert sum(store.count_documents("t", ["ada"]).values()) == (2 if known else 0)
    assert len(store.add_documents("t", "ada", documents(5), put_user=True)) == 5
