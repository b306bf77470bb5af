"""Google Cloud Storage as far as uploads go, by the book: strict about the protocol, faulty on command.

https://cloud.google.com/storage/docs/performing-resumable-uploads, https://cloud.google.com/storage/docs/json_api/v1
"""

import asyncio
import base64
import contextlib
import json
import re
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import google_crc32c
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from tests.recorder.serving import serving

UNIT = 256 * 1024
CONTENT_RANGE = re.compile(r"bytes (?:\*|(\d+)-(\d+))/(\d+)")
ACCESS_TOKEN = "ya29.only-for-tests"
SERVICE_ACCOUNT = "recorder@camfleet-tests.iam.gserviceaccount.com"


class FaultKind(StrEnum):
    """What goes wrong with one PUT to an upload session."""

    RESET_AT_ONCE = "reset before a byte is read"
    RESET_MIDWAY = "reset after half of the chunk is persisted"
    UNAVAILABLE = "503, nothing persisted"
    TOO_MANY = "429, nothing persisted"
    PERSISTS_LESS = "308 with less than was sent"
    PERSISTS_NOTHING = "308 without Range"
    ANSWER_LOST = "all persisted, connection reset"
    ANSWER_GARBLED = "final answer without metadata"
    SESSION_GONE = "410"
    FORBIDDEN = "403"


@dataclass
class Session:
    """One resumable upload."""

    name: str
    declared: dict[str, Any]
    size: int | None
    received: bytearray = field(default_factory=bytearray)


