"""Reservations by the process that made them, so that those of one that was killed are freed."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table, and free the reservations of which nobody knows who made them."""
    op.create_table(
        "leases",
        *(sa.Column(name, ID, nullable=False) for name in ("tenant", "key_id", "day", "process")),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "key_id", "day", "process"),
        sa.ForeignKeyConstraint(["tenant", "key_id"], ["keys.tenant", "keys.id"], ondelete="CASCADE"),
    )
    if op.get_bind().dialect.name != "postgresql":
        op.execute("UPDATE usage SET reserved = 0")
        return
    # The wall, which hides all rows from this transaction, is taken down in it for those who own the table.
    op.execute("ALTER TABLE usage NO FORCE ROW LEVEL SECURITY")
    op.execute("UPDATE usage SET reserved = 0")
    op.execute("ALTER TABLE usage FORCE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE leases ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE leases FORCE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY own_rows ON leases USING (tenant = current_setting('penname.tenant', true))")
