"""What happens to every request before any application sees it: its id, its log line, headers, a limit to its body."""

import asyncio
import contextlib
import re
import time
from http import HTTPStatus

import structlog
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils.compat import uuid7

from control_plane.logs import log_request
from control_plane.request_lines import RequestLine

_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Whoever sends more than is wanted is read to the end, within reason: if the connection were cut at once, the caller
# would see a broken pipe in place of the answer.
_DRAIN_BYTES = 32 * 1024 * 1024
_DRAIN_SECONDS = 3.0


_SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
]
_HTTPS_HEADER = (b"strict-transport-security", b"max-age=31536000")


class RequestLog:
    """Give every request an id, taken from X-Request-ID if it is a sane one, and one log line without its query."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = _header(scope, b"x-request-id").decode("latin-1")
        request_id = given if _SANE_ID.fullmatch(given) else uuid7().hex
        scope["camfleet.request_id"] = request_id
        path = scope["path"]  # mounts change the scope
        started, status = time.monotonic(), 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_id)
            finally:
                # Probes come every few seconds for ever, and so do polls that bring nothing new.
                is_quiet = status == HTTPStatus.NOT_MODIFIED or ("/health" in path and status < HTTPStatus.BAD_REQUEST)
                milliseconds = round((time.monotonic() - started) * 1000, 1)
                address = (scope.get("client") or ("",))[0]
                line = RequestLine(scope["method"], path[:200], status, milliseconds, address, request_id)
                log_request(line, is_quiet=is_quiet)


class SecurityHeaders:
    """Headers for every answer that does not set its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                given = {name.lower() for name, _ in headers}
                headers += [header for header in _SECURITY_HEADERS if header[0] not in given]
                if scope["scheme"] == "https" and _HTTPS_HEADER[0] not in given:
                    headers.append(_HTTPS_HEADER)
                message["headers"] = headers
            await send(message)

        await self._app(scope, receive, send_with_headers)


class BodyLimit:
    """Refuse bodies above `max_bytes` with 413, with a Content-Length or without.

    Only whoever reads the body meets the limit, so an unauthenticated caller is told 401 and not 413.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        announced = headers.get(b"content-length", b"")
        body = _Body(receive, self._max_bytes, int(announced) if announced.isdigit() else 0)
        # A caller who waits for leave to send has sent nothing yet.
        may_drain = b"expect" not in headers and (b"transfer-encoding" in headers or body.announced > 0)

        async def drain_and_send(message: Message) -> None:
            refuses = message["type"] == "http.response.start" and message["status"] >= HTTPStatus.BAD_REQUEST
            if refuses and may_drain:
                await body.drain()
            await send(message)

        await self._app(scope, body.receive, drain_and_send)


def _header(scope: Scope, name: bytes) -> bytes:
    return next((value for key, value in scope["headers"] if key == name), b"")


class _Body:
    """One request's body on its way in."""

    def __init__(self, receive: Receive, max_bytes: int, announced: int) -> None:
        self._receive = receive
        self._max_bytes = max_bytes
        self.announced = announced
        self._read = 0
        self._is_complete = False

    async def receive(self) -> Message:
        """The next piece; raises HTTPException 413 when it is too much."""
        if self.announced > self._max_bytes:
            raise self._too_big()
        message = await self._next()
        if self._read > self._max_bytes:
            raise self._too_big()
        return message

    async def drain(self) -> None:
        """Read and forget the rest."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                while not self._is_complete and self._read < _DRAIN_BYTES:
                    await self._next()

    async def _next(self) -> Message:
        message = await self._receive()
        self._read += len(message.get("body", b""))
        self._is_complete = not message.get("more_body", False)
        return message

    def _too_big(self) -> HTTPException:
        return HTTPException(413, f"The body is too big: at most {self._max_bytes} bytes.")
