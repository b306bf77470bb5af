"""Footage that is stored, chained and told of, as a recorder and the control plane leave it; then somebody tampers."""

import base64
import hashlib
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import google_crc32c
from sqlalchemy import text
from uuid_utils.compat import uuid7

from camfleet_contract.chains import ChainHead as Told
from camfleet_contract.descriptions import SegmentDescription
from camfleet_contract.recordings import RecordingStatus
from camfleet_contract.segments import object_name
from control_plane.custody.findings import Finding, Tally
from control_plane.custody.rows import link_of
from control_plane.custody.verification import verify
from control_plane.models import Camera, Client, Gap, Recording, Segment, SegmentState, Site
from control_plane.rebuild import Rebuild, Summary
from control_plane.recordings.chain_heads import keep_heads
from control_plane.recordings.retention import delete_old_footage
from control_plane.services import Services
from tests.recorder.gcs import Gcs

START = datetime(2026, 3, 1, 20, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
KEPT_DAYS = 30


@dataclass
class Scene:
    """One camera of one recorder."""

    services: Services
    client_id: uuid.UUID
    camera_id: uuid.UUID
    recording_id: uuid.UUID
    gcs: Gcs | None = None
    chain_id: uuid.UUID = field(default_factory=uuid7)
    segments: list[Segment] = field(default_factory=list)

    async def sealed(self, count: int = 1, **more: Any) -> None:
        """So many more, of a minute each."""
        rows = []
        for _ in range(count):
            segment = self._sealed(**more)
            if segment.state is SegmentState.STORED:
                box = self.box(segment) if more.get("boxed") else b""
                self.put(segment, content(segment.sequence or 0) + box)
            rows.append(segment)
        async with self.services.sessions.begin() as session:
            session.add_all(rows)

    def _sealed(
        self,
        state: SegmentState = SegmentState.STORED,
        codec: str = "h264",
        *,
        start: datetime | None = None,
        boxed: bool = False,
    ) -> Segment:
        last = self.segments[-1] if self.segments else None
        sequence = last.sequence + 1 if last and last.sequence else 1
        start, data, id_ = start or START + sequence * MINUTE, content(sequence), uuid7()
        segment = Segment(
            id=id_,
            recording_id=self.recording_id,
            camera_id=self.camera_id,
            client_id=self.client_id,
            started_at=start,
            ended_at=start + MINUTE,
            state=state,
            stored_at=start + 2 * MINUTE,
            previous_sha256=last.sha256 if last else None,
            codec=codec,
            packets=1500,
            clock_error_seconds=0.25,
            object_name=object_name(self.camera_id, self.recording_id, id_, start),
            generation=None if self.gcs else 0,
            chain_id=self.chain_id,
            sequence=sequence,
        )
        self.segments.append(segment)
        describe(segment, data + self.box(segment) if boxed else data)
        segment.link_sha256 = link_of(segment).sha256_after(last.link_sha256 if last else None)
        return segment

    def box(self, segment: Segment) -> bytes:
        """What a recorder writes at the end of its file."""
        before = self.number(segment.sequence - 1) if segment.sequence and segment.sequence > 1 else None
        return SegmentDescription(
            segment_id=segment.id,
            recording_id=segment.recording_id,
            camera_id=segment.camera_id,
            client_id=segment.client_id,
            recorder_id=segment.chain_id,
            start=segment.started_at,
            end=segment.ended_at,
            clock_error_seconds=segment.clock_error_seconds,
            codec=segment.codec,
            packets=segment.packets,
            sequence=segment.sequence,
            previous_link_sha256=before.link_sha256 if before else None,
            previous_sha256=segment.previous_sha256,
        ).box()

    async def told(self, waiting_from: int | None = None, given_up: int = 0, now: datetime = START) -> None:
        """A heartbeat."""
        last = self.segments[-1]
        assert last.sequence is not None
        assert last.link_sha256 is not None
        head = Told(
            camera_id=self.camera_id,
            chain_id=self.chain_id,
            sequence=last.sequence,
            segment_id=last.id,
            sha256=last.sha256,
            link_sha256=last.link_sha256,
            waiting_from=waiting_from or last.sequence + 1,
            given_up=given_up,
        )
        async with self.services.sessions.begin() as session:
            await keep_heads(session, self.client_id, [head], now)

    def number(self, sequence: int) -> Segment:
        return self.segments[sequence - 1]

    # -- what somebody may do to it

    @property
    def folder(self) -> Path:
        return Path(unquote(urlsplit(self.services.store.url).path))

    def put(self, segment: Segment, data: bytes) -> None:
        """Write the object anew."""
        self.put_as(segment.object_name, data)
        if self.gcs and segment.generation is None:
            segment.generation = int(self.gcs.objects[segment.object_name]["generation"])

    def put_as(self, name: str, data: bytes) -> None:
        if self.gcs:
            self.gcs._store(name, data, crc32c(data), {"name": name, "contentType": "video/mp4"})
        else:
            file = self.folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)

    def remove(self, segment: Segment) -> None:
        """The object."""
        if self.gcs:
            del self.gcs.objects[segment.object_name], self.gcs.bodies[segment.object_name]
        else:
            (self.folder / segment.object_name).unlink()

    async def sql(self, statement: str, **parameters: Any) -> None:
        async with self.services.sessions.begin() as session:
            await session.execute(text(statement), parameters)

    async def change(self, segment: Segment, **columns: Any) -> None:
        """The row, and nothing else."""
        sets = ", ".join(f"{name} = :{name}" for name in columns)
        await self.sql(f"UPDATE segments SET {sets} WHERE id = :id", id=segment.id, **columns)  # noqa: S608 - a test's

    async def erase(self, segment: Segment) -> None:
        """Row and object."""
        await self.sql("DELETE FROM segments WHERE id = :id", id=segment.id)
        self.remove(segment)

    async def kept_to_retention(self, cutoff: datetime) -> datetime:
        """What the control plane does when KEPT_DAYS have passed since `cutoff`; that moment."""
        now = cutoff + timedelta(days=KEPT_DAYS)
        if self.gcs:
            self.gcs.permissions.append("storage.objects.delete")
        # The database has a clock of its own.
        await self.sql(f"ALTER TABLE events ALTER occurred_at SET DEFAULT '{now.isoformat()}'")
        deleted = await delete_old_footage(self.services.sessions, self.services.store, self.camera_id, KEPT_DAYS, now)
        assert deleted.segments, "or there is nothing to be seen"
        return now

    async def rebuilt(self, what_was_lost: str = "TRUNCATE segments, chain_heads, gaps, events, recordings") -> None:
        """The database, or some of it, is gone and recreated from the store."""
        await self.sql(what_was_lost)
        summary = Summary(lambda _: None)
        await Rebuild(
            self.services.sessions, self.services.store, summary, clock=lambda: START + timedelta(hours=2)
        ).run()
        assert summary.segments, "or there is nothing to be seen"

    async def gap(self, start: datetime, cause: str) -> None:
        gap = Gap(
            camera_id=self.camera_id,
            client_id=self.client_id,
            id=uuid7(),
            started_at=start,
            ended_at=start + MINUTE,
            cause=cause,
            detail="the disk was nearly full",
        )
        async with self.services.sessions.begin() as session:
            session.add(gap)

    # -- and whether it shows

    async def findings(
        self,
        start: datetime = START,
        end: datetime = START + timedelta(days=1),
        *,
        now: datetime = START + timedelta(days=1),
        with_bytes: bool = False,
    ) -> list[Finding]:
        services, tally = self.services, Tally()
        found = verify(
            services.sessions, services.store, self.camera_id, start, end, tally, now=now, with_bytes=with_bytes
        )
        return [finding async for finding in found]

    async def problems(self, *, with_bytes: bool = False) -> list[tuple[str, int | None]]:
        """Kind and number of each."""
        found = await self.findings(with_bytes=with_bytes)
        return [(finding.kind.value, finding.sequence) for finding in found if finding.is_problem]


def describe(segment: Segment, data: bytes) -> None:
    """The row says that these are its bytes."""
    segment.size_bytes, segment.crc32c = len(data), crc32c(data)
    segment.sha256 = hashlib.sha256(data).hexdigest()


def content(sequence: int) -> bytes:
    return f"segment {sequence:06}".encode() * 100


def crc32c(data: bytes) -> str:
    return base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()


async def scene(services: Services, gcs: Gcs | None = None) -> Scene:
    """A camera with nothing stored yet."""
    async with services.sessions.begin() as session:
        site = Site(id=uuid7(), name=f"Harbour {uuid7()}")
        session.add(site)
        await session.flush()
        client = Client(id=uuid7(), site_id=site.id, name="Box")
        camera = Camera(id=uuid7(), site_id=site.id, name="Yard", ip_address="camera")
        session.add_all([client, camera])
        await session.flush()
        recording = Recording(
            id=uuid7(),
            client_id=client.id,
            camera_id=camera.id,
            name="Night",
            status=RecordingStatus.COMPLETED,
            started_at=START,
        )
        session.add(recording)
    return Scene(services, client.id, camera.id, recording.id, gcs)
