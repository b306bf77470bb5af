"""A control plane small enough to see through: it reads every request with the contract's own messages."""

import asyncio
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse

from camfleet_contract.commands import Command, CommandKind, CommandReceived, CommandResult, CommandState
from camfleet_contract.events import Event, EventReport, EventsAnswer, EventVerdict
from camfleet_contract.gaps import Gap, GapReport, GapsAnswer, GapVerdict
from camfleet_contract.heartbeats import Heartbeat, HeartbeatReceived
from camfleet_contract.recordings import RecordingRegistered, RecordingStatusAccepted, RecordingStatusReport
from camfleet_contract.segments import (
    OfferBatch,
    OffersAnswer,
    OfferVerdict,
    RefusalCode,
    SegmentOffer,
    UploadSession,
    Verdict,
    object_name,
)
from recorder.clock import SystemClock
from tests.recorder.gcs import Gcs
from tests.recorder.waiting import LIMIT_SECONDS

TOKEN = "only-for-tests"
CLIENT = UUID(int=7)
PREFIX = "/v0/api/local-client"


@dataclass
class FakeControlPlane:
    """What it was told, and how it answers."""

    token: str = TOKEN
    new_token: str | None = None
    """Good besides that one; once it was told with this one that it came, only this one is."""
    document: bytes = b'{"revision": "1", "client_id": "00000000-0000-0000-0000-000000000007", "client_name": "Box"}'
    lists: dict[str, list[Any]] = field(default_factory=lambda: {"schedules": [], "cameras": []})
    has_config: bool = True
    down: int = 0
    """While not 0, the status of every answer."""
    gcs: Gcs | None = None
    """Where it opens upload sessions."""
    known_cameras: set[UUID] | None = None
    registered: dict[UUID, dict[str, str]] = field(default_factory=dict)
    statuses: list[RecordingStatusReport] = field(default_factory=list)
    gaps: dict[UUID, Gap] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    has_events: bool = True
    """False before the application is made: the call is not there, as in older versions."""
    heartbeats: list[Heartbeat] = field(default_factory=list)
    offers: list[SegmentOffer] = field(default_factory=list)
    sessions: dict[UUID, str] = field(default_factory=dict)
    stored: set[UUID] = field(default_factory=set)
    batches: list[int] = field(default_factory=list)
    verdicts: dict[UUID, OfferVerdict] = field(default_factory=dict)
    """Answers that a test wants, instead of the right ones; each is used once."""
    refuses_gap: UUID | None = None
    """By refusing the whole report."""
    gap_verdicts: dict[UUID, GapVerdict] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    refused: int = 0
    """Calls with a token that isn't known."""
    config_changed: bool = False
    commands: dict[UUID, CommandState] = field(default_factory=dict)
    """What was asked, and how far it is."""
    kinds: dict[UUID, CommandKind] = field(default_factory=dict)
    answers: list[tuple[UUID, CommandResult]] = field(default_factory=list)
    """What was told of that, and every time that it was."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    progressed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.document).hexdigest()[:12]}"'

    def publish(self, document: bytes) -> None:
        """Changes the configuration and wakes who polls for it."""
        self.document = document
        self.changed.set()
        self.changed = asyncio.Event()

    def ask(self, *commands: Command) -> None:
        """Puts commands into the configuration; without any, they are taken out of it."""
        self.kinds |= {command.id: command.kind for command in commands}
        self.commands |= {command.id: CommandState.ASKED for command in commands if command.id not in self.commands}
        shown = [command.model_dump(mode="json") for command in commands]
        document = json.loads(self.document) | {"commands": shown, "revision": str(uuid4())}
        self.publish(json.dumps(document).encode())

    def told(self, command_id: UUID) -> list[CommandResult]:
        """What was told of it, in order."""
        return [result for told_id, result in self.answers if told_id == command_id]

    async def ended(self, command: Command) -> CommandResult:
        """How it ended, once that was told."""
        await self.until(lambda: self.commands[command.id].is_over and self.told(command.id))
        return self.told(command.id)[-1]

    async def until(self, condition: Any, seconds: float = LIMIT_SECONDS) -> None:
        """Waits until a call has made the condition true."""
        async with asyncio.timeout(seconds), self.progressed:
            await self.progressed.wait_for(condition)

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.middleware("http")
        async def guard(request: Request, call_next: Any) -> Response:
            path = request.url.path.removeprefix(PREFIX)
            self.calls.append(f"{request.method} {path}")
            if self.down:
                response: Response = JSONResponse({"detail": "down for the test"}, self.down)
            elif not self._is_known(request) and path != "/health":
                self.refused += 1
                response = JSONResponse({"detail": "Unknown token"}, 401, {"WWW-Authenticate": "Bearer"})
            else:
                response = await call_next(request)
            async with self.progressed:
                self.progressed.notify_all()
            return response

        app.get(f"{PREFIX}/health")(self.health)
        app.get(f"{PREFIX}/config")(self.config)
        app.get(f"{PREFIX}/schedules")(self.schedules)
        app.get(f"{PREFIX}/cameras")(self.cameras)
        app.post(f"{PREFIX}/heartbeat")(self.heartbeat)
        app.post(f"{PREFIX}/recordings/register")(self.register)
        app.post(f"{PREFIX}/recordings/status")(self.status)
        app.post(f"{PREFIX}/gaps")(self.report_gaps)
        app.post(f"{PREFIX}/segments/offer")(self.offer)
        app.post(f"{PREFIX}/commands/{{command_id}}/result")(self.command_result)
        if self.has_events:
            app.post(f"{PREFIX}/events")(self.report_events)
        return app

    def _is_known(self, request: Request) -> bool:
        return request.headers.get("Authorization") in {f"Bearer {self.token}", f"Bearer {self.new_token}"}

    async def command_result(self, command_id: UUID, result: CommandResult, request: Request) -> CommandReceived:
        if command_id not in self.commands:
            raise HTTPException(404, "Unknown command")
        is_new = request.headers.get("Authorization") == f"Bearer {self.new_token}"
        if self.kinds.get(command_id) == CommandKind.ROTATE_TOKEN and result.state is CommandState.DONE:
            if not is_new:
                raise HTTPException(409, "Tell this with the new token")
            self.token = self.new_token or self.token
        self.answers.append((command_id, result))
        state = self.commands[command_id]
        if state is CommandState.ASKED or (not state.is_over and result.state is not CommandState.ACCEPTED):
            self.commands[command_id] = CommandState(result.state)
        return CommandReceived(id=command_id, state=self.commands[command_id])

    async def health(self) -> dict[str, str]:
        return {"status": "healthy", "service": "Local Client API", "version": "5.0.0"}

    async def config(self, request: Request, wait: float = 0) -> Response:
        if not self.has_config:
            raise HTTPException(404, "Not Found")
        if request.headers.get("If-None-Match") == self.etag:
            try:
                async with asyncio.timeout(wait):
                    await self.changed.wait()
            except TimeoutError:
                return Response(status_code=304, headers={"ETag": self.etag})
        return Response(self.document, media_type="application/json", headers={"ETag": self.etag})

    async def schedules(self, request: Request) -> Response:
        return self._list("schedules", request)

    async def cameras(self, request: Request) -> Response:
        return self._list("cameras", request)

    def _list(self, name: str, request: Request) -> Response:
        answer = JSONResponse(self.lists[name])
        etag = f'"{hashlib.sha256(bytes(answer.body)).hexdigest()[:12]}"'
        if request.headers.get("If-None-Match") == etag:
            return Response(status_code=304, headers={"ETag": etag})
        answer.headers["ETag"] = etag
        return answer

    async def heartbeat(self, heartbeat: Heartbeat) -> HeartbeatReceived:
        self.heartbeats.append(heartbeat)
        return HeartbeatReceived(client_id=CLIENT, server_time=SystemClock().now(), config_changed=self.config_changed)

    async def register(self, request: Request, camera_id: UUID, recording_id: UUID) -> RecordingRegistered:
        if self.known_cameras is not None and camera_id not in self.known_cameras:
            raise HTTPException(404, "Unknown camera")
        self.registered[recording_id] = dict(request.query_params)
        return RecordingRegistered(recording_id=recording_id)

    async def status(self, report: RecordingStatusReport) -> RecordingStatusAccepted:
        if report.recording_id not in self.registered:
            raise HTTPException(404, "Unknown recording")
        self.statuses.append(report)
        return RecordingStatusAccepted()

    async def report_gaps(self, report: GapReport) -> GapsAnswer:
        gaps = [gap for gap in report.gaps if isinstance(gap, Gap)]
        assert len(gaps) == len(report.gaps), "the recorder sent what nobody can read"
        if any(gap.id == self.refuses_gap for gap in gaps):
            raise HTTPException(422, "one of them is bad")
        verdicts = {gap.id: self.gap_verdicts.get(gap.id, GapVerdict(id=gap.id, verdict="stored")) for gap in gaps}
        self.gaps |= {gap.id: gap for gap in gaps if verdicts[gap.id].verdict == "stored"}
        return GapsAnswer(gaps=list(verdicts.values()))

    async def report_events(self, report: EventReport) -> EventsAnswer:
        events = [event for event in report.events if isinstance(event, Event)]
        assert len(events) == len(report.events), "the recorder sent what nobody can read"
        self.events += events
        return EventsAnswer(events=[EventVerdict(id=event.id, verdict="stored") for event in events])

    async def offer(self, batch: OfferBatch) -> OffersAnswer:
        offers = [offer for offer in batch.segments if isinstance(offer, SegmentOffer)]
        assert len(offers) == len(batch.segments), "the recorder sent what nobody can read"
        self.batches.append(len(offers))
        self.offers += offers
        return OffersAnswer(segments=[self._verdict(offer) for offer in offers])

    def _verdict(self, offer: SegmentOffer) -> OfferVerdict:
        if offer.id in self.verdicts:
            return self.verdicts.pop(offer.id)
        if offer.recording_id not in self.registered:
            return _refused(offer, RefusalCode.UNKNOWN_RECORDING)
        name = object_name(offer.camera_id, offer.recording_id, offer.id, offer.start)
        is_there = self.gcs is not None and offer.id in self.sessions and name in self.gcs.objects
        if offer.object_name is None and self.gcs is not None and not is_there:
            if offer.id not in self.sessions or offer.session_gone:
                self.sessions[offer.id] = self.gcs.open_session(name, offer.size_bytes, {"crc32c": offer.crc32c})
            session = UploadSession(uri=self.sessions[offer.id], expires_at=SystemClock().now())
            return OfferVerdict(id=offer.id, verdict=Verdict.WANTED, object_name=name, upload=session)
        found = self.gcs.objects.get(name) if self.gcs is not None else None
        if offer.object_name not in {name, None} or (self.gcs is not None and found is None):
            return _refused(offer, RefusalCode.OBJECT_MISSING)
        generation = str(offer.generation) if offer.generation and found else found and found["generation"]
        if found is not None and (found["crc32c"], found["generation"]) != (offer.crc32c, generation):
            return _refused(offer, RefusalCode.CHECKSUM_MISMATCH)
        self.stored.add(offer.id)
        return OfferVerdict(id=offer.id, verdict=Verdict.STORED)


def _refused(offer: SegmentOffer, code: RefusalCode) -> OfferVerdict:
    return OfferVerdict(id=offer.id, verdict=Verdict.REFUSED, code=code, reason=f"{code.value}, said the test")
