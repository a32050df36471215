"""How pages are made: templates in which users' texts are data, and what a page may load."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

import jinja2
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse

ROOT = "/studio"
FOLDER = Path(__file__).parent
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
"""Files of this server alone, no script or style in the page itself, and no form that is sent without a script."""

MENU = (
    ("", "Studio"),
    ("import", "Import"),
    ("users", "Users"),
    ("train", "Train"),
    ("write", "Write"),
    ("rate", "Rate"),
    ("results", "Results"),
)
"""The pages in the menu: path below `ROOT` and name."""


def page(request: HTTPConnection, template: str, status: int = HTTPStatus.OK, **values: Any) -> HTMLResponse:
    """A page, or a part of one.

    template: its file among the templates.
    values: what the template takes; texts in them are never markup.
    """
    return HTMLResponse(rendered(request, template, **values), status, {"Content-Security-Policy": POLICY})


def rendered(request: HTTPConnection, template: str, **values: Any) -> str:
    """What a template makes of its values, see `page`."""
    path = request.url.path.removeprefix(ROOT).strip("/")
    session = request.app.state.studio.session if "app" in request.scope else None
    common = {"root": ROOT, "menu": MENU, "here": path.partition("/")[0], "csrf": session.csrf if session else ""}
    return _templates().get_template(template).render(**common, **values)


def part(template: str, **values: Any) -> str:
    """A part of a page for its stream, where no request is at hand; see `page`."""
    return _templates().get_template(template).render(root=ROOT, **values)


def error_page(request: HTTPConnection, status: int, message: str) -> HTMLResponse:
    """What is shown of a request that could not be met: in the page that asks, or as a page of its own."""
    if "hx-request" in request.headers:
        answer = page(request, "error_part.html", status, message=message)
        answer.headers.update({"HX-Retarget": "#alert", "HX-Reswap": "innerHTML"})
        return answer
    return page(request, "error.html", status, message=message)


@cache
def _templates() -> jinja2.Environment:
    loader = jinja2.FileSystemLoader(FOLDER / "templates")
    return jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
