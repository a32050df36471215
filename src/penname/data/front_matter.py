"""The front matter of Markdown texts: fields before the text, in YAML between `---` or in TOML between `+++`.

Site generators (Jekyll, Hugo and their like) and note programs write it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from penname.data.dates import optional_date
from penname.data.load_report import LoadReport
from penname.data.readers.base import if_valid
from penname.data.records import Document, Location, Place, tidy

_BLOCK = re.compile(
    r"\ufeff?(?P<mark>---|\+\+\+)[ \t]*\n(?P<fields>.*?)^(?:(?P=mark)|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE
)
_FIELD = re.compile(r"(?:\s|#.*\n)*['\"]?[A-Za-z][\w .-]*['\"]?\s*[:=]")
_DATED_NAME = re.compile(r"\d{4}-\d\d-\d\d(?=-)")
MAX_CHARACTERS = 2**16
"""Length of a text's beginning in which front matter is looked for."""


def divided(text: str) -> tuple[dict[str, Any], str]:
    """The fields of a text's front matter, by their names in lower case, and the text below it.

    Without front matter there is no field, and the text is whole. Of fields that cannot be read there is only
    `unreadable`, what is wrong with them.
    """
    block = _BLOCK.match(text[:MAX_CHARACTERS])
    if block is None or not _FIELD.match(block["fields"]):
        return {}, text
    below = text[block.end() :]
    try:
        fields = tomllib.loads(block["fields"]) if block["mark"] == "+++" else _yaml(block["fields"])
    except ValueError as error:
        return {"unreadable": " ".join(str(error).split())[:80]}, below
    if not isinstance(fields, Mapping):
        return {}, text
    return {str(name).lower(): value for name, value in fields.items()}, below


def _yaml(text: str) -> Any:
    """What the text means in YAML. Raises ValueError where it is none."""
    import yaml

    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, TypeError, AttributeError) as error:
        raise ValueError(str(error)) from None


def applied(document: Document, path: Place, report: LoadReport) -> tuple[Document, dict[str, Any]]:
    """A document that is a file's text, with the title and date of its front matter, and all fields of it.

    path: the file; Jekyll puts the date into its name.
    """
    fields, text = divided(document.text)
    if not fields:
        return document, fields
    location = Location(path, 1)
    if "unreadable" in fields:
        found = f"front matter that cannot be read ({fields['unreadable']}), left out"
        report.note(location.error(None, found, "fields in YAML or TOML", "unreadable front matter"))
    title = fields.get("title")
    title = tidy(str(title)).strip() if isinstance(title, str | int | float) else None
    named = _DATED_NAME.match(path.name)
    dates = {name: _date_text(fields.get(name)) for name in ("date", "created", "published")}
    dates["name"] = named[0] if named else None
    date = if_valid("date", optional_date, dates, next((k for k, v in dates.items() if v), None), location, report)
    return replace(document, text=text.strip(), title=title or document.title, date=date), fields


def author_in(fields: Mapping[str, Any]) -> str | None:
    """The first author that front matter names, as a text, in a list, or with fields of their own."""
    value = fields.get("author") or fields.get("authors")
    if isinstance(value, list):
        value = next(iter(value), None)
    if isinstance(value, Mapping):
        value = value.get("name")
    return tidy(" ".join(value.split())) or None if isinstance(value, str) else None


def is_draft(fields: Mapping[str, Any]) -> bool:
    """Whether front matter says that the text is not published."""
    return fields.get("draft") is True or fields.get("published") is False or fields.get("status") == "draft"


def _date_text(value: Any) -> str | None:
    return value.isoformat() if isinstance(value, date) else value if isinstance(value, str) else None
