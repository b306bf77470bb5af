"""`gaps/`: time that was due and has no footage, with its cause, as recorders told it."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field
from sqlalchemy import select

from camfleet_contract.gaps import GapCause
from camfleet_contract.messages import Utc
from control_plane.cctv.answers import Answer
from control_plane.cctv.callers import KeyRoute, Viewer
from control_plane.cctv.paging import Limit, Page, TimeCursor, page_by_time
from control_plane.database import Session
from control_plane.fleet.visibility import of_cameras
from control_plane.models import Camera, Gap

router = APIRouter(route_class=KeyRoute, tags=["gaps"])


class GapAnswer(Answer):
    """Time that a schedule asked for and no segment covers."""

    id: UUID
    camera_id: UUID
    client_id: UUID
    schedule_id: UUID | None
    recording_id: UUID | None
    started_at: datetime
    ended_at: datetime
    seconds: Annotated[float, Field(ge=0)]
    cause: GapCause
    detail: Annotated[str, Field(examples=["The camera does not answer any more."])]
    reported_at: datetime

    @classmethod
    def of(cls, gap: Gap) -> "GapAnswer":
        kept = {name: getattr(gap, name) for name in cls.model_fields if name != "seconds"}
        return cls(**kept, seconds=(gap.ended_at - gap.started_at).total_seconds())


@router.get("/gaps/")
async def list_gaps(
    session: Session,
    caller: Viewer,
    site_id: UUID | None = None,
    client_id: UUID | None = None,
    camera_id: UUID | None = None,
    recording_id: UUID | None = None,
    cause: GapCause | None = None,
    started_after: Annotated[Utc | None, Query(description="From this instant on.")] = None,
    started_before: Annotated[Utc | None, Query(description="Until before this instant.")] = None,
    cursor: TimeCursor | None = None,
    limit: Limit = 50,
) -> Page[GapAnswer]:
    """List the gaps, newest first. One that goes on is told again and grows."""
    query = select(Gap).where(of_cameras(caller, Gap.camera_id))
    equal = {
        Gap.client_id: client_id,
        Gap.camera_id: camera_id,
        Gap.recording_id: recording_id,
        Gap.cause: cause,
    }
    query = query.where(*(column == value for column, value in equal.items() if value is not None))
    if site_id:
        query = query.where(Gap.camera_id.in_(select(Camera.id).where(Camera.site_id == site_id)))
    if started_after:
        query = query.where(Gap.started_at >= started_after)
    if started_before:
        query = query.where(Gap.started_at < started_before)
    found, next_cursor = await page_by_time(session, query, (Gap.started_at, Gap.id), cursor, limit, newest_first=True)
    return Page(items=[GapAnswer.of(gap) for gap in found], next_cursor=next_cursor)
