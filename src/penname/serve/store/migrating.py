"""Brings a database to the newest revision of its tables."""

from __future__ import annotations

from alembic.command import upgrade
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, inspect

from penname.errors import UserError
from penname.serve.store.tables import METADATA

VERSION_TABLE = "penname_version"
"""Where Alembic notes the revision: not under its own default name, which other programs use in the same database."""


def migrate(connection: Connection, name: str) -> None:
    """Run the revisions that a database lacks.

    connection: one whose transaction keeps others from migrating at the same time.
    name: the database's, for error messages.

    Raises UserError for a database of a newer penname, and for one with tables of another program.
    """
    config = Config()
    config.set_main_option("script_location", "penname.serve.store:migrations")
    config.attributes["connection"] = connection
    revisions = ScriptDirectory.from_config(config)
    found = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()
    newest = revisions.get_current_head()
    if found == newest:
        return
    if found is None:
        _check_that_no_table_is_there(connection, name)
    else:
        _check_that_it_is_known(revisions, found, name)
    upgrade(config, "head")


def _check_that_no_table_is_there(connection: Connection, name: str) -> None:
    foreign = sorted(set(inspect(connection).get_table_names()) & set(METADATA.tables))
    if foreign:
        raise UserError(f"{name}: found another program's table {foreign[0]!r}, expected a new or penname's database")


def _check_that_it_is_known(revisions: ScriptDirectory, found: str, name: str) -> None:
    try:
        revisions.get_revision(found)
    except CommandError:
        newest = revisions.get_current_head()
        raise UserError(
            f"{name}: found revision {found}, expected at most {newest}: it is of a newer penname, which opens it"
        ) from None
