"""One restore drill: its samples are fetched, hashed and demuxed one after the other, and what came of it is kept."""

import asyncio
import tempfile
import uuid
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from random import Random
from typing import Any, BinaryIO

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from uuid_utils.compat import uuid7

from control_plane.custody.rows import CameraRows
from control_plane.drills.demuxing import DemuxerUnavailableError, UndemuxableError, packets_in
from control_plane.drills.fetching import Fetched, TargetFullError, fetch
from control_plane.drills.sampling import Wanted, drawn
from control_plane.events import Actor, record_event
from control_plane.models import Drill, SegmentState
from control_plane.stores import Store, StoreUnavailableError

# Of one sample: an hour of a very good camera over 30 Mbit/s.
_FETCH_SECONDS = 900.0


class Fault(StrEnum):
    """Why a segment can't be restored."""

    MISSING = "missing"
    """There is no such object."""
    SIZE = "size"
    CRC32C = "crc32c"
    SHA256 = "sha256"
    UNREADABLE = "unreadable"
    """Its bytes are those that were proven, and yet it can't be demuxed to its end."""
    PACKETS = "packets"
    """It can be, and has another number of packets than were recorded."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A segment that is not restorable."""

    segment_id: uuid.UUID
    camera_id: uuid.UUID
    recording_id: uuid.UUID
    started_at: datetime
    object_name: str
    fault: Fault
    detail: str

    def as_json(self) -> dict[str, str]:
        """As it is kept in the drill's row."""
        return {
            name: value.isoformat() if isinstance(value, datetime) else str(value)
            for name, value in asdict(self).items()
        }


class DrillPostponedError(Exception):
    """This machine could not do it: that says nothing of what is stored. Nothing was written."""


async def drill(
    sessions: async_sessionmaker[AsyncSession],
    store: Store,
    wanted: Wanted,
    actor: Actor,
    *,
    is_demuxing: bool,
    random: Random,
    limit: asyncio.Timeout,
) -> Drill:
    """Do one and write it down, unless there was nothing to draw; the row.

    What has not been looked at when `limit` is over is left out, as if it had not been drawn. Raise
    StoreUnavailableError or DrillPostponedError, with nothing written, if it could not be done, or not even one sample.
    """
    began = datetime.now(UTC)
    async with sessions() as session:
        samples = list(await drawn(session, replace(wanted, store_url=store.url), random))
    # Whichever are left out: by chance, not by age.
    random.shuffle(samples)
    failures: list[Failure] = []
    sampled, size_bytes = 0, 0
    try:
        async with limit:
            for segment in samples:
                failure = await _failure(store, segment, is_demuxing=is_demuxing)
                if failure is not None and not await _is_still_stored(sessions, segment):
                    continue  # retention was faster
                sampled, size_bytes = sampled + 1, size_bytes + segment.size_bytes
                if failure is not None:
                    failures.append(failure)
    except TimeoutError:
        if not limit.expired():
            raise
        if not sampled:
            raise DrillPostponedError(f"{store.url} is slow: there was no time for even one sample") from None
    done = Drill(
        id=uuid7(),
        began_at=began,
        ended_at=datetime.now(UTC),
        actor=actor.name,
        camera_id=wanted.camera_id,
        since=wanted.since,
        asked=wanted.samples,
        sampled=sampled,
        restorable=sampled - len(failures),
        size_bytes=size_bytes,
        is_demuxed=is_demuxing,
        failures=[failure.as_json() for failure in failures],
    )
    if sampled:
        async with sessions.begin() as session:
            session.add(done)
            for failure in failures:
                _tell(session, done.id, failure, actor)
    return done


async def _failure(store: Store, segment: Row[Any], *, is_demuxing: bool) -> Failure | None:
    try:
        # Without a name: whatever ends this process, nothing is left behind.
        with tempfile.TemporaryFile() as file:
            found = await _fault(store, segment, file, is_demuxing=is_demuxing)
    except (OSError, TargetFullError, DemuxerUnavailableError) as error:
        raise DrillPostponedError(f"{error} (its files are in {tempfile.gettempdir()})") from error
    if found is None:
        return None
    return Failure(segment.id, segment.camera_id, segment.recording_id, segment.started_at, segment.object_name, *found)


async def _fault(store: Store, segment: Row[Any], file: BinaryIO, *, is_demuxing: bool) -> tuple[Fault, str] | None:
    try:
        async with asyncio.timeout(_FETCH_SECONDS):
            fetched = await fetch(store, segment.object_name, file, segment.size_bytes)
    except TimeoutError:
        raise StoreUnavailableError(f"{store.url} is slow: an object took longer than {_FETCH_SECONDS:.0f} s") from None
    fault = _difference(fetched, segment)
    if fault is not None or not is_demuxing:
        return fault
    file.flush()
    try:
        packets = await packets_in(file)
    except UndemuxableError as error:
        return Fault.UNREADABLE, str(error)
    if packets != segment.packets:
        return Fault.PACKETS, f"{packets} packets instead of {segment.packets}"
    return None


def _difference(fetched: Fetched | None, segment: Row[Any]) -> tuple[Fault, str] | None:
    """How the bytes differ from those that were proven."""
    if fetched is None:
        return Fault.MISSING, "the store has no such object"
    if fetched.size_bytes != segment.size_bytes:
        size = f"more than {segment.size_bytes}" if fetched.size_bytes > segment.size_bytes else fetched.size_bytes
        return Fault.SIZE, f"{size} bytes instead of {segment.size_bytes}"
    if fetched.crc32c != segment.crc32c:
        return Fault.CRC32C, f"CRC32C {fetched.crc32c} instead of {segment.crc32c}"
    if fetched.sha256 != segment.sha256:
        return Fault.SHA256, f"SHA-256 {fetched.sha256} instead of {segment.sha256}"
    return None


async def _is_still_stored(sessions: async_sessionmaker[AsyncSession], segment: Row[Any]) -> bool:
    now = await CameraRows(sessions, segment.camera_id).again(segment)
    return now is not None and now.state is SegmentState.STORED


def _tell(session: AsyncSession, drill_id: uuid.UUID, failure: Failure, actor: Actor) -> None:
    detail = {
        "segment": failure.segment_id,
        "from": failure.started_at,
        "object": failure.object_name,
        "fault": failure.fault,
        "detail": failure.detail,
        "drill": drill_id,
    }
    record_event(session, "recording", failure.recording_id, "recording.segment_not_restorable", actor, detail)
