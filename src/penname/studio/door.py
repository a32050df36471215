"""What stands before the pages: only a browser on this machine that was let in sees them, and only our pages act."""

from __future__ import annotations

from http import HTTPStatus

from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from penname.serve.access import OF_PROXIES, names_this_machine
from penname.studio.pages import ROOT, error_page
from penname.studio.session import Session

CSRF_HEADER = "x-penname-studio"
_SAFE = ("GET", "HEAD")
_WITHOUT_COOKIE = (f"{ROOT}/static/", f"{ROOT}/page.css")


class Door:
    """Refuses requests for other hosts, from other pages, and without the cookie or the header that our pages have.

    session: tells who may see the pages.
    """

    def __init__(self, app: ASGIApp, session: Session) -> None:
        self._app = app
        self._session = session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        request = HTTPConnection(scope)
        answer = self._answer(request) or self._refusal(request)
        await (answer or self._app)(scope, receive, send)

    def _answer(self, request: HTTPConnection) -> Response | None:
        """The answer to a browser that brings the token: a cookie, and the same page without the token."""
        token = request.query_params.get("token")
        if token is None or request.scope["method"] not in _SAFE or self._is_foreign(request):
            return None
        if not self._session.opens(token):
            return error_page(request, HTTPStatus.FORBIDDEN, "found another token: the one of this start is printed")
        answer = RedirectResponse(request.url.path, HTTPStatus.SEE_OTHER)
        answer.set_cookie(
            _cookie_name(request), self._session.cookie, max_age=30 * 86400, path=ROOT, httponly=True, samesite="strict"
        )
        return answer

    def _refusal(self, request: HTTPConnection) -> Response | None:
        if self._is_foreign(request):
            return error_page(request, HTTPStatus.FORBIDDEN, "found another host or origin than this machine's")
        if request.url.path.startswith(_WITHOUT_COOKIE):
            return None
        if not self._session.has_cookie(request.cookies.get(_cookie_name(request))):
            problem = "open the address that penname studio has printed: it lets this browser in"
            return error_page(request, HTTPStatus.FORBIDDEN, problem)
        if request.scope["method"] not in _SAFE and not self._session.has_csrf(request.headers.get(CSRF_HEADER)):
            return error_page(request, HTTPStatus.FORBIDDEN, "found no sign that one of these pages asks: load it anew")
        return None

    def _is_foreign(self, request: HTTPConnection) -> bool:
        headers = request.headers
        host, origin = headers.get("host", ""), headers.get("origin")
        return (
            not names_this_machine(host)
            or any(name in headers for name in OF_PROXIES)
            or (origin is not None and origin != f"http://{host}")
            # Also asked without an origin: pictures, forms that lead here. Typed addresses have none or "none".
            or headers.get("sec-fetch-site", "none") not in ("same-origin", "none")
        )


def _cookie_name(request: HTTPConnection) -> str:
    """A name for each port, as browsers give a cookie to all ports of a host."""
    return f"penname-studio-{request.url.port or 80}"
