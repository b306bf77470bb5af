"""`drills/`: what restore drills have shown of what is stored."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy import select

from control_plane.cctv.callers import KeyRoute, Viewer
from control_plane.cctv.paging import Limit, Page, TimeCursor, page_by_time
from control_plane.cctv.refusals import NOT_FOUND
from control_plane.database import Session
from control_plane.drills.answers import DrillAnswer
from control_plane.drills.published import find_drill, is_whole
from control_plane.fleet.visibility import of_cameras
from control_plane.models import Drill

router = APIRouter(route_class=KeyRoute, tags=["drills"])


@router.get("/drills/")
async def list_drills(
    session: Session,
    caller: Viewer,
    is_of_all: Annotated[bool | None, Query(description="Of all cameras and all time.")] = None,
    cursor: TimeCursor | None = None,
    limit: Limit = 50,
) -> Page[DrillAnswer]:
    """List the drills, newest first. `?is_of_all=true&limit=1` is what the console's overview shows.

    Drills of all cameras are for callers who are limited to no sites.
    """
    query = select(Drill).where(of_cameras(caller, Drill.camera_id))
    if is_of_all is not None:
        query = query.where(is_whole() if is_of_all else ~is_whole())
    found, next_cursor = await page_by_time(
        session, query, (Drill.ended_at, Drill.id), cursor, limit, newest_first=True
    )
    return Page(items=[DrillAnswer.of(drill) for drill in found], next_cursor=next_cursor)


@router.get("/drills/{drill_id}/", responses=NOT_FOUND)
async def show_drill(session: Session, caller: Viewer, drill_id: UUID) -> DrillAnswer:
    """Show a drill with what could not be restored."""
    return DrillAnswer.of(await find_drill(session, drill_id, seen_by=caller))
