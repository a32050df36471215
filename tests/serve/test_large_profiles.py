"""Users whose documents take seconds to search: nobody else waits for them, and their words are kept until they go."""

import threading

import anyio
import pytest
from tests.serve.running import in_this_process, wait_until, with_facts

from penname.data.records import Document
from penname.errors import UserError
from penname.retrieval.known_words import KnownWords
from penname.serve import large_profiles
from penname.serve.errors import ApiError
from penname.serve.in_flight import tenant_user
from penname.serve.large_profiles import MOST_WAITING, LargeProfiles
from penname.serve.store.opening import open_store

ADA = tenant_user("local", "ada")


@pytest.fixture(scope="module")
def model(tiny_model, tmp_path_factory):
    return with_facts(tiny_model, tmp_path_factory.mktemp("large") / "model", with_reasoning=False)


@pytest.fixture(scope="module")
def server(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "penname.db"
    with open_store(f"sqlite:///{path}") as store, in_this_process(store, model, longest_wait=5) as running:
        yield running


@pytest.fixture(scope="module")
def han():
    """A text without spaces, whose words take long to be found."""
    letters = "我喜欢北京的烤鸭因为它很好吃东京和上海都大水河雨"
    return "".join(letters[(i * i + i // 7) % len(letters)] + ("。" if i % 23 == 0 else "") for i in range(6_000))


@pytest.fixture
def ada(server, han, monkeypatch):
    """A user with very many letters, most of them in one document."""
    monkeypatch.setattr(large_profiles, "LETTERS", 300_000)
    store = server.state.store
    store.forget("local", "ada")
    server.state.large_profiles.forget(ADA)
    store.put_user("local", "ada")
    documents = [Document("ada", f"{han[n:]} 雨{n}", id=str(n)) for n in range(30)]
    store.add_documents("local", "ada", [*documents, Document("ada", han * 70 + " rain", id="long")])
    return "ada"


def test_nobody_waits_for_a_large_profile_that_is_searched(server, ada):
    state, answers = server.state, []
    alone = server.engine.expected_wait(None, 1)
    large = threading.Thread(target=lambda: answers.append(server.write(ada, "雨7", seed=1)))
    large.start()
    wait_until(lambda: state.large_profiles._turns.statistics().borrowed_tokens)
    assert server.engine.expected_wait(None, 1) == alone
    assert server.write("ben", n=4).status == 200  # all places of the engine
    assert server.ask("GET", "/healthz").status == 200
    assert large.is_alive()
    large.join()
    assert answers[0].status == 200
    expected = state.methods.get(None).writer.find(request("雨7", state.store), 2)
    assert answers[0].json["penname"]["documents"] == [document.id for document in expected]
    assert expected[0].id == "7"


def request(prompt, store):
    from penname.generate.request import TextRequest

    return TextRequest(prompt, store.profile("local", "ada").documents)


def test_the_words_of_a_large_profile_are_kept_until_it_changes_or_goes(server, ada):
    state = server.state
    kept = state.large_profiles._kept_of
    assert server.write(ada, "雨7").json["penname"]["documents"][0] == "7"
    first = kept[ADA].known
    size = first.size
    state.store.add_documents("local", "ada", [Document("ada", "雨99", id="new")])
    assert server.write(ada, "雨99").json["penname"]["documents"][0] == "new"
    assert kept[ADA].known is first
    assert first.size > size
    assert server.ask("DELETE", "/v1/users/ada/documents/7").status == 200
    assert ADA not in kept
    assert "7" not in server.write(ada, "雨7").json["penname"]["documents"]
    assert ADA in kept
    assert server.ask("DELETE", "/v1/users/ada").status == 200
    assert not kept


def test_nothing_is_kept_of_a_user_who_is_forgotten_while_the_documents_are_searched(server, ada):
    turns = server.state.large_profiles._turns.statistics
    writing = threading.Thread(target=server.write, args=(ada,))
    writing.start()
    wait_until(lambda: turns().borrowed_tokens)
    assert server.ask("DELETE", "/v1/users/ada").status == 200
    writing.join()
    wait_until(lambda: not turns().borrowed_tokens)
    assert not server.state.large_profiles._kept_of


def test_a_profile_that_has_become_small_is_none_of_the_large_ones(server, ada):
    server.write(ada)
    server.state.store.remove_document("local", "ada", "long")  # as another process does
    assert server.write(ada).status == 200
    assert not server.state.large_profiles._kept_of


DOCUMENTS = [Document("ada", f"note {n} about rain and bread") for n in range(50)]


@pytest.fixture
def few_letters(monkeypatch):
    monkeypatch.setattr(large_profiles, "LETTERS", 100)


def words_of(documents, known):
    known.hashed("rain", [document.text for document in documents], "words")
    return known


def test_the_words_of_those_go_who_were_not_asked_for_longest(few_letters):
    one = KnownWords()
    words_of(DOCUMENTS, one)
    profiles = LargeProfiles(3 * one.size)

    async def ask(*users):
        for user in users:
            await profiles.search(("acme", user), lambda: DOCUMENTS, words_of)

    anyio.run(ask, "ada", "ben", "cy", "ada", "dot")
    assert list(profiles._kept_of) == [("acme", user) for user in ("cy", "ada", "dot")]


def test_too_many_who_wait_are_refused(few_letters):
    profiles, go_on, refused = LargeProfiles(), threading.Event(), []

    def work(documents, known):
        go_on.wait()
        return words_of(documents, known)

    async def ask(number):
        try:
            await profiles.search(("acme", str(number)), lambda: DOCUMENTS, work)
        except ApiError as error:
            refused.append(error)
            go_on.set()

    async def all_of_them():
        async with anyio.create_task_group() as group:
            for number in range(large_profiles.AT_ONCE + MOST_WAITING + 1):
                group.start_soon(ask, number)

    anyio.run(all_of_them)
    assert len(profiles._kept_of) == large_profiles.AT_ONCE + MOST_WAITING
    assert [(error.status, error.code) for error in refused] == [(429, "server_busy")]
    assert refused[0].retry_after


def test_requests_of_one_user_share_what_the_first_one_keeps(few_letters):
    profiles, waiting, shared = LargeProfiles(), threading.Event(), []

    def work(documents, known):
        shared.append(known)
        waiting.wait()
        return words_of(documents, known)

    async def ask():
        try:
            await profiles.search(ADA, lambda: DOCUMENTS, work)
        except ApiError:
            waiting.set()

    async def all_of_them():
        async with anyio.create_task_group() as group:
            for _ in range(large_profiles.AT_ONCE + MOST_WAITING + 1):
                group.start_soon(ask)

    anyio.run(all_of_them)
    assert {id(known) for known in shared} == {id(profiles._kept_of[ADA].known)}


def test_a_user_whom_nobody_knows_any_more_leaves_nothing(few_letters):
    profiles = LargeProfiles()
    anyio.run(profiles.search, ADA, lambda: DOCUMENTS, words_of)

    def unknown():
        raise UserError("nobody knows the user")

    with pytest.raises(UserError):
        anyio.run(profiles.search, ADA, unknown, words_of)
    assert not profiles._kept_of
