"""What the store gives back: keys, users, profiles, reasonings, feedback."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from penname.data.records import Document
from penname.errors import UserError

Thumbs = Literal["up", "down"]


class StoreError(UserError):
    """The database cannot be reached, is locked by another program, or refused a statement."""


class UnknownUser(UserError):
    """A tenant has no user of that id: never added, another tenant's, or forgotten."""

    def __init__(self) -> None:
        super().__init__("user: found an id that no user has, expected that of a user who was added")


class UnknownTenant(UserError):
    """There is no tenant of that name."""

    def __init__(self) -> None:
        super().__init__("tenant: found no tenant of this name, expected one with a key: penname keys add")


@dataclass(frozen=True)
class Key:
    """A secret of a tenant's, without the secret.

    id: names the key where the secret may not be shown.
    tokens_a_day: most tokens that it may spend in a day; None for no limit.
    proxy: whether it belongs to a program that names the user of each request itself.
    revoked: when it was revoked; None while it is valid.
    """

    tenant: str
    id: str
    label: str
    tokens_a_day: int | None
    proxy: bool
    created: str
    revoked: str | None = None


@dataclass(frozen=True)
class Usage:
    """What a key has spent of a day's tokens.

    reserved: tokens of the requests that are being answered.
    used: tokens of those that were answered.
    """

    reserved: int = 0
    used: int = 0


@dataclass(frozen=True)
class User:
    """Someone who is written as.

    profile_version: grows with each change of the documents, and is none that an earlier user of the same id had.
    """

    id: str
    created: str
    profile_version: int


class Profile(NamedTuple):
    """A user's documents, in the order in which they were added, and the version of the profile that they are.

    slot: where the user's key is, and never that of another user, also of the same id; None where nobody is meant.
    """

    slot: int | None
    version: int
    documents: list[Document]


@dataclass(frozen=True)
class Reasoning:
    """What a model wrote about a user, or what someone put in its place.

    profile_version: the version of the profile that it was written from.
    locked: whether it was put by hand, and so outlives changes of the documents.
    """

    model: str
    text: str
    profile_version: int
    locked: bool


@dataclass(frozen=True)
class Feedback:
    """What a user thought of a response.

    chosen: the text that the user took instead of the response.
    edited: the response as the user changed it.
    method, seed: how the response was made.
    """

    prompt: str
    response: str
    chosen: str | None = None
    edited: str | None = None
    thumbs: Thumbs | None = None
    method: str | None = None
    seed: int | None = None
    id: str = ""
    created: str = ""


@dataclass(frozen=True)
class AuditEntry:
    """Something that was done to a tenant's data, without texts and users.

    count: how many keys, users or records it was done to.
    """

    number: int
    time: str
    action: str
    count: int
