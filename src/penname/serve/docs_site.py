"""The documentation as pages, which are built beside the code and come with the package."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import PathLike, StaticFiles
from starlette.types import Receive, Scope, Send

from penname.serve.errors import ApiError
from penname.serve.page_policy import policy_of

PATH = "/docs-site"
FOLDER = Path(__file__).parent / "site"
"""Where `make docs` puts the pages."""


class DocsSite(StaticFiles):
    """Answers with the built pages, or with 404 and how to build them."""

    def __init__(self) -> None:
        super().__init__(directory=FOLDER, html=True, check_dir=False)
        self._start = FOLDER / "index.html"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        if not self._start.is_file():
            raise ApiError(404, "the documentation was not built here: `make docs` in the repository does", "not_found")
        await super().__call__(scope, receive, send)

    def file_response(
        self, full_path: PathLike, stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """A file, and with a page what it may load."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        if str(full_path).endswith(".html"):
            response.headers["Content-Security-Policy"] = _policy_of_file(str(full_path), stat_result.st_mtime_ns)
        return response


@lru_cache(maxsize=256)
def _policy_of_file(path: str, changed: int) -> str:
    """The policy of a page that is kept until the page is built anew. changed: when that was, in nanoseconds."""
    return policy_of(Path(path).read_bytes())
