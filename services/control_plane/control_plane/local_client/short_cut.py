"""The short cut for what recorders call all the time: past the framework, to the functions that the routes call too.

It takes what is plainly right, and answers exactly what the route would. All the rest goes on to the route: what it
means, how it is refused, and how all of it is documented, stands there alone.
"""

import re
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

from pydantic import ValidationError
from starlette.types import ASGIApp, Receive, Scope, Send

from camfleet_contract.heartbeats import Heartbeat
from camfleet_contract.recordings import RecordingRegistration, RecordingStatusReport
from camfleet_contract.segments import OfferBatch
from control_plane.answers import response_to
from control_plane.errors import Invalid
from control_plane.local_client.conditional import CACHE_CONTROL
from control_plane.local_client.etags import is_unchanged
from control_plane.local_client.heartbeats import check as check_heartbeat
from control_plane.local_client.heartbeats import take_in as take_in_heartbeat
from control_plane.local_client.identities import Caller, sent_token
from control_plane.local_client.reading import LONGEST_WAIT_SECONDS, newest_config, newest_documents
from control_plane.local_client.rendered import Document
from control_plane.local_client.reports import take_in_offers, take_in_registration, take_in_report
from control_plane.local_client.small_body import SmallBody
from control_plane.recordings.registration import Registration, check_registration
from control_plane.recordings.reports import check_report
from control_plane.services import Services

_API = "/v0/api/local-client"
_OK, _NOT_MODIFIED = 200, 304
_WAIT = re.compile(rb"(?:wait=([0-9]{1,2}(?:\.[0-9]{1,3})?))?")
_CACHE_CONTROL = (b"cache-control", CACHE_CONTROL.encode())
_JSON = (b"content-type", b"application/json")

_Call = Callable[[Scope, Receive, Send], Awaitable[Receive | None]]
"""Answers a request, or returns from where the route can receive all of it."""


class ShortCut:
    """ASGI middleware in front of all routes."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app = app
        self._services = services
        self._calls: dict[tuple[str, str], _Call] = {
            ("GET", f"{_API}/schedules"): self._schedules,
            ("GET", f"{_API}/cameras"): self._cameras,
            ("GET", f"{_API}/config"): self._config,
            ("POST", f"{_API}/heartbeat"): self._heartbeat,
            ("POST", f"{_API}/recordings/register"): self._register,
            ("POST", f"{_API}/recordings/status"): self._status,
            ("POST", f"{_API}/segments/offer"): self._offer,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer it, or let the routes."""
        call = self._calls.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if call is None:
            await self._app(scope, receive, send)
            return
        try:
            left_to_route = await call(scope, receive, send)
        except Exception as error:  # noqa: BLE001 - as at the routes: no request goes without an answer
            await response_to(error, scope)(scope, receive, send)
            return
        if left_to_route is not None:
            await self._app(scope, left_to_route, send)

    async def _schedules(self, scope: Scope, _receive: Receive, send: Send) -> Receive | None:
        caller = await self._caller(scope)
        newest = (await newest_documents(self._services, caller)).schedules
        await _send_document(send, newest, _if_none_match(scope))
        return None

    async def _cameras(self, scope: Scope, _receive: Receive, send: Send) -> Receive | None:
        caller = await self._caller(scope)
        newest = (await newest_documents(self._services, caller)).cameras
        await _send_document(send, newest, _if_none_match(scope))
        return None

    async def _config(self, scope: Scope, receive: Receive, send: Send) -> Receive | None:
        asked = _WAIT.fullmatch(scope["query_string"])
        wait_seconds = float(asked[1] or 0) if asked else None
        if wait_seconds is None or wait_seconds > LONGEST_WAIT_SECONDS:
            return receive
        caller = await self._caller(scope)
        lines = _if_none_match(scope)

        newest = await newest_config(self._services, caller, lines, wait_seconds, receive, lambda: self._caller(scope))
        await _send_document(send, newest, lines)
        return None

    async def _heartbeat(self, scope: Scope, receive: Receive, send: Send) -> Receive | None:
        token_sha256, address = _sender(scope)
        body = await SmallBody.read(scope, receive)
        try:
            report = Heartbeat.model_validate_json(body.content)
            check_heartbeat(report)
        except (ValidationError, Invalid):
            return body.receive
        received = await take_in_heartbeat(self._services, token_sha256, address, report)
        await _send_json(send, received.model_dump_json().encode())
        return None

    async def _register(self, scope: Scope, receive: Receive, send: Send) -> Receive | None:
        token_sha256, address = _sender(scope)
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        try:
            asked = RecordingRegistration.model_validate(query)
            registration = Registration(
                asked.camera_id, asked.recording_name, asked.schedule_id, asked.recording_id, asked.started_at
            )
            check_registration(registration)
        except (ValidationError, Invalid):
            return receive
        registered = await take_in_registration(self._services, token_sha256, address, registration)
        await _send_json(send, registered.model_dump_json().encode())
        return None

    async def _status(self, scope: Scope, receive: Receive, send: Send) -> Receive | None:
        token_sha256, address = _sender(scope)
        body = await SmallBody.read(scope, receive)
        try:
            report = RecordingStatusReport.model_validate_json(body.content)
            check_report(report)
        except (ValidationError, Invalid):
            return body.receive
        accepted = await take_in_report(self._services, token_sha256, address, report)
        await _send_json(send, accepted.model_dump_json().encode())
        return None

    async def _offer(self, scope: Scope, receive: Receive, send: Send) -> Receive | None:
        caller = await self._caller(scope)
        body = await SmallBody.read(scope, receive)
        try:
            batch = OfferBatch.model_validate_json(body.content)
        except ValidationError:
            return body.receive
        answer = await take_in_offers(self._services, caller, batch)
        await _send_json(send, answer.model_dump_json().encode())
        return None

    async def _caller(self, scope: Scope) -> Caller:
        return await self._services.callers.identify(*_sender(scope))


def _sender(scope: Scope) -> tuple[bytes, str | None]:
    """The SHA-256 of the token that was sent, and the address that it came from. Raises Unauthorized."""
    authorization = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    client = scope.get("client")
    return sent_token(authorization.decode("latin-1")), client[0] if client else None


def _if_none_match(scope: Scope) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name == b"if-none-match"]


async def _send_document(send: Send, newest: Document, if_none_match: list[str]) -> None:
    told = [(b"etag", newest.etag.encode()), _CACHE_CONTROL]
    if is_unchanged(newest.etag, if_none_match):
        await _send(send, _NOT_MODIFIED, told, b"")
        return
    told += [_JSON, (b"content-length", b"%d" % len(newest.body))]
    await _send(send, _OK, told, newest.body)


async def _send_json(send: Send, body: bytes) -> None:
    await _send(send, _OK, [_JSON, (b"content-length", b"%d" % len(body))], body)


async def _send(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
