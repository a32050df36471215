"""Tenants and their keys. Of a key's secret only the hash is kept."""

from __future__ import annotations

import hashlib
import secrets

from sqlalchemy import Connection, insert, select, update

from penname.errors import ArgumentError
from penname.serve.store.database import selected
from penname.serve.store.part import Part, checked_id, checked_text, note, now
from penname.serve.store.records import Key
from penname.serve.store.tables import keys, tenants

KEY_PREFIX = "pn-"
_SHOWN = [column for column in keys.columns if column is not keys.c.sha256]


class Keys(Part):
    """Who may ask."""

    def put_tenant(self, tenant: str) -> None:
        """Add a tenant, unless there is one of this name."""
        tenant = checked_id("tenant", tenant)
        with self._database.writing(tenant) as connection:
            self._put_tenant(connection, tenant)

    def _put_tenant(self, connection: Connection, tenant: str) -> None:
        values = {"name": tenant, "created": now()}
        connection.execute(self._database.insert(tenants).values(values).on_conflict_do_nothing())

    def tenants(self) -> list[str]:
        """The names of all tenants."""
        with self._database.listing() as connection:
            return list(connection.scalars(select(tenants.c.name).order_by(tenants.c.name)))

    def add_key(self, tenant: str, label: str = "", tokens_a_day: int | None = None, *, proxy: bool = False) -> str:
        """Add a key, and its tenant if there is none of this name.

        label: what the key is for.
        tokens_a_day: most tokens that it may spend in a day; None for no limit.
        proxy: whether it belongs to a program that names the user of each request itself.

        The result is the key's secret, which is not kept.
        """
        if tokens_a_day is not None and not 0 <= tokens_a_day < 2**62:
            raise ArgumentError("tokens_a_day", f"found {tokens_a_day}, expected 0 or more")
        tenant = checked_id("tenant", tenant)
        secret = KEY_PREFIX + secrets.token_urlsafe(32)
        key = Key(tenant, secrets.token_hex(4), checked_text("label", label), tokens_a_day, proxy, now())
        with self._database.writing(tenant) as connection:
            self._put_tenant(connection, tenant)
            connection.execute(insert(keys).values(**vars(key), sha256=_hash(secret)))
            note(connection, tenant, "key added")
        return secret

    def key_of(self, secret: str) -> Key | None:
        """The key with this secret; None where there is none or it was revoked."""
        if not secret.startswith(KEY_PREFIX):
            return None
        sha256 = _hash(secret)
        with self._database.finding(sha256) as connection:
            query = select(*_SHOWN).where(keys.c.sha256 == sha256, keys.c.revoked.is_(None))
            row = connection.execute(query).one_or_none()
        return Key(**selected(row)) if row else None

    def list_keys(self, tenant: str) -> list[Key]:
        """A tenant's keys, revoked ones too, in the order in which they were added."""
        tenant = checked_id("tenant", tenant)
        with self._database.reading(tenant) as connection:
            query = select(*_SHOWN).where(keys.c.tenant == tenant).order_by(keys.c.created, keys.c.id)
            return [Key(**selected(row)) for row in connection.execute(query)]

    def revoke_key(self, tenant: str, key_id: str) -> bool:
        """End a key's validity; whether the tenant has it and it was valid until now."""
        tenant, key_id = checked_id("tenant", tenant), checked_id("id", key_id)
        own = (keys.c.tenant == tenant, keys.c.id == key_id, keys.c.revoked.is_(None))
        with self._database.writing(tenant) as connection:
            revoked = connection.execute(update(keys).where(*own).values(revoked=now())).rowcount > 0
            if revoked:
                note(connection, tenant, "key revoked")
        return revoked


def _hash(secret: str) -> str:
    # Secrets are random: a slow hash, which keeps people's passwords from being guessed, would only cost time.
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()