@dataclass
class Gcs:
    """The bucket's content, the open sessions, and every violation of the protocol."""

    bucket: str = "camfleet-tests"
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    bodies: dict[str, bytes] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    faults: deque[FaultKind | None] = field(default_factory=deque)
    """For the next PUTs, one each; None lets one pass."""
    violations: list[str] = field(default_factory=list)
    puts: list[str] = field(default_factory=list)
    """The Content-Range of every PUT."""
    opened: int = 0
    bytes_taken: int = 0
    needs_token: bool = True
    permissions: list[str] = field(default_factory=lambda: ["storage.objects.create", "storage.objects.get"])
    hold_after: int | None = None
    """After so many PUTs of data the next ones wait for `hold`: for tests that stop the client in the middle."""
    hold: asyncio.Event = field(default_factory=asyncio.Event)
    held: asyncio.Event = field(default_factory=asyncio.Event)
    root: str = ""
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    _generations: int = 1_700_000_000_000_000

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/token", self.token, methods=["POST"]),
                Route("/storage/v1/b/{bucket}/iam/testPermissions", self.test_permissions),
                Route("/storage/v1/b/{bucket}/o/{name:path}", self.metadata),
                Route("/storage/v1/b/{bucket}/o/{name:path}", self.change, methods=["DELETE", "PATCH"]),
                Route("/upload/storage/v1/b/{bucket}/o", self.open, methods=["POST"]),
                Route("/upload/session/{id}", self.put, methods=["PUT"]),
            ]
        )

    def credentials(self, folder: Path) -> Path:
        """A service account's key file that asks this server for tokens."""
        pem = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        path = folder / "service-account.json"
        held = {
            "type": "service_account",
            "project_id": "camfleet-tests",
            "private_key_id": "1",
            "private_key": pem,
            "client_email": SERVICE_ACCOUNT,
            "token_uri": f"{self.root}/token",
        }
        path.write_text(json.dumps(held))
        return path

    def open_session(self, name: str, size: int | None = None, declared: dict[str, Any] | None = None) -> str:
        """The URI of a new upload session, as a control plane would hand it out."""
        self.opened += 1
        session_id = f"secret-session-{self.opened}"
        self.sessions[session_id] = Session(name, declared or {}, size)
        return f"{self.root}/upload/session/{session_id}?upload_id=AHmUCY-{session_id}"

    async def token(self, request: Request) -> Response:
        form = dict(pair.split("=", 1) for pair in (await request.body()).decode().split("&"))
        try:
            claims = jwt.decode(form["assertion"], self.key.public_key(), ["RS256"], audience=f"{self.root}/token")
        except jwt.PyJWTError:
            return JSONResponse({"error": "invalid_grant"}, 400)
        if "devstorage" not in claims["scope"]:
            self.violations.append("a token without the storage scope")
        return JSONResponse({"access_token": ACCESS_TOKEN, "expires_in": 3600, "token_type": "Bearer"})

    async def test_permissions(self, request: Request) -> Response:
        if refusal := self._refusal(request):
            return refusal
        asked = request.query_params.getlist("permissions")
        return JSONResponse({"permissions": [p for p in asked if p in self.permissions]})

    async def metadata(self, request: Request) -> Response:
        if refusal := self._refusal(request):
            return refusal
        found = self.objects.get(request.path_params["name"])
        return JSONResponse(found) if found else _error(404, "No such object")

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
        if found.get("temporaryHold") or found.get("eventBasedHold"):
            return _error(403, "Object is under active Temporary hold and cannot be deleted", "objectUnderActiveHold")
        del self.objects[name], self.bodies[name]
        return Response(status_code=204)

    async def open(self, request: Request) -> Response:
        if refusal := self._refusal(request):
            return refusal
        asked = request.query_params
        declared = await request.json()
        name = asked.get("name", "")
        if asked.get("uploadType") != "resumable" or not name or declared.get("name", name) != name:
            return self._violation("an upload needs uploadType=resumable and one name")
        if asked.get("ifGenerationMatch") != "0":
            self.violations.append(f"{name} could have been overwritten: ifGenerationMatch is not 0")
        if name in self.objects:
            return _error(412, "At least one of the pre-conditions you specified did not hold.")
        size = request.headers.get("X-Upload-Content-Length")
        uri = self.open_session(name, int(size) if size else None, declared)
        return Response(status_code=200, headers={"Location": uri})

    async def put(self, request: Request) -> Response:
        self.puts.append(request.headers.get("Content-Range", ""))
        session = self.sessions.get(request.path_params["id"])
        if session is None:
            return _error(404, "No such upload")
        told = CONTENT_RANGE.fullmatch(self.puts[-1])
        if told is None:
            return self._violation(f"Content-Range {self.puts[-1]!r}")
        if told[1] is None:
            return self._status(session, int(told[3]))
        if self.hold_after is not None and len(self.puts) > self.hold_after:
            self.held.set()
            await self.hold.wait()
        fault = self.faults.popleft() if self.faults else None
        return await self._interfered(request, fault) or await self._take(request, session, told, fault)

    async def _interfered(self, request: Request, fault: FaultKind | None) -> Response | None:
        """The answer of a fault that keeps nothing of the chunk."""
        if fault is FaultKind.RESET_AT_ONCE:
            request.scope["transport"].abort()
            return Response()
        if fault is FaultKind.SESSION_GONE:
            del self.sessions[request.path_params["id"]]
            return _error(410, "Gone")
        statuses = {FaultKind.UNAVAILABLE: 503, FaultKind.TOO_MANY: 429, FaultKind.FORBIDDEN: 403}
        status = statuses.get(fault) if fault else None
        if status is None:
            return None
        await request.body()
        return _error(status, "said the test")

    def _objection(self, request: Request, session: Session, told: re.Match[str]) -> str | None:
        """What the protocol has against this chunk."""
        start, last, total = int(told[1]), int(told[2]), int(told[3])
        length = last - start + 1
        if (session.size or total) != total or last >= total:
            return f"{told[0]}: the size was declared as {session.size}"
        if start != len(session.received):
            return f"{told[0]}: {len(session.received)} bytes are persisted"
        if last + 1 < total and length % UNIT:
            return f"{told[0]}: not a multiple of 256 KiB"
        if request.headers.get("Content-Length") != str(length):
            return f"{told[0]}: Content-Length {request.headers.get('Content-Length')}"
        return None

    async def _take(self, request: Request, session: Session, told: re.Match[str], fault: FaultKind | None) -> Response:
        if objection := self._objection(request, session, told):
            return self._violation(objection)
        length, total = int(told[2]) - int(told[1]) + 1, int(told[3])
        half = length // 2 // UNIT * UNIT
        keep = {FaultKind.RESET_MIDWAY: half, FaultKind.PERSISTS_LESS: half, FaultKind.PERSISTS_NOTHING: 0}.get(
            fault or FaultKind.ANSWER_LOST, length
        )
        taken = bytearray()
        with contextlib.suppress(ClientDisconnect):
            async for piece in request.stream():
                taken += piece
                if fault is FaultKind.RESET_MIDWAY and len(taken) >= keep:
                    break
        if len(taken) < length:
            keep = min(keep, len(taken) // UNIT * UNIT)
        session.received += taken[:keep]
        self.bytes_taken += keep
        complete = len(session.received) == total and fault is not FaultKind.RESET_MIDWAY
        answer = self._finish(request, session) if complete else self._incomplete(session)
        if fault in {FaultKind.RESET_MIDWAY, FaultKind.ANSWER_LOST}:
            request.scope["transport"].abort()
        return Response("OK") if fault is FaultKind.ANSWER_GARBLED and complete else answer

    def _finish(self, request: Request, session: Session) -> Response:
        if session.name in self.objects:
            return _error(412, "At least one of the pre-conditions you specified did not hold.")
        crc = base64.b64encode(google_crc32c.value(bytes(session.received)).to_bytes(4, "big")).decode()
        announced = {session.declared.get("crc32c"), request.headers.get("x-goog-hash", "").removeprefix("crc32c=")}
        if not announced - {None, ""}:
            self.violations.append(f"{session.name}: no checksum was announced, the server could not check")
        if announced - {None, "", crc}:
            session.received.clear()
            return _error(400, f"Provided CRC32C does not match calculated CRC32C {crc}")
        self._generations += 1
        self.objects[session.name] = {
            "name": session.name,
            "bucket": self.bucket,
            "generation": str(self._generations),
            "size": str(len(session.received)),
            "crc32c": crc,
            "contentType": session.declared.get("contentType"),
            "metadata": session.declared.get("metadata", {}),
            "session": request.path_params["id"],
        }
        self.bodies[session.name] = bytes(session.received)
        return JSONResponse(self.objects[session.name])

    def _status(self, session: Session, total: int) -> Response:
        stored = self.objects.get(session.name)
        if stored is not None and self.sessions.get(stored["session"]) is session:
            return JSONResponse(stored)
        if (session.size or total) != total:
            return self._violation(f"a size of {total}, declared as {session.size}")
        return self._incomplete(session)

    def _incomplete(self, session: Session) -> Response:
        received = len(session.received)
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


def _error(status: int, message: str, reason: str = "") -> Response:
    error = {"code": status, "message": message, "errors": [{"message": message, "reason": reason}]}
    return JSONResponse({"error": error}, status)
