"""The rows that a rebuild reads and makes: one statement for each kind of row, however many objects there are."""

import json
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from camfleet_contract.descriptions import SegmentDescription
from camfleet_contract.recordings import RecordingStatus
from control_plane.models import Camera, Recording, SegmentState
from control_plane.rebuild.comparison import SegmentRow
from control_plane.rebuild.objects import Described

REBUILT = "rebuilt"
"""The error code of a recording that was recreated: how it ended is not known."""

_READ_SEGMENTS = text(f"""
    SELECT {", ".join(f"segment.{field.name}" for field in fields(SegmentRow))}
    FROM json_to_recordset(CAST(:ranges AS json)) AS range (camera_id uuid, "from" timestamptz, "to" timestamptz)
    JOIN segments AS segment ON segment.camera_id = range.camera_id
        AND segment.started_at >= range."from" AND segment.started_at < range."to"
""")  # noqa: S608 - our own columns

# The schedule only where it is still there: the recording's other facts don't depend on it.
_MAKE_RECORDINGS = text("""
    INSERT INTO recordings (
        client_id, id, camera_id, schedule_id, name, status, started_at, held_at, holds_unsettled_at, error_code,
        error_message
    )
    SELECT row.client_id, row.id, row.camera_id, schedules.id, row.name, :status, row.started_at,
           CASE WHEN row.is_held THEN CAST(:now AS timestamptz) END, CASE WHEN row.is_held THEN now() END, :code,
           :message
    FROM json_to_recordset(CAST(:rows AS json)) AS row (
        client_id uuid, id uuid, camera_id uuid, schedule_id uuid, name text, started_at timestamptz, is_held boolean
    )
    LEFT JOIN schedules ON schedules.id = row.schedule_id AND schedules.camera_id = row.camera_id
    ORDER BY row.client_id, row.id
    ON CONFLICT (client_id, id) DO NOTHING
    RETURNING id
""")

_MAKE_SEGMENTS = text("""
    INSERT INTO segments (
        camera_id, started_at, id, ended_at, client_id, recording_id, state, size_bytes, crc32c, sha256,
        previous_sha256, codec, packets, clock_error_seconds, object_name, generation, stored_at, chain_id, sequence,
        link_sha256, store_url, store_hold
    )
    SELECT camera_id, started_at, id, ended_at, client_id, recording_id, :state, size_bytes, crc32c, sha256,
           previous_sha256, codec, packets, clock_error_seconds, object_name, generation, :now, chain_id, sequence,
           link_sha256, :store_url, CASE WHEN is_held THEN 'held' END
    FROM json_to_recordset(CAST(:rows AS json)) AS row (
        camera_id uuid, started_at timestamptz, id uuid, ended_at timestamptz, client_id uuid, recording_id uuid,
        size_bytes bigint, crc32c text, sha256 text, previous_sha256 text, codec text, packets bigint,
        clock_error_seconds float8, object_name text, generation bigint, chain_id uuid, sequence bigint,
        link_sha256 text, is_held boolean
    )
    ORDER BY camera_id, started_at, id
    ON CONFLICT (camera_id, started_at, id) DO NOTHING
    RETURNING id
""")

# From all its rows each time, so that a rebuild that is repeated in the middle counts nothing twice.
_COUNT_RECORDINGS = text("""
    UPDATE recordings SET
        started_at = least(recordings.started_at, counted.started_at), ended_at = counted.ended_at,
        frames_recorded = counted.packets, file_size = counted.size_bytes, updated_at = now()
    FROM (
        SELECT recording_id, min(started_at) AS started_at, max(ended_at) AS ended_at, sum(packets) AS packets,
               sum(size_bytes) AS size_bytes
        FROM segments WHERE recording_id = ANY(CAST(:ids AS uuid[])) GROUP BY recording_id
    ) AS counted
    WHERE recordings.id = counted.recording_id AND recordings.error_code = :code
""")

_HOLD_RECORDINGS = text("""
    UPDATE recordings SET held_at = :now, holds_unsettled_at = now()
    WHERE id = ANY(CAST(:ids AS uuid[])) AND error_code = :code AND held_at IS NULL
""")


@dataclass(frozen=True, slots=True)
class Stretch:
    """All that began in `[from, to)` of one camera; None is the beginning or end of time."""

    camera_id: uuid.UUID
    begin: datetime | None
    end: datetime | None


