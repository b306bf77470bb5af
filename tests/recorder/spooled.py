"""A spool with sealed segments in it, without a camera."""

import hashlib
import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

from recorder.spool import Recording, Sealed, Segment, Spool
from recorder.storage.interface import checksum

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CAMERA = uuid7()


class SetClock:
    """A clock that a test moves."""

    def __init__(self, now: datetime = NOON) -> None:
        self.time = now
        self.seconds = 0.0

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.seconds

    def advance(self, by: timedelta) -> None:
        self.time += by
        self.seconds += by.total_seconds()


def begun(spool: Spool, camera_id: UUID = CAMERA, at: datetime = NOON) -> Recording:
    recording = Recording(uuid7(), camera_id, None, "Yard", at, until=at + timedelta(hours=1))
    spool.recordings.begin(recording)
    return recording


def sealed(spool: Spool, recording: Recording, start: datetime = NOON, size: int = 100_000) -> Segment:
    segment = spool.segments.begin(uuid7(), recording.id, recording.camera_id, start)
    file = spool.segments.file(segment)
    file.parent.mkdir(parents=True, exist_ok=True)
    content = random.Random(segment.id.int).randbytes(size)
    file.write_bytes(content)
    spool.segments.seal(
        segment.id,
        Sealed(
            start=start,
            end=start + timedelta(seconds=60),
            size_bytes=size,
            crc32c=checksum(file, size),
            sha256=hashlib.sha256(content).hexdigest(),
            codec="h264",
            packets=1500,
        ),
    )
    found = spool.segments.get(segment.id)
    assert found is not None
    return found
