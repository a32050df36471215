"""Paths with ids of any letters in them, which become one segment each, so that routes tell them apart.

`%2F` in an id is always the id's own. A `/` may also be written as it is: the id then goes up to the first part that is
the name of what is asked of a user, as in `/v1/users/team/ada/documents/2`; only an id that has such a name as a part
needs `%2F`. A `/` at the end of a path is none of an id's.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote, unquote_to_bytes

from starlette.types import ASGIApp, Receive, Scope, Send

from penname.serve.errors import ApiError

OF_A_USER = ("documents", "reasoning", "export", "feedback")
"""What can be asked of a user."""

WITH_IDS = ("documents", "feedback")
"""Those of them that are many, each with an id."""

_USERS, _MODELS = "/v1/users/", "/v1/models/"
_SPECIAL = re.compile(r"[%/\x00-\x1f]")


class IdsInPaths:
    """Makes each id in a path one segment, which `id_of` reads."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        if scope["type"] == "http" and scope["path"].startswith((_USERS, _MODELS)):
            try:
                scope["path"] = with_ids(scope["raw_path"].decode("latin-1"))
            except UnicodeDecodeError:
                error = ApiError(400, "found an id in another encoding, expected UTF-8", "invalid_value", "path")
                await error.answer()(scope, receive, send)
                return
        await self._app(scope, receive, send)


def with_ids(raw_path: str) -> str:
    """A path as the routes know it. raw_path: as it was sent. Raises UnicodeDecodeError where it is not UTF-8."""
    start = _USERS if raw_path.startswith(_USERS) else _MODELS
    if not raw_path.startswith(start):  # its first letters were sent in another form, as nobody's client does
        return unquote(raw_path)
    parts = raw_path[len(start) :].rstrip("/").split("/")
    if start == _MODELS:
        return start + _segment(parts)
    for place in range(1, len(parts)):
        name, behind = parts[place], parts[place + 1 :]
        if name in (WITH_IDS if behind else OF_A_USER):
            return start + "/".join((_segment(parts[:place]), name, *([_segment(behind)] if behind else [])))
    return start + _segment(parts)


def id_of(segment: str) -> str:
    """The id that a segment stands for."""
    return unquote(segment)


def _segment(parts: list[str]) -> str:
    text = "/".join(unquote_to_bytes(part).decode() for part in parts)
    return _SPECIAL.sub(lambda found: quote(found[0], safe=""), text)