@dataclass(frozen=True, slots=True)
class KnownRecording:
    """Whose a recording is."""

    client_id: uuid.UUID
    camera_id: uuid.UUID


async def segments_in(session: AsyncSession, stretches: Iterable[Stretch]) -> AsyncIterator[SegmentRow]:
    """The rows, as they come: there may be millions where a wrong store is looked at."""
    ranges = [
        {
            "camera_id": str(stretch.camera_id),
            "from": stretch.begin.isoformat() if stretch.begin else "-infinity",
            "to": stretch.end.isoformat() if stretch.end else "infinity",
        }
        for stretch in stretches
    ]
    if ranges:
        async for row in await session.stream(_READ_SEGMENTS, {"ranges": json.dumps(ranges)}):
            yield SegmentRow(**{**row._mapping, "state": SegmentState(row.state)})  # noqa: SLF001 - its documented name


async def recordings_of(session: AsyncSession, ids: Iterable[uuid.UUID]) -> Mapping[uuid.UUID, KnownRecording]:
    """Those of them that there are."""
    query = select(Recording.id, Recording.client_id, Recording.camera_id).where(Recording.id.in_(set(ids)))
    return {row.id: KnownRecording(row.client_id, row.camera_id) for row in await session.execute(query)}


async def all_cameras(session: AsyncSession) -> Sequence[uuid.UUID]:
    """Their ids."""
    return (await session.scalars(select(Camera.id).order_by(Camera.id))).all()


async def make_recordings(
    session: AsyncSession, found: Sequence[tuple[Described, SegmentDescription]], now: datetime
) -> int:
    """A row for each, of which no more than one segment is given; how many there were none of before."""
    rows = [
        {
            "client_id": str(each.client_id),
            "id": str(about.recording_id),
            "camera_id": str(about.camera_id),
            "schedule_id": str(about.schedule_id) if about.schedule_id else None,
            "name": about.recording_name or "Recovered footage",
            "started_at": (about.recording_started_at or about.start).isoformat(),
            "is_held": each.candidate.object.is_held,
        }
        for each, about in found
    ]
    asked = {
        "rows": json.dumps(rows),
        "status": RecordingStatus.STOPPED,
        "now": now,
        "code": REBUILT,
        "message": "Recreated from what the store holds: how it ended is not known.",
    }
    return len((await session.execute(_MAKE_RECORDINGS, asked)).all()) if rows else 0


async def make_segments(session: AsyncSession, found: Sequence[Described], store_url: str, now: datetime) -> int:
    """A row for each that has none, in the store at `store_url`.

    Counted as stored `now`, so that retention leaves it alone for a day. What the recordings that were rebuilt say of
    themselves is made to fit.
    """
    rows = json.dumps([_row(each) for each in found])
    given = {"rows": rows, "state": SegmentState.STORED, "store_url": store_url, "now": now}
    made = await session.execute(_MAKE_SEGMENTS, given)
    count = len(made.all())
    ids = list({each.description.recording_id for each in found})
    await session.execute(_COUNT_RECORDINGS, {"ids": ids, "code": REBUILT})
    if held := list({each.description.recording_id for each in found if each.candidate.object.is_held}):
        await session.execute(_HOLD_RECORDINGS, {"ids": held, "code": REBUILT, "now": now})
    return count


def months_of(found: Iterable[Described]) -> set[date]:
    """In which the rows will lie."""
    return {each.description.start.date().replace(day=1) for each in found}


def _row(each: Described) -> dict[str, Any]:
    about, listed = each.description, each.candidate.object
    return {
        "camera_id": str(about.camera_id),
        "started_at": about.start.isoformat(),
        "id": str(about.segment_id),
        "ended_at": about.end.isoformat(),
        "client_id": str(each.client_id),
        "recording_id": str(about.recording_id),
        "size_bytes": listed.size_bytes,
        "crc32c": each.checksums.crc32c,
        "sha256": each.checksums.sha256,
        "previous_sha256": about.previous_sha256,
        "codec": about.codec,
        "packets": about.packets,
        "clock_error_seconds": about.clock_error_seconds,
        "object_name": listed.name,
        "generation": listed.generation,
        "chain_id": str(about.recorder_id) if about.recorder_id and about.sequence else None,
        "sequence": about.sequence,
        "link_sha256": each.link_sha256,
        "is_held": listed.is_held,
    }
