"""Google Cloud Storage as far as uploads go, by the book: strict about the protocol, faulty on command.

https://cloud.google.com/storage/docs/performing-resumable-uploads, https://cloud.google.com/storage/docs/json_api/v1
"""

import asyncio
import contextlib
import json
from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from tests.recorder.gcs_faults import LIES, RETRY_AFTER, STALLS, STATUSES, FaultKind, Plan, Step
from tests.recorder.gcs_reading import page_of, part_of
from tests.recorder.gcs_sessions import UNIT, Session, Span, announced
from tests.recorder.gcs_tokens import ACCESS_TOKEN, TokenServer
from tests.recorder.serving import serving

PRECONDITION = "At least one of the pre-conditions you specified did not hold."
__all__ = ["UNIT", "FaultKind", "Gcs", "Session", "gcs_server"]


@dataclass
class Gcs(TokenServer):
    """The bucket's content and the open sessions."""

    bucket: str = "camfleet-tests"
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    bodies: dict[str, bytes] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    faults: deque[FaultKind | None] = field(default_factory=deque)
    """For the next PUTs of data, one each; None lets one pass."""
    plans: dict[str, Plan] = field(default_factory=dict)
    """By object: what else goes wrong with its requests."""
    injected: Counter[tuple[Step, FaultKind]] = field(default_factory=Counter)
    retry_after: Sequence[str | None] = RETRY_AFTER
    """What answers that say to come back ask for, in turn."""
    bytes_per_second: int | None = None
    """How fast chunks are read, where that is limited."""
    stall_seconds: float = 1.0
    """After that a stalled connection is reset. Longer than the client waits."""
    stored: Counter[str] = field(default_factory=Counter)
    """How often an object came to be."""
    keeps_bodies: bool = True
    puts: list[str] = field(default_factory=list)
    """The Content-Range of every PUT."""
    opened: int = 0
    bytes_taken: int = 0
    needs_token: bool = True
    page: int = 1000
    """Objects of a page of the list."""
    permissions: list[str] = field(default_factory=lambda: ["storage.objects.create", "storage.objects.get"])
    hold_after: int | None = None
    """After so many PUTs of data the next ones wait for `hold`: for tests that stop the client in the middle."""
    hold: asyncio.Event = field(default_factory=asyncio.Event)
    held: asyncio.Event = field(default_factory=asyncio.Event)
    _generations: int = 1_700_000_000_000_000
    _asked: int = 0

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/token", self.token, methods=["POST"]),
                Route("/storage/v1/b/{bucket}/iam/testPermissions", self.test_permissions),
                Route("/storage/v1/b/{bucket}/o", self.list_objects),
                Route("/storage/v1/b/{bucket}/o/{name:path}", self.metadata),
                Route("/storage/v1/b/{bucket}/o/{name:path}", self.change, methods=["DELETE", "PATCH"]),
                Route("/upload/storage/v1/b/{bucket}/o", self.open, methods=["POST"]),
                Route("/upload/storage/v1/b/{bucket}/o", self.put, methods=["PUT"]),
                Route("/upload/storage/v1/b/{bucket}/o", self.cancel, methods=["DELETE"]),
            ]
        )

    def open_session(self, name: str, size: int | None = None, declared: dict[str, Any] | None = None) -> str:
        """The URI of a new upload session, as a control plane would hand it out."""
        self.opened += 1
        session_id = f"AHmUCY-secret-session-{self.opened}"
        self.sessions[session_id] = Session(name, declared or {}, size)
        return f"{self.root}/upload/storage/v1/b/{self.bucket}/o?uploadType=resumable&upload_id={session_id}"

    async def test_permissions(self, request: Request) -> Response:
        if refusal := self._refusal(request):
            return refusal
        asked = request.query_params.getlist("permissions")
        return JSONResponse({"permissions": [p for p in asked if p in self.permissions]})

    async def metadata(self, request: Request) -> Response:
        if refusal := self._refusal(request):
            return refusal
        name = request.path_params["name"]
        fault = self._planned(name, Step.METADATA)
        if answer := await self._interfered(request, fault):
            return answer
        if fault is FaultKind.ANSWER_GARBLED:
            return Response("OK")
        found = self.objects.get(name)
        if found and request.query_params.get("alt") == "media":
            return part_of(self.bodies[name], request.headers.get("Range"))
        return JSONResponse(found) if found else _error(404, "No such object")

    async def list_objects(self, request: Request) -> Response:
        """`objects.list`, in pages as small as the test wants them."""
        refusal = self._refusal(request)
        if refusal is None and "storage.objects.list" not in self.permissions:
            refusal = _error(403, "does not have storage.objects.list access")
        return refusal or JSONResponse(page_of(self.objects, request.query_params, self.page))

    async def change(self, request: Request) -> Response:
        """`objects.delete` and `objects.patch`, as far as holds and preconditions go."""
        verb = "delete" if request.method == "DELETE" else "update"
        refusal = self._refusal(request)
        if refusal is None and f"storage.objects.{verb}" not in self.permissions:
            refusal = _error(403, f"does not have storage.objects.{verb} access")
        name = request.path_params["name"]
        found = self.objects.get(name)
        if refusal or found is None:
            return refusal or _error(404, "No such object")
        if request.query_params.get("ifGenerationMatch", found["generation"]) != found["generation"]:
            return _error(412, "At least one of the pre-conditions you specified did not hold.")
        if request.method == "PATCH":
            found |= await request.json()
            return JSONResponse(found)
        if found.get("retentionExpirationTime"):
            until = f"until {found['retentionExpirationTime']}"
            said = f"Object is subject to bucket's retention policy and cannot be deleted or overwritten {until}"
            return _error(403, said, "retentionPolicyNotMet")
        if found.get("temporaryHold") or found.get("eventBasedHold"):
            return _error(403, "Object is under active Temporary hold and cannot be deleted", "objectUnderActiveHold")
        del self.objects[name], self.bodies[name]
        return Response(status_code=204)

    async def open(self, request: Request) -> Response:
        if refusal := self._refusal(request):
            return refusal
        asked = request.query_params
        declared = json.loads(await request.body() or b"{}")
        name = asked.get("name") or declared.get("name", "")
        if asked.get("uploadType") != "resumable" or not name or declared.get("name", name) != name:
            return self._violation("an upload needs uploadType=resumable and one name")
        fault = self._planned(name, Step.OPEN)
        if answer := await self._interfered(request, fault):
            return answer
        if asked.get("ifGenerationMatch") != "0":
            self.violations.append(f"{name} could have been overwritten: ifGenerationMatch is not 0")
        self._take_name(name, fault)
        if name in self.objects:
            return _error(412, PRECONDITION)
        size = request.headers.get("X-Upload-Content-Length")
        uri = self.open_session(name, int(size) if size else None, declared)
        if fault is FaultKind.ANSWER_LOST:
            request.scope["transport"].abort()
        return Response(status_code=200, headers={"Location": uri})

    async def cancel(self, request: Request) -> Response:
        session = self.sessions.get(request.query_params.get("upload_id", ""))
        if session is None or session.is_gone or session.stored:
            return _error(404, "No such upload")
        self._end(session, 404)
        return Response(status_code=499)

    async def put(self, request: Request) -> Response:
        session = self.sessions.get(request.query_params.get("upload_id", ""))
        if session is None or session.is_gone:
            return _error(session.is_gone if session else 404, "No such upload")
        session.turns += 1
        if session.stored is not None:
            return JSONResponse(session.stored)  # whatever is asked of a finished upload
        content_length = request.headers.get("Content-Length")
        self.puts.append(request.headers.get("Content-Range", ""))
        span = announced(request.headers.get("Content-Range"), content_length, session.persisted)
        if span is None:
            return self._violation(f"Content-Range {self.puts[-1]!r}")
        if session.is_of_another_size(span):
            return self._violation(f"{span}: the size was declared as {session.size}")
        fault = self._planned(session.name, _step(span))
        session.history.append(f"{span} with {session.persisted} persisted: {fault}")
        if span.is_question:
            return await self._interfered(request, fault, session) or self._status(request, session, span, fault)
        return await self._chunk(request, session, span, fault)

    async def _chunk(self, request: Request, session: Session, span: Span, fault: FaultKind | None) -> Response:
        if self.hold_after is not None and len(self.puts) > self.hold_after:
            self.held.set()
            await self.hold.wait()
        if self.faults:
            fault = self.faults.popleft() or fault
        session.announce(span)
        if answer := await self._interfered(request, fault, session):
            return answer
        if objection := session.objection(span, request.headers.get("Content-Length")):
            self.violations.append(objection)
        if span.start > session.persisted:
            beyond = f"the upload offset is {span.start} byte(s), which exceeds already uploaded size"
            return Response(f"Invalid request. According to the Content-Range header, {beyond}.", 503)
        return await self._take(request, session, span, fault)

    def _planned(self, name: str, step: Step) -> FaultKind | None:
        fault = self.plans[name].next(step) if name in self.plans else None
        if fault:
            self.injected[step, fault] += 1
        return fault

    async def _interfered(
        self, request: Request, fault: FaultKind | None, session: Session | None = None
    ) -> Response | None:
        """The answer of a fault that keeps nothing of the body."""
        if fault in {FaultKind.STALL_AT_ONCE, FaultKind.RESET_AT_ONCE}:
            await asyncio.sleep(self.stall_seconds if fault in STALLS else 0)
            request.scope["transport"].abort()
            return Response()
        if fault in {FaultKind.SESSION_GONE, FaultKind.SESSION_EXPIRED} and session:
            self._end(session, 410 if fault is FaultKind.SESSION_GONE else 404)
            return _error(session.is_gone, "Gone")
        if session:
            self._take_name(session.name, fault)
        with contextlib.suppress(ClientDisconnect):
            if fault is FaultKind.RESET_LATE:
                await request.body()
                request.scope["transport"].abort()
                return Response()
            if status := STATUSES.get(fault) if fault else None:
                await request.body()
                asked = self.retry_after[self._asked % len(self.retry_after)]
                self._asked += 1
                return _error(status, "said the test", headers={"Retry-After": asked} if asked else {})
        return None

    async def _take(self, request: Request, session: Session, span: Span, fault: FaultKind | None) -> Response:
        turn, before = session.turns, session.persisted
        half = span.length // 2 // UNIT * UNIT
        is_half = fault in {FaultKind.RESET_MIDWAY, FaultKind.STALL_MIDWAY}
        most = half if is_half or fault is FaultKind.PERSISTS_LESS else span.length
        taken = bytearray()
        with contextlib.suppress(ClientDisconnect):
            async for piece in request.stream():
                taken += piece
                if self.bytes_per_second:
                    await asyncio.sleep(len(piece) / self.bytes_per_second)
                if is_half and len(taken) >= half:
                    break
        if turn != session.turns:
            return Response(status_code=503)  # nobody hears it
        session.take(span, bytes(taken), 0 if fault is FaultKind.PERSISTS_NOTHING else most)
        self.bytes_taken += session.persisted - before
        is_whole = span.is_last and session.persisted == span.total
        answer = self._finish(request, session) if is_whole and not is_half else self._incomplete(session, span, fault)
        if fault in STALLS:
            await asyncio.sleep(self.stall_seconds)
        if is_half or fault in STALLS or fault is FaultKind.ANSWER_LOST:
            request.scope["transport"].abort()
        return Response("OK") if fault is FaultKind.ANSWER_GARBLED and session.stored else answer

    def _finish(self, request: Request, session: Session) -> Response:
        if session.name in self.objects:
            return _error(412, PRECONDITION)
        crc = session.crc32c()
        hashes = dict(pair.split("=", 1) for pair in request.headers.get("x-goog-hash", "").split(",") if pair)
        told = {session.declared.get("crc32c"), hashes.get("crc32c")} - {None}
        if not told:
            self.violations.append(f"{session.name}: no checksum was announced, the server could not check")
        if told - {crc}:
            self._end(session, 404)
            return _error(400, f"Provided CRC32C does not match calculated CRC32C {crc}")
        session.stored = self._store(session.name, bytes(session.received), crc, session.declared)
        session.received.clear()
        return JSONResponse(session.stored)

    def _store(self, name: str, content: bytes, crc: str, declared: dict[str, Any]) -> dict[str, Any]:
        self._generations += 1
        self.stored[name] += 1
        self.objects[name] = {
            "name": name,
            "bucket": self.bucket,
            "generation": str(self._generations),
            "size": str(len(content)),
            "crc32c": crc,
            "contentType": declared.get("contentType"),
            "metadata": declared.get("metadata", {}),
        }
        if self.keeps_bodies:
            self.bodies[name] = content
        return self.objects[name]

    def _take_name(self, name: str, fault: FaultKind | None) -> None:
        """Another session ends first, with the same bytes."""
        if fault is FaultKind.NAME_TAKEN and name not in self.objects:
            other = Session(name, {}, None, received=bytearray(self.plans[name].content))
            self._store(name, self.plans[name].content, other.crc32c(), {})

    def _end(self, session: Session, status: int) -> None:
        session.is_gone = status
        session.received.clear()

    def _status(self, request: Request, session: Session, span: Span, fault: FaultKind | None) -> Response:
        if span.total == session.persisted:
            return self._finish(request, session)  # the question ends an upload of which every byte is there
        return self._incomplete(session, span, fault)

    def _incomplete(self, session: Session, span: Span, fault: FaultKind | None) -> Response:
        received = session.persisted
        if fault is FaultKind.RANGE_MALFORMED:
            return Response(status_code=308, headers={"Range": f"bytes 0-{received}/*"})
        if fault in LIES:
            received = received + UNIT if fault is FaultKind.RANGE_BEYOND else max(0, received - UNIT)
        session.told = received
        return Response(status_code=308, headers={"Range": f"bytes=0-{received - 1}"} if received else {})

    def _refusal(self, request: Request) -> Response | None:
        if self.needs_token and request.headers.get("Authorization") != f"Bearer {ACCESS_TOKEN}":
            return _error(401, "Invalid Credentials")
        return None if request.path_params["bucket"] == self.bucket else _error(404, "No such bucket")

    def _violation(self, what: str) -> Response:
        self.violations.append(what)
        return _error(400, what)


class _ShowsTransport(H11Protocol):
    """Puts the connection into the scope, for the faults that break it."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        app = self.app

        async def with_transport(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "transport": transport}, receive, send)

        self.app = with_transport


@contextlib.asynccontextmanager
async def gcs_server() -> AsyncIterator[Gcs]:
    """A running server; on leaving, nobody may have violated the protocol."""
    gcs = Gcs()
    async with serving(gcs.app(), http=_ShowsTransport) as root:
        gcs.root = root
        yield gcs
        gcs.hold.set()
    assert gcs.violations == []


def _step(span: Span) -> Step:
    if span.is_question:
        return Step.STATUS
    return Step.LAST if span.is_last else Step.MIDDLE if span.start else Step.FIRST


def _error(status: int, message: str, reason: str = "", headers: dict[str, str] | None = None) -> Response:
    error = {"code": status, "message": message, "errors": [{"message": message, "reason": reason}]}
    return JSONResponse({"error": error}, status, headers)
