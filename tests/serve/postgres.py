"""A PostgreSQL server of Debian's package, started for the tests and ended with them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

NUMBERS = count()


@dataclass
class Cluster:
    """A running server.

    folder: its data.
    sockets: the folder of its socket.
    """

    folder: Path
    sockets: Path

    def url(self, database: str = "postgres", role: str = "postgres") -> str:
        return f"postgresql://{role}@/{database}?host={self.sockets}"

    def execute(self, *statements: str, database: str = "postgres") -> None:
        import psycopg

        with psycopg.connect(host=str(self.sockets), user="postgres", dbname=database, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def new_database(self, owner: str = "penname", template: str = "template1") -> str:
        """The name of a database that was made for a test, as a copy of another."""
        name = f"test_{next(NUMBERS)}"
        self.execute(f"CREATE DATABASE {name} OWNER {owner} TEMPLATE {template}")
        return name


def programs() -> Path | None:
    """The folder of the newest server's programs; None where none is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    beside = shutil.which("postgres")
    return found[-1].parent if found else Path(beside).parent if beside else None


def as_ordinary_user(*command: str) -> list[str]:
    """A command as the server accepts it, which refuses to run as root, and which ends with the tests."""
    if os.geteuid():
        return [*command]
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=INT", *command]


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Start a server with one role for penname, which is no superuser; skips the tests where there is no server."""
    folder = programs()
    if folder is None:
        pytest.skip("no PostgreSQL server: apt-get install postgresql")
    base = Path(tempfile.mkdtemp(prefix="penname-pg-"))
    base.chmod(0o755)
    data, sockets = base / "data", base / "sockets"
    for path in (data, sockets):
        path.mkdir(mode=0o700)
        if not os.geteuid():
            shutil.chown(path, "postgres", "postgres")
    cluster = Cluster(data, sockets)
    initialize = [str(folder / "initdb"), "-D", str(data), "--no-sync", "-U", "postgres", "-A", "trust", "-E", "UTF8"]
    subprocess.run(as_ordinary_user(*initialize), check=True, capture_output=True, cwd="/")
    options = ["-k", str(sockets), "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=120"]
    with (base / "log").open("wb") as log:
        server = subprocess.Popen(
            as_ordinary_user(str(folder / "postgres"), "-D", str(data), *options), stdout=log, stderr=log, cwd="/"
        )
    try:
        wait_until_ready(cluster, server, base / "log")
        cluster.execute("CREATE ROLE penname LOGIN")
        yield cluster
    finally:
        server.send_signal(signal.SIGQUIT)  # at once, as its data goes too
        server.wait(60)
        shutil.rmtree(base)


def wait_until_ready(cluster: Cluster, server: subprocess.Popen[bytes], log: Path) -> None:
    import psycopg

    for _ in range(600):
        try:
            return cluster.execute("SELECT 1")
        except psycopg.OperationalError:
            assert server.poll() is None, log.read_text()
            time.sleep(0.05)
    raise TimeoutError(log.read_text())
