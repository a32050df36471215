"""The description of the interface as a page, which asks no other host for anything."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

PAGE, FILES = "/docs", "/docs/files"

SWAGGER_UI = StaticFiles(directory=str(files("fastapi_offline") / "static"))
"""Swagger UI's files, as that package brings them."""

router = APIRouter()

_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


@router.get(PAGE, include_in_schema=False)
async def docs(request: Request) -> HTMLResponse:
    """Show the interface with Swagger UI."""
    page = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="penname",
        swagger_js_url=f"{FILES}/swagger-ui-bundle.js",
        swagger_css_url=f"{FILES}/swagger-ui.css",
        swagger_favicon_url=f"{FILES}/favicon.png",
        swagger_ui_parameters={"validatorUrl": None},
    )
    page.headers["Content-Security-Policy"] = _policy(bytes(page.body))
    return page


def _policy(page: bytes) -> str:
    """What the page may load: files of this server alone, its own script, and the icons in Swagger UI's style sheet."""
    scripts = (base64.b64encode(hashlib.sha256(script).digest()).decode() for script in _SCRIPT.findall(page))
    allowed = " ".join(f"'sha256-{script}'" for script in scripts)
    return (
        f"default-src 'none'; script-src 'self' {allowed}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
