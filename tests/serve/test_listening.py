"""Where a server cannot listen, that is said before a model is loaded."""

from __future__ import annotations

import re
import socket
import sys
import time
from http.client import HTTPConnection

import pytest
from tests.engines.servers import free_port

from penname.cli.app import main
from penname.errors import ArgumentError
from penname.serve.listening import bound_sockets


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--port", "TAKEN"), "--port: found TAKEN, where another program listens, expected a free one"),
        (("--host", "::1", "--port", "TAKEN6"), "--port: found TAKEN6, where another program listens, .*"),
        (("--host", "localhost", "--port", "TAKEN"), "--port: found TAKEN, where another program listens, .*"),
        (("--host", "nowhere.invalid"), r"--host: found 'nowhere.invalid' \(.+\), expected a name or an address of .*"),
        (("--host", "192.0.2.1"), "--host: found '192.0.2.1', expected a name or an address of this machine"),
        (("--host", "."), r"--host: found '\.' \(no such name\), expected .*"),
        (("--host", "x" * 300), r"--host: found 'x+' \(.+\), expected .*"),
    ],
    ids=["taken", "taken6", "localhost", "unknown", "elsewhere", "dot", "long"],
)
def test_where_nobody_can_listen_is_told_in_a_line(options, message, capsys, monkeypatch, tmp_path):
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        socket.create_server(("::1", 0), family=socket.AF_INET6) as taken6,
    ):
        ports = {"TAKEN6": str(taken6.getsockname()[1]), "TAKEN": str(taken.getsockname()[1])}
        filled = [ports.get(option, option) for option in options]
        # A model that is not there would be said first if it were looked for.
        arguments = ["penname", "serve", str(tmp_path / "run"), "--db", f"sqlite:///{tmp_path}/penname.db", *filled]
        monkeypatch.setattr(sys, "argv", arguments)
        with pytest.raises(SystemExit) as ended:
            main()
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out) == (2, "")
    assert re.fullmatch(f"penname: {re.sub('TAKEN6?', lambda found: ports[found[0]], message)}\n", printed.err)
    assert list(tmp_path.iterdir()) == []


def test_a_port_is_held_for_all_addresses_of_a_host_and_answers_nobody_yet():
    port = free_port()
    with bound_sockets("localhost", port) as bound:
        assert {one.getsockname()[:2] for one in bound} <= {("127.0.0.1", port), ("::1", port)}
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        for one in bound:
            one.listen()
        socket.create_connection(("127.0.0.1", port)).close()
        with pytest.raises(ArgumentError, match="another program listens"), bound_sockets("127.0.0.1", port):
            pass
    with bound_sockets("127.0.0.1", port):
        pass


def test_answers_on_a_connection_that_is_kept_wait_for_no_acknowledgement(address):
    """Of two parts of an answer the second one would wait for 40 ms else."""
    connection, seconds = HTTPConnection(address.removeprefix("http://")), []
    for _ in range(20):
        started = time.perf_counter()
        connection.request("GET", "/healthz")
        assert connection.getresponse().read()
        seconds.append(time.perf_counter() - started)
    connection.close()
    assert min(seconds[5:]) < 0.03
