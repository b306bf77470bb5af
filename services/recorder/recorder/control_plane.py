"""The recorder's calls to the control plane: typed, with limits, foreign errors translated."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import TypeVar
from uuid import UUID

import httpx
from pydantic import SecretStr, ValidationError

from camfleet_contract.commands import CommandReceived, CommandResult
from camfleet_contract.events import Event, EventReport, EventsAnswer
from camfleet_contract.gaps import Gap, GapReport, GapsAnswer
from camfleet_contract.heartbeats import Heartbeat, HeartbeatReceived
from camfleet_contract.messages import Message
from camfleet_contract.recordings import (
    RecordingRegistered,
    RecordingStatusAccepted,
    RecordingStatusReport,
    register_parameters,
)
from camfleet_contract.segments import OfferBatch, OffersAnswer, SegmentOffer
from recorder.errors import CallRefused, ControlPlaneUnreachable, TokenRefused
from recorder.link import Link
from recorder.redaction import storable
from recorder.settings import API_PATH
from recorder.tls import trust
from recorder.tokens import Bearer, Tokens

TIMEOUT = httpx.Timeout(connect=10, read=30, write=30, pool=30)
LONG_POLL_SECONDS = 25
# What a reverse proxy or an overloaded server says; anything else below 500 would be said again.
COME_BACK = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
DETAIL_CHARACTERS = 500
# A captive portal or another service answers 200 as well.
NOT_OURS = "what answers there is not the control plane; check BACKEND_API_URL and any proxy"

AnyMessage = TypeVar("AnyMessage", bound=Message)


@dataclass(frozen=True, slots=True)
class Document:
    """A document with the tag under which it was served."""

    body: bytes
    etag: str | None


@asynccontextmanager
async def connected(backend_api_url: str, token: SecretStr | Tokens, link: Link) -> AsyncIterator["ControlPlane"]:
    """The control plane at an address; `link` learns from every call how it stands."""
    auth = Bearer(token if isinstance(token, Tokens) else Tokens(token))
    async with httpx.AsyncClient(
        base_url=backend_api_url + API_PATH, auth=auth, timeout=TIMEOUT, follow_redirects=False, verify=trust()
    ) as client:
        yield ControlPlane(client, link)


class ControlPlane:
    """One method a call. Each raises `ControlPlaneUnreachable`, `TokenRefused` or `CallRefused`."""

    def __init__(self, client: httpx.AsyncClient, link: Link) -> None:
        self._client = client
        self.link = link

    async def health(self) -> None:
        """Whether it answers at that address; needs no token."""
        await self._document("health", None, {}, 0)

    async def config(self, etag: str | None, wait_seconds: int = LONG_POLL_SECONDS) -> Document | None:
        """The configuration as served; None if `etag` is still the newest after `wait_seconds`."""
        return await self._document("config", etag, {"wait": str(wait_seconds)} if etag else {}, wait_seconds)

    async def schedules(self, etag: str | None) -> Document | None:
        """The schedules as served to any client; None if unchanged."""
        return await self._document("schedules", etag, {}, 0)

    async def cameras(self, etag: str | None) -> Document | None:
        """The cameras as served to any client; None if unchanged."""
        return await self._document("cameras", etag, {}, 0)

    async def heartbeat(self, heartbeat: Heartbeat) -> HeartbeatReceived:
        """A sign of life."""
        return await self._post("heartbeat", HeartbeatReceived, body=heartbeat)

    async def register(
        self, recording_id: UUID, camera_id: UUID, schedule_id: UUID | None, name: str, started_at: datetime
    ) -> UUID:
        """Makes a recording known; the id under which it is."""
        parameters = register_parameters(
            camera_id, name, schedule_id=schedule_id, recording_id=recording_id, started_at=started_at
        )
        answer = await self._post("recordings/register", RecordingRegistered, parameters=parameters)
        return answer.recording_id

    async def report_status(self, report: RecordingStatusReport) -> None:
        """Tells how far a recording has come."""
        await self._post("recordings/status", RecordingStatusAccepted, body=report)

    async def report_gaps(self, gaps: Sequence[Gap]) -> GapsAnswer:
        """Tells what was due and is not there; at most 500."""
        return await self._post("gaps", GapsAnswer, body=GapReport(gaps=list(gaps)))

    async def report_events(self, events: Sequence[Event]) -> EventsAnswer:
        """Tells what was noticed about cameras' pictures; at most 500."""
        return await self._post("events", EventsAnswer, body=EventReport(events=list(events)))

    async def offer(self, segments: Sequence[SegmentOffer]) -> OffersAnswer:
        """Offers segments; at most `OFFERS_PER_BATCH`."""
        return await self._post("segments/offer", OffersAnswer, body=OfferBatch(segments=list(segments)))

    async def tell_command(
        self, command_id: UUID, result: CommandResult, token: SecretStr | None = None
    ) -> CommandReceived:
        """Tells how far a command is, with `token` and no other if there is one."""
        auth = Bearer(Tokens(token)) if token is not None else None
        return await self._post(f"commands/{command_id}/result", CommandReceived, body=result, auth=auth)

    async def _document(
        self, path: str, etag: str | None, parameters: dict[str, str], wait_seconds: int
    ) -> Document | None:
        headers = {"If-None-Match": etag} if etag else {}
        timeout = httpx.Timeout(TIMEOUT.connect, read=(TIMEOUT.read or 0) + wait_seconds)
        response = await self._call("GET", path, params=parameters, headers=headers, timeout=timeout)
        if response.status_code == HTTPStatus.NOT_MODIFIED:
            self.link.answered()
            return None
        if response.content.lstrip()[:1] not in {b"{", b"["}:
            raise self.link.lost(ControlPlaneUnreachable(NOT_OURS))
        self.link.answered()
        return Document(response.content, response.headers.get("ETag"))

    async def _post(
        self,
        path: str,
        answer: type[AnyMessage],
        *,
        body: Message | None = None,
        parameters: dict[str, str] | None = None,
        auth: httpx.Auth | None = None,
    ) -> AnyMessage:
        content = body.model_dump_json(exclude_none=True) if body is not None else None
        headers = {"Content-Type": "application/json"} if body is not None else {}
        response = await self._call("POST", path, params=parameters, content=content, headers=headers, auth=auth)
        try:
            message = answer.model_validate_json(response.content)
        except ValidationError:
            raise self.link.lost(ControlPlaneUnreachable(NOT_OURS)) from None
        self.link.answered()
        return message

    async def _call(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str],
        params: dict[str, str] | None = None,
        content: str | None = None,
        auth: httpx.Auth | None = None,
        timeout: httpx.Timeout = TIMEOUT,  # noqa: ASYNC109 - httpx limits connect, write and each read on their own
    ) -> httpx.Response:
        try:
            response = await self._client.request(
                method,
                f"/{path}",
                params=params,
                headers=headers,
                content=content,
                auth=auth or httpx.USE_CLIENT_DEFAULT,
                timeout=timeout,
            )
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            # httpx lets a spoilt TLS record (ssl.SSLError, an OSError) through as it is.
            text = str(error) or type(error).__name__
            raise self.link.lost(ControlPlaneUnreachable(f"no answer: {text}")) from None
        status = response.status_code
        if response.is_success or status == HTTPStatus.NOT_MODIFIED:
            return response
        if status == HTTPStatus.UNAUTHORIZED:
            raise self.link.refused(
                TokenRefused("the token is refused: renew it in the console, set CLIENT_TOKEN, restart the recorder")
            )
        if status in COME_BACK or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise self.link.lost(ControlPlaneUnreachable(f"it answered {status}: {_detail(response)}"))
        if response.is_redirect:
            raise self.link.lost(
                ControlPlaneUnreachable(f"it answered {status}, a redirect: set BACKEND_API_URL to the final address")
            )
        self.link.answered()
        raise CallRefused(status, _detail(response))


def _detail(response: httpx.Response) -> str:
    try:
        told = response.json()["detail"]
    except (ValueError, TypeError, LookupError):
        told = response.reason_phrase
    return storable(str(told))[:DETAIL_CHARACTERS]
