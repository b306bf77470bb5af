"""Footage that was moved: rows that say that they lie in an earlier store, and objects that are in that of today."""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import distinct, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from control_plane.events import COMMAND_LINE, record_event
from control_plane.models import Segment, SegmentState
from control_plane.rebuild.objects import Candidate
from control_plane.stores import ListedObject, Store

# The new object has a generation of its own and no hold; a recording that is held needs one again.
_MOVE = text("""
    WITH moved AS (
        UPDATE segments AS segment SET store_url = :new, generation = row.generation, store_hold = NULL
        FROM json_to_recordset(CAST(:rows AS json)) AS row (
            id uuid, object_name text, size_bytes bigint, crc32c text, generation bigint
        )
        WHERE segment.camera_id = :camera_id AND segment.started_at >= :begin AND segment.started_at < :end
          AND segment.id = row.id AND segment.object_name = row.object_name
          AND segment.state = 'stored' AND segment.store_url = :old AND segment.size_bytes = row.size_bytes
          AND (row.crc32c IS NULL OR segment.crc32c = row.crc32c)
        RETURNING segment.client_id, segment.recording_id
    ), unsettled AS (
        UPDATE recordings SET holds_unsettled_at = now()
        WHERE held_at IS NOT NULL AND (client_id, id) IN (SELECT client_id, recording_id FROM moved)
    )
    SELECT count(*) FROM moved
""")


@dataclass(frozen=True, slots=True)
class Moved:
    """What the rows say now."""

    segments: int
    left: int
    """Still said to lie in the old store: the new one does not have them, or not as they were proven."""


async def note_moved(sessions: async_sessionmaker[AsyncSession], store: Store, old_url: str) -> Moved:
    """Let each row of `old_url` say `store` whose object is there: by name, size, and CRC32C where the store tells it.

    Safe to repeat, and to break off. Raises StoreUnavailableError.
    """
    there = (Segment.state == SegmentState.STORED, Segment.store_url == old_url)
    async with sessions() as session:
        cameras = (await session.scalars(select(distinct(Segment.camera_id)).where(*there))).all()
    moved = sum([await _note_of_camera(sessions, store, old_url, camera_id) for camera_id in cameras])
    async with sessions() as session:
        left = await session.scalar(select(func.count()).where(*there)) or 0
    return Moved(moved, left)


async def _note_of_camera(
    sessions: async_sessionmaker[AsyncSession], store: Store, old_url: str, camera_id: uuid.UUID
) -> int:
    count = 0
    async for page in store.listed(f"cameras/{camera_id}/"):
        async with sessions.begin() as session:
            moved = await _move(session, page, store.url, old_url)
            if moved:
                detail = {"from": old_url, "to": store.url, "segments": moved}
                record_event(session, "camera", camera_id, "camera.footage_moved", COMMAND_LINE, detail)
        count += moved
    return count


async def _move(session: AsyncSession, page: Sequence[ListedObject], new_url: str, old_url: str) -> int:
    """Of one camera."""
    found = [candidate for each in page if (candidate := Candidate.of(each))]
    if not found:
        return 0
    rows = [
        {
            "id": str(each.segment_id),
            "object_name": each.object.name,
            "size_bytes": each.object.size_bytes,
            "crc32c": each.object.crc32c,
            "generation": each.object.generation,
        }
        for each in found
    ]
    given = {
        "rows": json.dumps(rows),
        "new": new_url,
        "old": old_url,
        "camera_id": found[0].camera_id,
        # Names have milliseconds, rows microseconds.
        "begin": min(each.start for each in found),
        "end": max(each.start for each in found) + timedelta(milliseconds=1),
    }
    return int(await session.scalar(_MOVE, given) or 0)
