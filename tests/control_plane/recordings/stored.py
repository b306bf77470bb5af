"""Footage that is stored, with its files in the test's folder."""

import base64
import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

import google_crc32c
from sqlalchemy import func, select
from uuid_utils.compat import uuid7

from camfleet_contract.recordings import RecordingStatus
from control_plane.models import Camera, Client, Event, Recording, Segment, SegmentState, Site
from control_plane.services import Services

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Stock:
    """One recorder with one camera, and what is stored of it."""

    services: Services
    client_id: uuid.UUID
    camera_id: uuid.UUID

    @property
    def folder(self) -> Path:
        """Of the store."""
        return Path(unquote(urlsplit(self.services.store.url).path))

    async def recording(self, *ages: timedelta, held: bool = False, content: bytes = b"footage") -> Recording:
        """A recording with a stored segment of a minute that began so long before NOW, for each of `ages`."""
        recording = Recording(
            id=uuid7(),
            client_id=self.client_id,
            camera_id=self.camera_id,
            name="Night",
            status=RecordingStatus.COMPLETED,
            started_at=NOW - max(ages),
            held_at=NOW if held else None,
            holds_unsettled_at=func.now() if held else None,
        )
        segments = [self._segment(recording, NOW - age, content) for age in ages]
        for segment in segments:
            file = self.folder / segment.object_name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        async with self.services.sessions.begin() as session:
            session.add(recording)
            await session.flush()
            session.add_all(segments)
        return recording

    def _segment(self, recording: Recording, started_at: datetime, content: bytes) -> Segment:
        id_ = uuid7()
        checksum = google_crc32c.value(content).to_bytes(4, "big")
        return Segment(
            id=id_,
            recording_id=recording.id,
            camera_id=self.camera_id,
            client_id=self.client_id,
            started_at=started_at,
            ended_at=started_at + timedelta(minutes=1),
            state=SegmentState.STORED,
            stored_at=started_at + timedelta(minutes=2),
            size_bytes=len(content),
            crc32c=base64.b64encode(checksum).decode(),
            sha256=hashlib.sha256(content).hexdigest(),
            codec="h264",
            packets=1500,
            object_name=f"cameras/{self.camera_id}/{id_}.mp4",
            generation=0,
        )

    async def segments(self) -> Sequence[Segment]:
        """All, oldest first."""
        async with self.services.sessions() as session:
            query = select(Segment).where(Segment.camera_id == self.camera_id)
            return (await session.scalars(query.order_by(Segment.started_at))).all()

    async def events(self, kind: str) -> Sequence[Event]:
        """Of a kind, in order."""
        async with self.services.sessions() as session:
            return (await session.scalars(select(Event).where(Event.kind == kind).order_by(Event.id))).all()

    def files(self) -> int:
        """How many objects the store has."""
        return sum(file.is_file() for file in self.folder.rglob("*.mp4"))


async def stock(services: Services, *, retention_days: int | None = None) -> Stock:
    """A site with nothing stored yet."""
    async with services.sessions.begin() as session:
        site = Site(id=uuid7(), name=f"Harbour {uuid7()}")
        session.add(site)
        await session.flush()
        client = Client(id=uuid7(), site_id=site.id, name="Box")
        camera = Camera(id=uuid7(), site_id=site.id, name="Yard", ip_address="camera", retention_days=retention_days)
        session.add_all([client, camera])
    one = Stock(services, client.id, camera.id)
    one.folder.mkdir(parents=True, exist_ok=True)
    return one
