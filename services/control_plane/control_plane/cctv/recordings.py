"""`recordings/` and their segments: what there is to see, and what is to be kept."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from camfleet_contract.messages import Utc
from camfleet_contract.recordings import RecordingStatus
from control_plane.cctv.answers import RecordingAnswer, RecordingDetails, SegmentAnswer, SegmentTotals
from control_plane.cctv.callers import KeyRoute, OperatorCaller, Viewer
from control_plane.cctv.paging import Limit, NameSearch, Page, TimeCursor, containing, page_by_time
from control_plane.cctv.refusals import CONFLICT, NOT_FOUND
from control_plane.database import Session
from control_plane.fleet.visibility import of_cameras
from control_plane.models import Camera, Recording, Segment, SegmentState
from control_plane.recordings import holds
from control_plane.recordings.holds import find_recording

MOST_COUNTED = 50_000
"""A day in segments of 2 s; more are not counted, so that no single page can keep the database busy."""

router = APIRouter(route_class=KeyRoute, tags=["recordings"])


@router.get("/recordings/")
async def list_recordings(
    session: Session,
    caller: Viewer,
    site_id: UUID | None = None,
    client_id: UUID | None = None,
    camera_id: UUID | None = None,
    schedule_id: UUID | None = None,
    status: RecordingStatus | None = None,
    is_held: bool | None = None,
    started_after: Annotated[Utc | None, Query(description="From this instant on.")] = None,
    started_before: Annotated[Utc | None, Query(description="Until before this instant.")] = None,
    q: NameSearch = "",
    cursor: TimeCursor | None = None,
    limit: Limit = 50,
) -> Page[RecordingAnswer]:
    """List the recordings, newest first."""
    query = select(Recording).where(of_cameras(caller, Recording.camera_id))
    equal = {
        Recording.client_id: client_id,
        Recording.camera_id: camera_id,
        Recording.schedule_id: schedule_id,
        Recording.status: status,
    }
    query = query.where(*(column == value for column, value in equal.items() if value is not None))
    if site_id:
        query = query.where(Recording.camera_id.in_(select(Camera.id).where(Camera.site_id == site_id)))
    if is_held is not None:
        query = query.where(Recording.held_at.is_not(None) if is_held else Recording.held_at.is_(None))
    if started_after:
        query = query.where(Recording.started_at >= started_after)
    if started_before:
        query = query.where(Recording.started_at < started_before)
    if q:
        query = query.where(Recording.name.ilike(containing(q)))
    keys = (Recording.started_at, Recording.id)
    found, next_cursor = await page_by_time(session, query, keys, cursor, limit, newest_first=True)
    return Page(items=[RecordingAnswer.of(recording) for recording in found], next_cursor=next_cursor)


@router.get("/recordings/{recording_id}/", responses=NOT_FOUND)
async def show_recording(session: Session, caller: Viewer, recording_id: UUID) -> RecordingDetails:
    """Show a recording with the sums of its segments."""
    recording = await find_recording(session, recording_id, seen_by=caller)
    return RecordingDetails.with_totals(recording, await _totals(session, recording_id))


@router.post("/recordings/{recording_id}/hold/", responses=NOT_FOUND | CONFLICT)
async def hold_recording(session: Session, caller: OperatorCaller, recording_id: UUID) -> RecordingAnswer:
    """Keep the recording's files, at the site and in the store: no rule of retention deletes them until it is released.

    The recorder hears of it within seconds when it is connected. Holding twice is safe.
    """
    now = datetime.now(UTC)
    held = await holds.hold(session, recording_id, now=now, actor=caller.actor, seen_by=caller)
    return RecordingAnswer.of(held)


@router.post("/recordings/{recording_id}/release/", responses=NOT_FOUND)
async def release_recording(session: Session, caller: OperatorCaller, recording_id: UUID) -> RecordingAnswer:
    """Let the rules of retention have the recording again. Releasing twice is safe."""
    released = await holds.release(session, recording_id, actor=caller.actor, seen_by=caller)
    return RecordingAnswer.of(released)


@router.get("/recordings/{recording_id}/segments/", responses=NOT_FOUND)
async def list_segments(
    session: Session,
    caller: Viewer,
    recording_id: UUID,
    state: SegmentState | None = None,
    cursor: TimeCursor | None = None,
    limit: Limit = 50,
) -> Page[SegmentAnswer]:
    """List the segments of a recording, first to last."""
    await find_recording(session, recording_id, seen_by=caller)
    query = select(Segment).where(Segment.recording_id == recording_id)
    if state:
        query = query.where(Segment.state == state)
    keys = (Segment.started_at, Segment.id)
    found, next_cursor = await page_by_time(session, query, keys, cursor, limit, newest_first=False)
    return Page(items=[SegmentAnswer.of(segment) for segment in found], next_cursor=next_cursor)


async def _totals(session: AsyncSession, recording_id: UUID) -> SegmentTotals:
    counted = (
        select(
            Segment.state,
            Segment.size_bytes,
            func.extract("epoch", Segment.ended_at - Segment.started_at).label("seconds"),
        )
        .where(Segment.recording_id == recording_id)
        .limit(MOST_COUNTED)
        .subquery()
    )
    sums = select(counted.c.state, func.count(), func.sum(counted.c.seconds), func.sum(counted.c.size_bytes))
    rows = (await session.execute(sums.group_by(counted.c.state))).all()
    known = sum(count for _, count, _, _ in rows)
    stored = [row for row in rows if row[0] is SegmentState.STORED]
    return SegmentTotals(
        known=known,
        stored=sum(count for _, count, _, _ in stored),
        deleted=sum(count for state, count, _, _ in rows if state is SegmentState.DELETED),
        seconds=float(sum(seconds for _, _, seconds, _ in rows)),
        stored_seconds=float(sum(seconds for _, _, seconds, _ in stored)),
        size_bytes=int(sum(size for _, _, _, size in rows)),
        stored_bytes=int(sum(size for _, _, _, size in stored)),
        is_complete=known < MOST_COUNTED,
    )
