"""Ids of any letters in paths are told apart from what is asked of a user."""

from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penname.serve.paths import OF_A_USER, WITH_IDS, id_of, with_ids


def quoted(text):
    return quote(text, safe="")


@settings(max_examples=40, deadline=None)
@given(st.text(min_size=1), st.text(min_size=1), st.sampled_from(OF_A_USER))
def test_an_id_that_is_written_as_clients_do_is_found_again(user, other, name):
    assert with_ids(f"/v1/users/{quoted(user)}/{name}").split("/")[4] == name
    *start, found, _ = with_ids(f"/v1/users/{quoted(user)}/{name}").split("/")
    assert (start, id_of(found)) == (["", "v1", "users"], user)
    if name in WITH_IDS:
        *_, document = with_ids(f"/v1/users/{quoted(user)}/{name}/{quoted(other)}").split("/")
        assert id_of(document) == other
    assert id_of(with_ids(f"/v1/models/{quoted(user)}").removeprefix("/v1/models/")) == user


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("/v1/users/team/ada", ["team/ada"]),
        ("/v1/users/team/ada/", ["team/ada"]),
        ("/v1/users/team/ada/documents", ["team/ada", "documents"]),
        ("/v1/users/ada/documents/2024/rain.txt", ["ada", "documents", "2024/rain.txt"]),
        ("/v1/users/ada/documents/export", ["ada", "documents", "export"]),
        ("/v1/users/ada/documents/a/documents/b", ["ada", "documents", "a/documents/b"]),
        ("/v1/users/ada%2Fdocuments", ["ada/documents"]),
        ("/v1/users/documents", ["documents"]),
        ("/v1/users/documents/documents", ["documents", "documents"]),
        ("/v1/users/ada/reasoning/x", ["ada/reasoning/x"]),
        ("/v1/users/ada%252F", ["ada%2F"]),
        ("/v1/users/a+b%20c@d", ["a+b c@d"]),
        ("/v1/models/penname/team/ada@sft", ["penname/team/ada@sft"]),
    ],
)
def test_a_slash_may_be_written_as_it_is(path, parts):
    assert [id_of(part) for part in with_ids(path).split("/")[3:]] == parts
