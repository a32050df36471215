"""The commands that make keys, list them and end them."""

import shlex
import sys

import pytest

from penname.cli.app import main
from penname.serve.store.opening import open_store


@pytest.fixture
def penname(tmp_path, capsys, monkeypatch):
    """Runs a command on a database of its own; what it prints, and beside it."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["penname", "keys", *words, "--db", f"sqlite:///{tmp_path}/penname.db"])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code or 0, *capsys.readouterr()

    return run


def test_a_key_is_ended_as_it_was_told_when_it_was_made(penname, tmp_path):
    code, secret, beside = penname("add", "--tenant", "acme & co", "--label", "web")
    assert (code, secret.startswith("pn-"), secret.count("\n")) == (0, True, 1)
    assert secret.strip() not in beside
    command = shlex.split(beside.partition(": ")[2])
    assert command[:3] == ["penname", "keys", "revoke"]
    assert penname("list")[1].startswith(command[3])
    assert penname(*command[2:])[0] == 0
    with open_store(f"sqlite:///{tmp_path}/penname.db") as store:
        assert store.key_of(secret.strip()) is None
    assert penname(*command[2:])[0] == 2
