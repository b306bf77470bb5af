"""Schedules: made, changed and deleted, and refused where they make no sense."""

import uuid
from datetime import time
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from camfleet_contract.configuration import SegmentSeconds
from camfleet_contract.messages import WallDate, WallTime
from camfleet_contract.schedules import ScheduleRule, ScheduleType, Weekday, problems
from control_plane.errors import FieldProblem, Invalid, NotFound
from control_plane.events import Actor, difference, record_event
from control_plane.fleet.fields import Fields, FleetName
from control_plane.fleet.visibility import of_cameras
from control_plane.models import Camera, Schedule
from control_plane.security.principals import Principal

_MIDNIGHT = time(0)


def _each_once(days: list[Weekday]) -> list[Weekday]:
    return [day for day in Weekday if day in days]


Days = Annotated[list[Weekday], AfterValidator(_each_once)]


class ScheduleChange(Fields):
    """What may be changed of a schedule."""

    read_only: ClassVar[frozenset[str]] = Fields.read_only | {"camera", "timezone"}

    camera_id: uuid.UUID = uuid.UUID(int=0)
    name: FleetName = ""
    schedule_type: ScheduleType = ScheduleType.CONTINUOUS
    start_time: WallTime = _MIDNIGHT
    """In wall-clock time of the camera's site; a continuous schedule needs none."""
    end_time: WallTime = _MIDNIGHT
    """At or before `start_time` it is meant on the next day."""
    start_date: WallDate | None = None
    """The day of a schedule that runs once; else the first day."""
    end_date: WallDate | None = None
    """The day on which a schedule that runs once ends; else the last day."""
    days_of_week: Days = []
    is_active: bool = True
    segment_seconds: SegmentSeconds = 60


class NewSchedule(ScheduleChange):
    """A schedule to make."""

    is_change: ClassVar[bool] = False

    camera_id: uuid.UUID
    name: FleetName
    schedule_type: ScheduleType


async def find_schedule(
    session: AsyncSession, schedule_id: uuid.UUID, *, seen_by: Principal, for_change: bool = False
) -> Schedule:
    """The schedule; locked until the end of the transaction when it is to be changed."""
    query = select(Schedule).where(Schedule.id == schedule_id, of_cameras(seen_by, Schedule.camera_id))
    if for_change:
        query = query.with_for_update(key_share=True)
    schedule = (await session.scalars(query)).one_or_none()
    if schedule is None:
        raise NotFound(f"There is no schedule {schedule_id}.")
    return schedule


async def create_schedule(session: AsyncSession, new: NewSchedule, *, actor: Actor) -> Schedule:
    """Make a schedule. Raises Invalid, naming every field that makes no sense."""
    check_times(new)
    values = new.everything()
    await check_schedule(session, values)
    schedule = Schedule(**values)
    session.add(schedule)
    await session.flush()
    record_event(session, "schedule", schedule.id, "schedule.created", actor, values)
    return schedule


async def change_schedule(
    session: AsyncSession, schedule: Schedule, change: ScheduleChange, *, actor: Actor
) -> Schedule:
    """Change what is given. Raises Invalid when the schedule as a whole would make no sense any more."""
    given = change.given()
    current = {name: getattr(schedule, name) for name in ScheduleChange.model_fields}
    changes = difference(current, given)
    if not changes:
        return schedule
    await check_schedule(session, current | given)
    for name, value in given.items():
        setattr(schedule, name, value)
    await session.flush()
    await session.refresh(schedule, ["updated_at"])
    record_event(session, "schedule", schedule.id, "schedule.changed", actor, changes)
    return schedule


async def delete_schedule(session: AsyncSession, schedule: Schedule, *, actor: Actor) -> None:
    """Delete the schedule; recordings that it opened stay."""
    await session.execute(delete(Schedule).where(Schedule.id == schedule.id))
    site_id = await session.scalar(select(Camera.site_id).where(Camera.id == schedule.camera_id))
    detail = {"name": schedule.name, "camera_id": schedule.camera_id}
    record_event(session, "schedule", schedule.id, "schedule.deleted", actor, detail, site_id=site_id)


def schedule_problems(values: dict[str, Any]) -> tuple[FieldProblem, ...]:
    """What makes no sense about a schedule of these values, field by field."""
    rule = ScheduleRule.model_validate({name: values[name] for name in ScheduleRule.model_fields})
    return tuple(FieldProblem(problem.field, problem.message) for problem in problems(rule))


def check_times(new: ScheduleChange) -> None:
    """Raise Invalid where a schedule that is not there yet has no times, and needs them."""
    missing = {"start_time", "end_time"} - new.model_fields_set
    if missing and new.schedule_type is not ScheduleType.CONTINUOUS:
        raise Invalid.of(
            FieldProblem(name, f"is needed for a schedule of type {new.schedule_type}, as in 20:00:00")
            for name in sorted(missing, reverse=True)
        )


async def check_schedule(session: AsyncSession, values: dict[str, Any]) -> None:
    """Raise Invalid, naming every field that makes no sense."""
    found = list(schedule_problems(values))
    if await session.scalar(select(Camera.id).where(Camera.id == values["camera_id"])) is None:
        found.append(FieldProblem("camera_id", f"there is no camera {values['camera_id']}"))
    if found:
        raise Invalid.of(found)
