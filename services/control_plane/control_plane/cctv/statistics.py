"""`recordings/statistics/`: how much was recorded in a period, and what became of it."""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field
from sqlalchemy import func, select

from camfleet_contract.messages import Utc
from camfleet_contract.recordings import RecordingStatus
from control_plane.cctv.answers import Answer
from control_plane.cctv.callers import KeyRoute, Viewer
from control_plane.database import Session
from control_plane.errors import Invalid
from control_plane.fleet.visibility import of_cameras
from control_plane.models import Camera, Recording

LONGEST = timedelta(days=92)
_USUAL = timedelta(days=7)

router = APIRouter(route_class=KeyRoute, tags=["recordings"])


class StatusTotals(Answer):
    """The recordings of a period that are in one state."""

    recordings: Annotated[int, Field(ge=0)]
    seconds: Annotated[float, Field(ge=0)]
    """From their starts to their ends, or to now; what of it is footage is in `coverage/`."""
    size_bytes: Annotated[int, Field(ge=0)]
    """As the recorders reported them."""
    frames: Annotated[int, Field(ge=0)]
    held: Annotated[int, Field(ge=0)]


class RecordingStatistics(Answer):
    """The recordings that began in a period."""

    started_after: datetime
    started_before: datetime
    recordings: int
    cameras: int
    """Of how many cameras."""
    by_status: dict[RecordingStatus, StatusTotals]
    """Only the states that there are."""


@router.get("/recordings/statistics/")
async def statistics(
    session: Session,
    caller: Viewer,
    site_id: UUID | None = None,
    client_id: UUID | None = None,
    camera_id: UUID | None = None,
    started_after: Annotated[Utc | None, Query(description="From this instant on; else seven days before.")] = None,
    started_before: Annotated[Utc | None, Query(description="Until before this instant; else until now.")] = None,
) -> RecordingStatistics:
    """Count the recordings that began in a period of at most 92 days, by their state."""
    now = datetime.now(UTC)
    until = started_before or now
    try:
        since = started_after or until - _USUAL
    except OverflowError:
        raise Invalid("started_before", "is too early") from None
    if not since < until:
        raise Invalid("started_before", "must be after started_after")
    if until - since > LONGEST:
        raise Invalid("started_after", f"must be at most {LONGEST.days} days before started_before")
    query = select(
        Recording.status,
        Recording.camera_id,
        func.count().label("recordings"),
        func.sum(
            func.greatest(0, func.extract("epoch", func.coalesce(Recording.ended_at, now) - Recording.started_at))
        ).label("seconds"),
        func.sum(Recording.file_size).label("size_bytes"),
        func.sum(Recording.frames_recorded).label("frames"),
        func.count(Recording.held_at).label("held"),
    ).where(
        of_cameras(caller, Recording.camera_id),
        Recording.started_at >= since,
        Recording.started_at < until,
    )
    equal = {Recording.client_id: client_id, Recording.camera_id: camera_id}
    query = query.where(*(column == value for column, value in equal.items() if value is not None))
    if site_id:
        query = query.where(Recording.camera_id.in_(select(Camera.id).where(Camera.site_id == site_id)))
    rows = (await session.execute(query.group_by(Recording.status, Recording.camera_id))).all()
    by_status = {
        status: StatusTotals(
            recordings=sum(row.recordings for row in rows if row.status is status),
            seconds=float(sum(row.seconds for row in rows if row.status is status)),
            size_bytes=int(sum(row.size_bytes for row in rows if row.status is status)),
            frames=int(sum(row.frames for row in rows if row.status is status)),
            held=sum(row.held for row in rows if row.status is status),
        )
        for status in sorted({row.status for row in rows})
    }
    return RecordingStatistics(
        started_after=since,
        started_before=until,
        recordings=sum(row.recordings for row in rows),
        cameras=len({row.camera_id for row in rows}),
        by_status=by_status,
    )
