"""Stored segments with real footage in them, to drill on."""

import asyncio
import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random

import av
import google_crc32c
from sqlalchemy import select, update
from uuid_utils.compat import uuid7

from control_plane.drills.drill import drill
from control_plane.drills.sampling import Wanted
from control_plane.events import BACKGROUND
from control_plane.models import Drill, Segment
from control_plane.stores import Store
from tests.control_plane.recordings.stored import Stock
from tests.recorder.footage import make_clip

FPS = 25
SECONDS = 2
PACKETS = FPS * SECONDS


def make_footage(folder: Path) -> bytes:
    """A segment's bytes: an MP4 with picture and sound."""
    clip, file = make_clip(folder / "clip.mov", seconds=SECONDS), folder / "segment.mp4"
    with av.open(str(clip)) as source, av.open(str(file), "w", format="mp4") as target:
        streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.size:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    return file.read_bytes()


@dataclass(frozen=True, slots=True)
class Cellar:
    """A stock whose segments are real ones, in any store."""

    stock: Stock
    footage: bytes
    store: Store

    async def lay(self, *contents: bytes) -> Sequence[Segment]:
        """Segments with these bytes, proven and counted as if all were well."""
        for number, content in enumerate(contents):
            await self.stock.recording(timedelta(minutes=10 + number), content=content)
        async with self.stock.services.sessions.begin() as session:
            await session.execute(update(Segment).values(packets=PACKETS))
        return await self.stock.segments()

    async def claim(self, segment: Segment, content: bytes) -> None:
        """Let the row say that these were the proven bytes."""
        values = {
            "size_bytes": len(content),
            "crc32c": base64.b64encode(google_crc32c.value(content).to_bytes(4, "big")).decode(),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        async with self.stock.services.sessions.begin() as session:
            await session.execute(update(Segment).where(Segment.id == segment.id).values(**values))

    def file_of(self, segment: Segment) -> Path:
        return self.stock.folder / segment.object_name

    async def drill(
        self, wanted: Wanted | None = None, *, is_demuxing: bool = True, limit: asyncio.Timeout | None = None
    ) -> Drill:
        return await drill(
            self.stock.services.sessions,
            self.store,
            wanted or Wanted(100),
            BACKGROUND,
            is_demuxing=is_demuxing,
            random=Random(1),
            limit=limit or asyncio.timeout(None),
        )

    async def drills(self) -> Sequence[Drill]:
        """All that were published."""
        async with self.stock.services.sessions() as session:
            return (await session.scalars(select(Drill).order_by(Drill.id))).all()


def faults(done: Drill) -> dict[str, str]:
    """What is wrong with which segment."""
    return {failure["segment_id"]: failure["fault"] for failure in done.failures}


def metadata_of(name: str, content: bytes) -> dict[str, object]:
    """What a bucket says of an object that has these bytes."""
    crc32c = base64.b64encode(google_crc32c.value(content).to_bytes(4, "big")).decode()
    return {"name": name, "size": str(len(content)), "crc32c": crc32c, "generation": str(uuid7().int >> 64)}
