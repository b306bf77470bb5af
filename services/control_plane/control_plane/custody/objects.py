"""Whether the store has what the rows say, and nothing else."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

from camfleet_contract.descriptions import MOST_BOX_BYTES, SegmentDescription
from camfleet_contract.segments import ObjectName, object_name
from control_plane.custody.deletions import Deletion, doubt
from control_plane.custody.findings import Finding, Kind, Tally
from control_plane.custody.rows import CameraRows
from control_plane.models import Segment, SegmentState
from control_plane.stores import Store, StoredObject, StoreUnavailableError

_AT_ONCE = 16


class Objects:
    """Compares objects with rows, some at a time."""

    def __init__(self, store: Store, rows: CameraRows, tally: Tally, *, with_bytes: bool) -> None:
        self._store = store
        self._rows = rows
        self._tally = tally
        self._with_bytes = with_bytes

    async def compared(self, segments: Sequence[Segment]) -> Sequence[Finding]:
        """What differs; raises StoreUnavailableError."""
        turns = asyncio.Semaphore(_AT_ONCE)
        deleted = [segment for segment in segments if segment.state is SegmentState.DELETED]
        deletions = await self._rows.deletions(deleted)

        async def one(segment: Segment) -> Finding | None:
            async with turns:
                return await self._compared(segment, deletions)

        try:
            async with asyncio.TaskGroup() as tasks:
                comparing = [tasks.create_task(one(segment)) for segment in segments]
        except ExceptionGroup as group:
            if away := group.subgroup(StoreUnavailableError):
                raise away.exceptions[0] from None  # away for one is away for all
            raise
        return [finding for task in comparing if (finding := task.result())]

    async def told_before(self, segment: Segment) -> SegmentDescription | None:
        """What the segment's own file says of itself, and so of the link before it. Raises StoreUnavailableError."""
        tail = await self._store.read_tail(segment.object_name, MOST_BOX_BYTES)
        found = SegmentDescription.at_end(tail or b"")
        return found if found is not None and found.segment_id == segment.id else None

    async def unknown(self, start: datetime, end: datetime) -> AsyncIterator[Finding]:
        """Objects of the period that no row knows, a day at a time."""
        day = start.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        while day < end:
            following = day + timedelta(days=1)
            prefix = f"cameras/{self._rows.camera_id}/{day:%Y/%m/%d}/"
            names = {
                one.name
                async for page in self._store.listed(prefix)
                for one in page
                if _is_within(one.name, start, end)
            }
            # Asked for after the list: what was stored in between has its row.
            for name in sorted(names - await self._rows.object_names(day, following)):
                text = (
                    "an object that no row of the database knows: put there by somebody else, or uploaded by a recorder"
                    " that has not offered it yet, or gave it up"
                )
                yield Finding(Kind.OBJECT_INSERTED, text, _segment_in(name), object_name=name)
            day = following

    async def _compared(self, segment: Segment, deletions: Sequence[Deletion]) -> Finding | None:
        expected = object_name(segment.camera_id, segment.recording_id, segment.id, segment.started_at)
        if segment.object_name != expected:
            return _about(segment, Kind.ROW_ALTERED, f"its row names the object {segment.object_name}, not {expected}")
        if segment.state is SegmentState.DELETED:
            return _deleted(segment, deletions)
        if segment.state is not SegmentState.STORED:
            return None
        if not segment.is_in(self._store.url):
            text = f"not looked at: its row says that it lies in {segment.store_url}, verify with that as STORAGE_URL"
            return _about(segment, Kind.OBJECT_ELSEWHERE, text)
        found = await self._store.look_up(segment.object_name)
        self._tally.objects += 1
        if found is None:
            return await self._missing(segment)
        return await self._against(segment, found)

    async def _missing(self, segment: Segment) -> Finding:
        """Retention may have had it since the row was read."""
        now = await self._rows.again(segment)
        if now is not None and now.state is SegmentState.DELETED:
            return _deleted(now, await self._rows.deletions([now]))
        return _about(segment, Kind.OBJECT_MISSING, "its object is not in the store")

    async def _against(self, segment: Segment, found: StoredObject) -> Finding | None:
        if (found.size_bytes, found.crc32c) != (segment.size_bytes, segment.crc32c):
            return await self._other(segment, found)
        if self._with_bytes and (sha256 := await self._hashed(segment)) != segment.sha256:
            if sha256 is None:
                return await self._missing(segment)
            text = f"the object's SHA-256 is {sha256}, sealed was {segment.sha256}: its bytes were altered"
            return _about(segment, Kind.OBJECT_ALTERED, text)
        if segment.generation is not None and found.generation != segment.generation:
            same = "and all bytes are the same" if self._with_bytes else "are the same; --bytes compares all bytes"
            text = (
                f"the object was written anew: generation {found.generation}, stored was {segment.generation}; size,"
                f" CRC32C {same}"
            )
            return _about(segment, Kind.OBJECT_REPLACED, text)
        return None

    async def _other(self, segment: Segment, found: StoredObject) -> Finding:
        whose = await self._rows.with_bytes(found.size_bytes, found.crc32c, segment.started_at, segment.ended_at)
        if whose is not None:
            number = "" if whose.sequence is None else f"#{whose.sequence} "
            return _about(segment, Kind.OBJECT_SWAPPED, f"its object has the bytes of {number}{whose.id}")
        text = (
            f"the object has {found.size_bytes} bytes with CRC32C {found.crc32c}, sealed were {segment.size_bytes} with"
            f" {segment.crc32c}: it was altered or exchanged"
        )
        return _about(segment, Kind.OBJECT_ALTERED, text)

    async def _hashed(self, segment: Segment) -> str | None:
        """None if it went while it was looked at."""
        found = await self._store.examine(segment.object_name, 1)
        if found is None:
            return None
        self._tally.bytes_read += found.size_bytes
        return found.sha256


def _deleted(segment: Segment, deletions: Sequence[Deletion]) -> Finding:
    when = f"{segment.deleted_at:%Y-%m-%d %H:%M} UTC" if segment.deleted_at else "an unknown time"
    text = f"deleted at {when}: {segment.deletion_reason or 'no reason given'}"
    why = doubt(segment, deletions)
    if why is None:
        return _about(segment, Kind.DELETED, text)
    return _about(segment, Kind.DELETION_UNEXPLAINED, f"its row says {text}; but {why}")


def _is_within(name: str, start: datetime, end: datetime) -> bool:
    """By the time in its name; what has none is shown with its day."""
    named = ObjectName.read(name)
    # Names have milliseconds, rows microseconds.
    return named is None or start - timedelta(milliseconds=1) < named.start < end


def _segment_in(name: str) -> uuid.UUID | None:
    named = ObjectName.read(name)
    return named.segment_id if named else None


def _about(segment: Segment, kind: Kind, text: str) -> Finding:
    return Finding(kind, text, segment.id, segment.chain_id, segment.sequence, segment.object_name)
