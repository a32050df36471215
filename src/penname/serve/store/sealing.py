"""Seals what is kept of a user: encrypted and authenticated (AES-256-GCM) with a key of the user's own."""

from __future__ import annotations

import hmac
import json
import secrets
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from penname.serve.store.records import StoreError

KEY_BYTES = 64
MARK_BYTES = 16
_NONCE_BYTES = 12


class UserKey:
    """A user's key: one half encrypts, the other hashes ids.

    key: `KEY_BYTES` random bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key[: KEY_BYTES // 2])
        self._of_ids = key[KEY_BYTES // 2 :]

    def mark(self, kind: str, name: str) -> str:
        """What stands for an id in the database, where it must be found without being read. kind: what has the id."""
        return hmac.digest(self._of_ids, f"{kind}\0{name}".encode(), "sha256")[:MARK_BYTES].hex()

    def seal(self, kind: str, row: str, content: Any) -> bytes:
        """Seal what JSON can hold. kind, row: where it is kept, so that it is accepted nowhere else."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        written = json.dumps(content, ensure_ascii=False).encode()
        return nonce + self._cipher.encrypt(nonce, written, _place(kind, row))

    def unseal(self, kind: str, row: str, sealed: bytes) -> Any:
        """What was sealed. Raises StoreError where it was changed, moved, or sealed with another key."""
        try:
            written = self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _place(kind, row))
        except InvalidTag:
            raise StoreError(f"{kind}: found what this user's key does not open, expected what was sealed") from None
        return json.loads(written)


def _place(kind: str, row: str) -> bytes:
    return f"{kind}\0{row}".encode()
