"""A spool with sealed segments in it, without a camera."""

import hashlib
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

from recorder.spool import Recording, Sealed, Segment, SegmentState, Spool
from recorder.spool.database import to_column
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


def many_rows(spool: Spool, recording: Recording, count: int, state: SegmentState = SegmentState.STORED) -> None:
    """Rows of sealed segments a minute apart, in the real folders, without files; `NOON` is the newest one's start."""
    with spool._database.transaction() as db:
        newest = NOON - timedelta(minutes=db.execute("SELECT count(*) FROM segments").fetchone()[0])
        for number in range(count):
            start = newest - timedelta(minutes=number)
            segment_id = uuid7()
            path = f"recordings/{recording.camera_id}/{start:%Y-%m-%d}/{segment_id}.mp4"
            db.execute(
                "INSERT INTO segments (id, recording_id, camera_id, state, path, opened_at, start_at, end_at,"
                " size_bytes, crc32c, sha256, codec, packets) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1000, '', ?, 'h264', 1)",
                (
                    str(segment_id),
                    str(recording.id),
                    str(recording.camera_id),
                    state,
                    path,
                    to_column(start),
                    to_column(start),
                    to_column(start + timedelta(minutes=1)),
                    segment_id.hex,
                ),
            )


def steps(spool: Spool, work: Callable[[], object]) -> int:
    """How many thousand steps SQLite's machine takes for it, on all connections: work, not time."""
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0

    connections = (spool._database._connection, spool._database._reader)
    for connection in connections:
        connection.set_progress_handler(count, 1000)
    try:
        work()
    finally:
        for connection in connections:
            connection.set_progress_handler(None, 0)
    return counted
