"""Reads the posts in the JSON that Facebook and Instagram export (`your_posts_1.json`, `posts_1.json`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from penname.data.dates import optional_date
from penname.data.load_report import LoadReport
from penname.data.readers.base import Reader, ReadingSettings, SourceFile, SourceText, if_valid, message
from penname.data.readers.facebook import repaired
from penname.data.readers.json_items import bytes_of, json_items, json_paths, json_records, text_in

_PROFILES = (
    ("profile_information", "profile_information.json"),
    ("personal_information", "profile_information", "profile_information.json"),
    ("personal_information", "personal_information", "personal_information.json"),
    ("personal_information", "personal_information.json"),
    ("account_information", "personal_information.json"),
)
"""Where the exports of several years name their user, below the folder of the whole export."""


def recognizes(file: SourceFile) -> bool:
    """Whether it is a list of posts, which have a time and data or pictures."""
    paths = json_paths(file)
    on_facebook = "item.timestamp" in paths and (
        "item.data.item.post" in paths or {"item.attachments", "item.data"} <= paths
    )
    return on_facebook or {"item.media.item.uri", "item.media.item.creation_timestamp"} <= paths


def read(file: SourceFile, settings: ReadingSettings, report: LoadReport) -> Iterator[SourceText]:
    """What the user wrote in posts; pictures and what others wrote, as in shared posts, is left out."""
    names = _user(file)
    author = names[0] if names else settings.author or "me"
    for location, record, _ in json_items(file, ("item",), report):
        if not isinstance(record, dict):
            report.reject(location.error(None, type(record).__name__, "a post", "no post"))
            continue
        text, dated = _of_instagram(record) if "media" in record else (_of_facebook(record), record)
        field = next((name for name in ("timestamp", "creation_timestamp") if name in dated), None)
        date = if_valid("date", optional_date, dated, field, location, report)
        document = message(location, report, author, repaired(text or ""), date)
        if document is not None:
            yield SourceText(document, other_names=tuple(names[1:]))


def _of_facebook(record: Mapping[str, Any]) -> str | None:
    data = record.get("data")
    return next((text for part in (data if isinstance(data, list) else []) if (text := text_in(part, "post"))), None)


def _of_instagram(record: Mapping[str, Any]) -> tuple[str | None, Mapping[str, Any]]:
    """A post's caption and what has its time, which is the picture where there is only one."""
    media = record.get("media")
    first = next((part for part in (media if isinstance(media, list) else []) if isinstance(part, dict)), {})
    return text_in(record, "title") or text_in(first, "title"), record if "creation_timestamp" in record else first


def _user(file: SourceFile) -> list[str]:
    """The user's names, if the export is whole."""
    found = (file.beside(*up, *place) for up in (("..",), ("..", "..")) for place in _PROFILES)
    profile = next((record for place in found for record in json_records(bytes_of(place))), {})
    of_facebook = text_in(profile, "profile_v2", "name", "full_name") or text_in(
        profile, "profile", "name", "full_name"
    )
    users = profile.get("profile_user")
    fields = (
        users[0].get("string_map_data") if isinstance(users, list) and users and isinstance(users[0], dict) else None
    )
    of_instagram = [text_in(fields, name, "value") for name in ("Username", "Name", "Email")]
    return [repaired(name) for name in dict.fromkeys([of_facebook, *of_instagram]) if name]


READER = Reader(
    "posts on Facebook or Instagram",
    "lists of posts with timestamp and data, or with media",
    recognizes,
    read,
    companions=("profile_information.json", "personal_information.json"),
)
