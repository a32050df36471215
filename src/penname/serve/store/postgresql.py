"""PostgreSQL: a wall of row-level security between tenants, behind that of the statements."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from sqlalchemy import URL, Connection, Engine, Table, create_engine, func, select, text
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.exc import SQLAlchemyError

from penname.errors import UserError
from penname.serve.store.database import KEEPING_NO_VALUES, WAIT_SECONDS, Database
from penname.serve.store.tables import METADATA

CONNECTIONS = 40
"""As many as there are threads that answer requests; PostgreSQL admits 100 unless it is told otherwise."""

BOUND_ROLE = "penname_bound"
"""The role of a transaction of someone whom policies do not bind."""

# A role is all databases' of a server: another's store may make it at this moment.
_MAKE_ROLE = f"""
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{BOUND_ROLE}') THEN
        CREATE ROLE {BOUND_ROLE} NOLOGIN NOSUPERUSER NOBYPASSRLS;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$
"""
_LOCK = 0x70656E6E616D65  # "penname"
_SECONDS_TO_CONNECT = "10"


class Postgresql(Database):
    """A database of a PostgreSQL server.

    Superusers, and roles that bypass row-level security, take the role `BOUND_ROLE` in each transaction.

    Raises UserError where psycopg is missing.
    """

    default_user_keys = None

    def __init__(self, url: URL) -> None:
        try:
            import psycopg  # noqa: F401
        except ImportError as error:
            raise UserError(f"PostgreSQL needs psycopg: pip install 'penname[postgres]' ({error})") from error
        self.name = f"database {url.render_as_string()}"
        self._role: str | None = None
        self._naming = Lock()
        self._process: tuple[int, Connection] | None = None
        self.engine = create_engine(
            url.set(drivername="postgresql+psycopg").update_query_dict(
                {"connect_timeout": _SECONDS_TO_CONNECT, **url.query}
            ),
            **KEEPING_NO_VALUES,
            pool_size=CONNECTIONS // 2,
            max_overflow=CONNECTIONS // 2 + 1,
            pool_timeout=WAIT_SECONDS,
            pool_pre_ping=True,
        )
        self._as_of_one_moment = self.engine.execution_options(isolation_level="REPEATABLE READ")

    def insert(self, table: Table) -> Insert:
        """See `Database.insert`."""
        return insert(table)

    @contextmanager
    def begin(self, write: bool) -> Iterator[Connection]:
        """See `Database.begin`."""
        engine = self.engine if write else self._as_of_one_moment
        with engine.connect() as connection, connection.begin():
            yield connection

    def stand_before(self, connection: Connection, wall: dict[str, str]) -> None:
        """See `Database.stand_before`."""
        settings = {f"penname.{name}": value for name, value in wall.items()} | (
            {"role": self._role} if self._role else {}
        )
        connection.execute(select(*(func.set_config(name, value, True) for name, value in settings.items())))

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        """See `Database.migrating`; then take the role that policies bind, if this one's is another."""
        with self.begin(write=True) as connection:
            connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
            yield connection
            self._role = self._bind(connection)

    def _bind(self, connection: Connection) -> str | None:
        """The role that transactions are to take, which is made where it is missing; None for the one that connects."""
        unbound = text("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
        if not connection.scalar(unbound):
            return None
        connection.execute(text(_MAKE_ROLE))
        connection.execute(text(f"GRANT {BOUND_ROLE} TO CURRENT_USER"))
        names = ", ".join(METADATA.tables)
        connection.execute(text(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {names} TO {BOUND_ROLE}"))
        return BOUND_ROLE

    def process(self) -> str:
        """See `Database.process`: the lock is one of a connection's, and the server takes it back when that ends."""
        with self._naming:
            number, connection = self._process or (secrets.randbits(62), None)
            if connection is None or not _answers(connection):  # the server was started anew, and has no lock of ours
                connection = self._without_transactions().connect()
                # Not to be waited for: where a connection broke, the server may not have noticed and still hold it.
                connection.execute(select(func.pg_try_advisory_lock(number)))
                self._process = number, connection
            return str(number)

    def is_running(self, process: str) -> bool:
        """See `Database.is_running`."""
        with self.begin(write=True) as connection:
            return not connection.scalar(select(func.pg_try_advisory_xact_lock(int(process))))

    def close(self) -> None:
        """See `Database.close`."""
        process, self._process = self._process, None
        if process:
            process[1].invalidate()  # else it would go back to the others with its lock
            process[1].close()
        self.engine.dispose()

    def _without_transactions(self) -> Engine:
        return self.engine.execution_options(isolation_level="AUTOCOMMIT")

    def erase(self) -> bool:
        """See `Database.erase`: PostgreSQL uses the room of deleted rows again in its own time."""
        return True


def _answers(connection: Connection) -> bool:
    try:
        connection.execute(select(1))
    except SQLAlchemyError:
        connection.invalidate()
        connection.close()
        return False
    return True
