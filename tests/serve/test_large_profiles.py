"""Users whose documents take seconds to search: nobody else waits for them, and their words are kept until they go."""

import threading
from dataclasses import dataclass, field

import anyio
import pytest
from tests.serve.running import in_this_process, wait_until, with_facts

from penname.data.records import Document
from penname.errors import UserError
from penname.retrieval.known_words import KnownWords
from penname.serve import large_profiles
from penname.serve.errors import ApiError
from penname.serve.in_flight import tenant_user
from penname.serve.large_profiles import MOST_ASKED, MOST_OF_A_TENANT, LargeProfiles
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


def test_nobody_waits_for_a_large_profile_that_is_searched(server, ada, monkeypatch):
    state, answers = server.state, []
    others_answered, search = threading.Event(), LargeProfiles._search_large

    def long_search(*arguments):
        found = search(*arguments)
        assert others_answered.wait(60)  # however fast this machine searches
        return found

    monkeypatch.setattr(LargeProfiles, "_search_large", long_search)
    alone = server.engine.expected_wait(None, 1)
    large = threading.Thread(target=lambda: answers.append(server.write(ada, "雨7", seed=1)))
    large.start()
    wait_until(lambda: state.large_profiles._turn.statistics().locked)
    assert server.engine.expected_wait(None, 1) == alone
    assert server.write("ben", n=4).status == 200  # all places of the engine
    assert server.ask("GET", "/healthz").status == 200
    others_answered.set()
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
    known = state.large_profiles._known
    assert server.write(ada, "雨7").json["penname"]["documents"][0] == "7"
    first = known[ADA]
    size = first.size
    state.store.add_documents("local", "ada", [Document("ada", "雨99", id="new")])
    assert server.write(ada, "雨99").json["penname"]["documents"][0] == "new"
    assert known[ADA] is first
    assert first.size > size
    assert server.ask("DELETE", "/v1/users/ada/documents/7").status == 200
    assert ADA not in known
    assert "7" not in server.write(ada, "雨7").json["penname"]["documents"]
    assert ADA in known
    assert server.ask("DELETE", "/v1/users/ada").status == 200
    assert not known


def test_nothing_is_kept_of_a_user_who_is_forgotten_while_the_documents_are_searched(server, ada):
    turn = server.state.large_profiles._turn.statistics
    writing = threading.Thread(target=server.write, args=(ada,))
    writing.start()
    wait_until(lambda: turn().locked)
    assert server.ask("DELETE", "/v1/users/ada").status == 200
    writing.join()
    wait_until(lambda: not turn().locked)
    assert not server.state.large_profiles._known


def test_a_profile_that_has_become_small_is_none_of_the_large_ones(server, ada):
    server.write(ada)
    server.state.store.remove_document("local", "ada", "long")  # as another process does
    assert server.write(ada).status == 200
    assert not server.state.large_profiles._known


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
    assert list(profiles._known) == [("acme", user) for user in ("cy", "ada", "dot")]


@dataclass
class Asked:
    """What becomes of requests that come at once, none of which is searched before the last one has come.

    searched: the users in the order of their searches; together: the most that were searched at once.
    readings: the users whose documents were read before they had their turn.
    """

    refused: list = field(default_factory=list)
    searched: list = field(default_factory=list)
    readings: list = field(default_factory=list)
    together: int = 0

    def __post_init__(self):
        self.profiles, self._go_on, self._at_work = LargeProfiles(), threading.Event(), 0

    def ask(self, users):
        anyio.run(self._ask_all, users)
        return self

    async def _ask_all(self, users):
        async with anyio.create_task_group() as group:
            for user in users:
                group.start_soon(self._ask, user)
                await anyio.wait_all_tasks_blocked()
                while user in self.profiles._readings:
                    await anyio.sleep(0.001)
            self._go_on.set()

    async def _ask(self, user):
        try:
            await self.profiles.search(user, lambda: self._read(user), lambda documents, known: self._work(user, known))
        except ApiError as error:
            self.refused.append((user, error))

    def _read(self, user):
        self.readings.append(user)
        return DOCUMENTS

    def _work(self, user, known):
        self._at_work += 1
        self.together = max(self.together, self._at_work)
        self._go_on.wait()
        self._at_work -= 1
        self.searched.append(user)
        return known


def test_one_tenant_leaves_room_for_others_who_take_turns_with_it(few_letters):
    acme, other = [("acme", str(n)) for n in range(12)], [("other", str(n)) for n in range(12)]
    asked = Asked().ask([*acme, *other])
    assert asked.together == 1
    assert [user for user, _ in asked.refused] == acme[MOST_OF_A_TENANT:] + other[MOST_OF_A_TENANT:]
    assert {(error.status, error.code) for _, error in asked.refused} == {(429, "server_busy")}
    assert all(error.retry_after for _, error in asked.refused)
    assert asked.searched == [user for pair in zip(acme, other, strict=True) for user in pair][:MOST_ASKED]


def test_requests_of_many_tenants_have_a_limit_too(few_letters):
    users = [(f"tenant {n}", "ada") for n in range(MOST_ASKED + 2)]
    asked = Asked().ask(users)
    assert [user for user, _ in asked.refused] == users[MOST_ASKED:]


def test_whoever_is_refused_has_nothing_read_once_the_size_is_known(few_letters):
    asked = Asked().ask([("acme", "ada")] * 12)
    assert len(asked.refused) == 12 - MOST_OF_A_TENANT
    assert len(asked.readings) == 1 + MOST_OF_A_TENANT


def test_a_profile_of_unknown_size_is_read_once_for_all_who_ask(few_letters):
    profiles, readings, go_on = LargeProfiles(), [], threading.Event()

    def read():
        readings.append(None)
        go_on.wait()
        return DOCUMENTS

    async def all_of_them():
        async with anyio.create_task_group() as group:
            for _ in range(MOST_OF_A_TENANT):
                group.start_soon(profiles.search, ADA, read, words_of)
            await anyio.wait_all_tasks_blocked()
            before = len(readings)
            go_on.set()
        assert before == 1

    anyio.run(all_of_them)
    assert len(readings) == 1 + MOST_OF_A_TENANT  # and by each in its turn


def test_nothing_is_known_of_those_who_have_no_documents():
    profiles = LargeProfiles()
    anyio.run(profiles.search, ADA, lambda: [], lambda documents, known: True)
    assert not profiles._large
    anyio.run(profiles.search, ADA, lambda: DOCUMENTS, lambda documents, known: True)
    assert ADA in profiles._large
    profiles.forget(ADA)
    assert not profiles._large


def test_a_user_whom_nobody_knows_any_more_leaves_nothing(few_letters):
    profiles = LargeProfiles()
    anyio.run(profiles.search, ADA, lambda: DOCUMENTS, words_of)

    def unknown():
        raise UserError("nobody knows the user")

    with pytest.raises(UserError):
        anyio.run(profiles.search, ADA, unknown, words_of)
    assert not profiles._known
    assert not profiles._large
