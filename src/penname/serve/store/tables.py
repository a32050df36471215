"""The tables. What is about a user goes with the user's row, and is sealed with the user's key.

A mark stands for an id, so that no id of a user's or of a document can be read either.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

METADATA = MetaData()

# By code points, whatever the server's language is: pages of ids are in one order, and no update of it breaks an index.
_ID = Text().with_variant(Text(collation="C"), "postgresql")


def _of_tenant() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["tenant"], ["tenants.name"], ondelete="CASCADE")


def _of_user() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["tenant", "user_mark"], ["users.tenant", "users.mark"], ondelete="CASCADE")


tenants = Table(
    "tenants",
    METADATA,
    Column("name", _ID, primary_key=True),
    Column("created", Text, nullable=False),
    # Of the file that has its users' keys, and how many slots that had at least; none before it has any.
    Column("fingerprint", Text),
    Column("slots", BigInteger),
)

keys = Table(
    "keys",
    METADATA,
    Column("tenant", _ID, nullable=False),
    Column("id", _ID, nullable=False),
    Column("sha256", _ID, nullable=False),
    Column("label", Text, nullable=False),
    Column("tokens_a_day", BigInteger),
    Column("proxy", Boolean, nullable=False),
    Column("created", Text, nullable=False),
    Column("revoked", Text),
    PrimaryKeyConstraint("tenant", "id"),
    UniqueConstraint("sha256"),
    _of_tenant(),
)

usage = Table(
    "usage",
    METADATA,
    Column("tenant", _ID, nullable=False),
    Column("key_id", _ID, nullable=False),
    Column("day", _ID, nullable=False),
    Column("reserved", BigInteger, nullable=False),
    Column("used", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "key_id", "day"),
    ForeignKeyConstraint(["tenant", "key_id"], ["keys.tenant", "keys.id"], ondelete="CASCADE"),
)

# What each process reserved of `usage.reserved`.
leases = Table(
    "leases",
    METADATA,
    Column("tenant", _ID, nullable=False),
    Column("key_id", _ID, nullable=False),
    Column("day", _ID, nullable=False),
    Column("process", _ID, nullable=False),
    Column("reserved", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "key_id", "day", "process"),
    ForeignKeyConstraint(["tenant", "key_id"], ["keys.tenant", "keys.id"], ondelete="CASCADE"),
)

users = Table(
    "users",
    METADATA,
    Column("tenant", _ID, nullable=False),
    Column("mark", _ID, nullable=False),
    Column("slot", BigInteger, nullable=False),  # where the user's key is
    Column("created", Text, nullable=False),
    Column("profile_version", BigInteger, nullable=False),
    Column("sealed_id", LargeBinary, nullable=False),
    PrimaryKeyConstraint("tenant", "mark"),
    UniqueConstraint("slot"),  # no two copies of the file may be written to
    _of_tenant(),
)

documents = Table(
    "documents",
    METADATA,
    Column("tenant", _ID, nullable=False),
    Column("user_mark", _ID, nullable=False),
    Column("mark", _ID, nullable=False),
    # The order in which documents came: the version of the profile that each came with, and its place in the request.
    Column("added", BigInteger, nullable=False),
    Column("place", Integer, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("tenant", "user_mark", "mark"),
    _of_user(),
)

reasonings = Table(
    "reasonings",
    METADATA,
    Column("tenant", _ID, nullable=False),
    Column("user_mark", _ID, nullable=False),
    Column("model", _ID, nullable=False),
    Column("profile_version", BigInteger, nullable=False),
    Column("locked", Boolean, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("tenant", "user_mark", "model"),
    _of_user(),
)

feedback = Table(
    "feedback",
    METADATA,
    Column("tenant", _ID, nullable=False),
    Column("user_mark", _ID, nullable=False),
    Column("id", _ID, nullable=False),
    Column("created", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("tenant", "user_mark", "id"),
    _of_user(),
)

audit = Table(
    "audit",
    METADATA,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), Identity(always=True), primary_key=True),
    Column("tenant", _ID, nullable=False),
    Column("time", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("count", BigInteger, nullable=False),
    _of_tenant(),
    Index("audit_of_tenant", "tenant", "number"),
)
