"""`schedules/`: when to record."""

from collections.abc import Collection
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, status
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.convertors import StringConvertor, register_url_convertor

from control_plane.cctv import examples
from control_plane.cctv.answers import ScheduleAnswer
from control_plane.cctv.callers import KeyRoute, OperatorCaller, Viewer
from control_plane.cctv.paging import IdCursor, Limit, NameSearch, Page, containing, page_by_id
from control_plane.cctv.refusals import NOT_FOUND, NOT_JSON
from control_plane.database import Session
from control_plane.fleet import schedules
from control_plane.fleet.schedules import NewSchedule, ScheduleChange
from control_plane.fleet.visibility import check_camera, of_cameras
from control_plane.models import Camera, ClientCamera, Schedule, Site


class _ScheduleId(StringConvertor):
    """Anything but `preview`, which is a path of its own: other methods there are refused as such."""

    regex = "(?!preview/)[^/]+"


register_url_convertor("schedule", _ScheduleId())
router = APIRouter(route_class=KeyRoute, tags=["schedules"])


@router.get("/schedules/")
async def list_schedules(
    session: Session,
    caller: Viewer,
    camera_id: UUID | None = None,
    site_id: UUID | None = None,
    client_id: UUID | None = None,
    q: NameSearch = "",
    cursor: IdCursor | None = None,
    limit: Limit = 50,
) -> Page[ScheduleAnswer]:
    """List the schedules, oldest first: all, of a camera, of a site, or of the cameras that a client records."""
    query = select(Schedule).where(of_cameras(caller, Schedule.camera_id))
    if camera_id:
        query = query.where(Schedule.camera_id == camera_id)
    if site_id:
        query = query.where(Schedule.camera_id.in_(select(Camera.id).where(Camera.site_id == site_id)))
    if client_id:
        assigned = select(ClientCamera.camera_id).where(ClientCamera.client_id == client_id)
        query = query.where(Schedule.camera_id.in_(assigned))
    if q:
        query = query.where(Schedule.name.ilike(containing(q)))
    found, next_cursor = await page_by_id(session, query, Schedule.id, cursor, limit)
    zones = await _zones(session, {schedule.camera_id for schedule in found})
    items = [ScheduleAnswer.of(schedule, zones[schedule.camera_id]) for schedule in found]
    return Page(items=items, next_cursor=next_cursor)


@router.post("/schedules/", status_code=status.HTTP_201_CREATED, responses=NOT_JSON)
async def create_schedule(
    session: Session,
    caller: OperatorCaller,
    new: Annotated[NewSchedule, Body(openapi_examples=examples.NEW_SCHEDULE)],
) -> ScheduleAnswer:
    """Create a schedule for a camera, in wall-clock time of the camera's site."""
    await check_camera(session, caller, new.camera_id)
    return await answer(session, await schedules.create_schedule(session, new, actor=caller.actor))


@router.get("/schedules/{schedule_id:schedule}/", responses=NOT_FOUND)
async def show_schedule(session: Session, caller: Viewer, schedule_id: UUID) -> ScheduleAnswer:
    """Show a schedule."""
    return await answer(session, await schedules.find_schedule(session, schedule_id, seen_by=caller))


@router.patch("/schedules/{schedule_id:schedule}/", responses=NOT_JSON | NOT_FOUND)
async def change_schedule(
    session: Session,
    caller: OperatorCaller,
    schedule_id: UUID,
    change: Annotated[ScheduleChange, Body(openapi_examples=examples.SCHEDULE_CHANGE)],
) -> ScheduleAnswer:
    """Change what is given; `null` clears a date. The schedule as a whole must make sense afterwards."""
    schedule = await schedules.find_schedule(session, schedule_id, seen_by=caller, for_change=True)
    if "camera_id" in change.given():
        await check_camera(session, caller, change.camera_id)
    return await answer(session, await schedules.change_schedule(session, schedule, change, actor=caller.actor))


@router.delete("/schedules/{schedule_id:schedule}/", status_code=status.HTTP_204_NO_CONTENT, responses=NOT_FOUND)
async def delete_schedule(session: Session, caller: OperatorCaller, schedule_id: UUID) -> None:
    """Delete a schedule. What it recorded stays."""
    schedule = await schedules.find_schedule(session, schedule_id, seen_by=caller, for_change=True)
    await schedules.delete_schedule(session, schedule, actor=caller.actor)


async def answer(session: AsyncSession, schedule: Schedule) -> ScheduleAnswer:
    """The schedule with the zone that its times are meant in."""
    zones = await _zones(session, {schedule.camera_id})
    return ScheduleAnswer.of(schedule, zones[schedule.camera_id])


async def _zones(session: AsyncSession, camera_ids: Collection[UUID]) -> dict[UUID, str]:
    """The time zone of each camera's site."""
    query = select(Camera.id, Site.timezone).join(Site, Site.id == Camera.site_id).where(Camera.id.in_(camera_ids))
    return dict((await session.execute(query)).all())
