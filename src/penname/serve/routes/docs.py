"""The description of the interface as a page, which asks no other host for anything."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from penname.serve.page_policy import policy_of

PAGE, FILES = "/docs", "/docs/files"

SWAGGER_UI = StaticFiles(directory=str(files("fastapi_offline") / "static"))
"""Swagger UI's files, as that package brings them."""

router = APIRouter()


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
    page.headers["Content-Security-Policy"] = policy_of(bytes(page.body))
    return page
