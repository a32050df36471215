"""What Alembic calls to run the revisions: in the transaction of the connection that it is given."""

from alembic import context

from penname.serve.store.migrating import VERSION_TABLE
from penname.serve.store.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"], target_metadata=METADATA, version_table=VERSION_TABLE
)
context.run_migrations()
