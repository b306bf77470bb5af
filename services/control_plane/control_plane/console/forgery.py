"""The guard against forged requests: whatever may change something must carry the session's token."""

import secrets
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from control_plane.console.sessions import login_url

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
FIELD = "csrf_token"
HEADER = "x-csrf-token"
_MAX_BODY_BYTES = 1024 * 1024

Refuse = Callable[[Request, int, str], Awaitable[Response]]


class ForgeryGuard:
    """ASGI middleware in front of every route, so that no new route can forget it. Runs inside the session cookie."""

    def __init__(self, app: ASGIApp, *, refuse: Refuse, public_url: str) -> None:
        self._app = app
        self._refuse = refuse
        self._public_host = urlsplit(public_url).netloc

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass safe methods on; of the others, those that carry the token."""
        if scope["type"] != "http" or scope["method"] in SAFE_METHODS:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        if not self._comes_from_here(request):
            await self._answer(request, 403, "This request came from another site, so nothing was changed.", send)
            return
        try:
            body = await _read(request)
        except ClientDisconnect:
            return
        if body is None:
            await self._answer(request, 413, "The form is too big.", send)
            return
        try:
            is_ours = await _carries_token(Request(scope, _replay(body, receive)))
        except HTTPException:
            await self._answer(request, 400, "The form could not be read.", send)
            return
        if not is_ours:
            await self._refuse_forged(request, send)
            return
        await self._app(scope, _replay(body, receive), send)

    def _comes_from_here(self, request: Request) -> bool:
        """Second layer: browsers tell where a request comes from. A client that tells nothing has the token to show."""
        if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            return False
        origin = request.headers.get("origin")
        return origin is None or urlsplit(origin).netloc in {request.headers.get("host"), self._public_host} - {""}

    async def _refuse_forged(self, request: Request, send: Send) -> None:
        if "operator" not in request.session and not request.url.path.endswith("/login"):
            # The cookie ran out while the form was open, or went with a logout in another window.
            await RedirectResponse(login_url(request), status_code=303)(request.scope, request.receive, send)
            return
        text = "The form is too old or was not sent by this page. Go back, reload the page and try again."
        await self._answer(request, 403, text, send)

    async def _answer(self, request: Request, status: int, text: str, send: Send) -> None:
        response = await self._refuse(request, status, text)
        await response(request.scope, request.receive, send)


async def _read(request: Request) -> bytes | None:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY_BYTES:
            return None
    return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return messages.pop() if messages else await receive()

    return receive_again


async def _carries_token(request: Request) -> bool:
    expected = request.session.get("csrf")
    if not isinstance(expected, str):
        return False
    given: UploadFile | str | None = request.headers.get(HEADER)
    if given is None:
        async with request.form(max_files=0, max_fields=2000) as form:
            given = form.get(FIELD)
    return isinstance(given, str) and secrets.compare_digest(given.encode(), expected.encode())
