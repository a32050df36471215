"""Names of users and channels in Slack's exports (`users.json`, `channels.json`)."""

from __future__ import annotations

from collections import Counter
from typing import Any

from penname.data.readers.json_items import json_records, text_in
from penname.text_caches import text_cache


@text_cache(maxsize=2)
def by_id(content: bytes) -> dict[str, dict[str, Any]]:
    """The users or channels in a list of them, by their ids, with the names that are shown.

    content: the list, as JSON. A name that several users have is made theirs by what they log in with.
    """
    records = {str(record.get("id")): record for record in json_records(content)}
    counts = Counter(_shown(record) for record in records.values())
    for record in records.values():
        shown = _shown(record)
        record["shown"] = f"{shown} ({record.get('name')})" if shown and counts[shown] > 1 else shown
    return records


def _shown(user: dict[str, Any]) -> str | None:
    """The name that others see."""
    keys = (("profile", "display_name"), ("profile", "real_name"), ("real_name",), ("name",))
    return next((name for name in (text_in(user, *key) for key in keys) if name), None)


def names_of(user: dict[str, Any], account: str | None) -> list[str]:
    """A user's names, the one that others see first.

    user: what the export says of the user.
    account: the id by which messages name the user.
    """
    keys = (("name",), ("real_name",), ("profile", "real_name"), ("profile", "email"))
    names = [text_in(user, "shown") or _shown(user), account, *(text_in(user, *key) for key in keys)]
    return [name for name in dict.fromkeys(names) if name]
