"""Who may see the pages: whoever has opened the address that the command printed, in one browser on this machine.

As Jupyter does it: the address has a token that is new at each start; a cookie is then given for it, whose secret is
kept in a file, so that open pages go on when the studio is started again.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from pathlib import Path

FILE = ".studio-secret"
_BYTES = 32


class Session:
    """Tells those who may see the pages from all others.

    folder: where the secret is kept; it is made if need be.

    token: what the printed address has.
    csrf: what each request that changes something must repeat in a header, which pages of others cannot know.
    """

    def __init__(self, folder: Path) -> None:
        self.token = secrets.token_urlsafe(24)
        self._secret = _kept_secret(folder / FILE)
        self.csrf = self._derived("csrf")
        self.cookie = self._derived("cookie")

    def opens(self, token: str) -> bool:
        """Whether a token is that of this start."""
        return hmac.compare_digest(token.encode(), self.token.encode())

    def has_cookie(self, value: str | None) -> bool:
        """Whether a cookie is one that was given here."""
        return value is not None and hmac.compare_digest(value.encode(), self.cookie.encode())

    def has_csrf(self, value: str | None) -> bool:
        """Whether a request comes from one of our own pages."""
        return value is not None and hmac.compare_digest(value.encode(), self.csrf.encode())

    def _derived(self, purpose: str) -> str:
        return hmac.new(self._secret, purpose.encode(), hashlib.sha256).hexdigest()


def _kept_secret(path: Path) -> bytes:
    """The secret in a file that only its owner can read; a new one where there is none, or none that is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        secret = path.read_bytes()
        if len(secret) == _BYTES:
            return secret
    secret = secrets.token_bytes(_BYTES)
    written = path.with_name(f"{path.name}.{os.getpid()}")
    with open(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(secret)
    written.replace(path)
    return secret
