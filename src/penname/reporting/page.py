"""Pages of HTML that load nothing from a network; texts of users and models are data in them."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"
STYLE = TEMPLATES / "page.css"
"""The style sheet that all pages have."""


def render(name: str, **values: Any) -> str:
    """Render the template `templates/NAME.html` with the common style and the script of its name.

    name: the name of the template.
    values: the values that the template takes.
    """
    loader = jinja2.FunctionLoader(_template)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    parts = {"css": Markup(_template("page.css")), "js": Markup(_template(f"{name}.js")), "policy": policy(name)}
    return environment.get_template(f"{name}.html").render(**values, **parts)


def policy(name: str) -> str:
    """The content security policy of a page: it loads nothing from a network, and runs no script but its own.

    name: the name of its template.
    """
    hashed = base64.b64encode(hashlib.sha256(_template(f"{name}.js").encode()).digest()).decode()
    return f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{hashed}'; img-src data:"


def _template(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def as_script(data: Any) -> Markup:
    """Data as JSON that cannot end the script element that it is in."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)
