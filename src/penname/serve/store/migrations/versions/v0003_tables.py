"""The first tables and, in PostgreSQL, the wall between tenants. Revisions 0001 and 0002 were in no version."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = None

ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TABLES = ("keys", "usage", "leases", "users", "documents", "reasonings", "feedback", "audit")


def column(name: str, kind: sa.types.TypeEngine[Any], *, nullable: bool = False) -> sa.Column[Any]:
    """A column, which by default is filled in each row."""
    return sa.Column(name, kind, nullable=nullable)


def of_tenant() -> sa.ForeignKeyConstraint:
    """The tenant whose rows these are."""
    return sa.ForeignKeyConstraint(["tenant"], ["tenants.name"], ondelete="CASCADE")


def of_user() -> tuple[sa.Column[Any], sa.Column[Any], sa.ForeignKeyConstraint]:
    """The user whose rows these are."""
    user = sa.ForeignKeyConstraint(["tenant", "user_mark"], ["users.tenant", "users.mark"], ondelete="CASCADE")
    return column("tenant", ID), column("user_mark", ID), user


def upgrade() -> None:
    """Make the tables, and the wall where the database can have one."""
    make_tables_of_tenants()
    make_tables_of_users()
    if op.get_bind().dialect.name == "postgresql":
        build_wall()


def make_tables_of_tenants() -> None:
    """Who may ask, and what was done."""
    op.create_table(
        "tenants",
        sa.Column("name", ID, primary_key=True),
        column("created", sa.Text()),
        column("fingerprint", sa.Text(), nullable=True),
        column("slots", sa.BigInteger(), nullable=True),
    )
    op.create_table(
        "keys",
        column("tenant", ID),
        column("id", ID),
        column("sha256", ID),
        column("label", sa.Text()),
        column("tokens_a_day", sa.BigInteger(), nullable=True),
        column("proxy", sa.Boolean()),
        column("created", sa.Text()),
        column("revoked", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "id"),
        sa.UniqueConstraint("sha256"),
        of_tenant(),
    )
    op.create_table(
        "usage",
        column("tenant", ID),
        column("key_id", ID),
        column("day", ID),
        column("reserved", sa.BigInteger()),
        column("used", sa.BigInteger()),
        sa.PrimaryKeyConstraint("tenant", "key_id", "day"),
        sa.ForeignKeyConstraint(["tenant", "key_id"], ["keys.tenant", "keys.id"], ondelete="CASCADE"),
    )
    op.create_table(
        "leases",
        *(column(name, ID) for name in ("tenant", "key_id", "day", "process")),
        column("reserved", sa.BigInteger()),
        sa.PrimaryKeyConstraint("tenant", "key_id", "day", "process"),
        sa.ForeignKeyConstraint(["tenant", "key_id"], ["keys.tenant", "keys.id"], ondelete="CASCADE"),
    )
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "audit",
        sa.Column("number", number, sa.Identity(always=True), primary_key=True),
        column("tenant", ID),
        column("time", sa.Text()),
        column("action", sa.Text()),
        column("count", sa.BigInteger()),
        of_tenant(),
    )
    op.create_index("audit_of_tenant", "audit", ["tenant", "number"])


def make_tables_of_users() -> None:
    """Who is written as, and from what."""
    op.create_table(
        "users",
        column("tenant", ID),
        column("mark", ID),
        column("slot", sa.BigInteger()),
        column("created", sa.Text()),
        column("profile_version", sa.BigInteger()),
        column("sealed_id", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("tenant", "mark"),
        sa.UniqueConstraint("slot"),
        of_tenant(),
    )
    op.create_table(
        "documents",
        *of_user(),
        column("mark", ID),
        column("added", sa.BigInteger()),
        column("place", sa.Integer()),
        column("sealed", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("tenant", "user_mark", "mark"),
    )
    op.create_table(
        "reasonings",
        *of_user(),
        column("model", ID),
        column("profile_version", sa.BigInteger()),
        column("locked", sa.Boolean()),
        column("sealed", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("tenant", "user_mark", "model"),
    )
    op.create_table(
        "feedback",
        *of_user(),
        column("id", ID),
        column("created", sa.Text()),
        column("sealed", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("tenant", "user_mark", "id"),
    )


def build_wall() -> None:
    """A transaction sees the rows of the tenant that it names; a key it may also find by the hash of its secret."""
    for name in (*TABLES, "tenants"):
        column_name = "name" if name == "tenants" else "tenant"
        op.execute(f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY own_rows ON {name} USING ({column_name} = current_setting('penname.tenant', true))")
    op.execute("CREATE POLICY by_secret ON keys FOR SELECT USING (sha256 = current_setting('penname.sha256', true))")
    op.execute("CREATE POLICY names ON tenants FOR SELECT USING (current_setting('penname.upkeep', true) = 'on')")
