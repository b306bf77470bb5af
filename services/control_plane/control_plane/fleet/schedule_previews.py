"""How a schedule stands, and what it or a change of it would do: read from the database, never changed."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from camfleet_contract.cameras import RecordingMode
from camfleet_contract.messages import Interval
from camfleet_contract.recordings import RecordingStatus
from camfleet_contract.schedules import ScheduleRule, Window, windows
from control_plane.coverage.due import zone_or_utc
from control_plane.errors import FieldProblem, Invalid
from control_plane.fleet.previews import Effect, Outlook, effect, outlook
from control_plane.fleet.schedules import ScheduleChange, check_schedule, check_times
from control_plane.models import Camera, Client, ClientCamera, Recording, Schedule, Site

_OPEN = (RecordingStatus.SCHEDULED, RecordingStatus.RECORDING)


class PreviewedSchedule(ScheduleChange):
    """A schedule that might be made, or with `schedule_id` what might be changed of one. Nothing is saved."""

    schedule_id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """What a schedule will do, and what would be different."""

    timezone: str
    outlook: Outlook
    effects: Sequence[Effect]
    """Of the schedule's camera, and of the one that it would leave; without those that nothing changes for."""
    obstacles: Sequence[str]

    @property
    def stops_now(self) -> bool:
        """Whether something that is due at this moment would not be any more."""
        return any(start == self.outlook.between.start for one in self.effects for start, _ in one.stops[:1])

    @property
    def starts_now(self) -> bool:
        """Whether something would be due at once that is not."""
        return any(start == self.outlook.between.start for one in self.effects for start, _ in one.starts[:1])


class ScheduleState(StrEnum):
    """How a schedule stands at one moment."""

    INACTIVE = "inactive"
    """It is not active, or its camera isn't."""
    OVER = "over"
    """It will open no window any more."""
    WAITING = "waiting"
    DUE = "due"
    """A window is open, and no recording of it is known to go on."""
    RECORDING = "recording"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a schedule stands."""

    state: ScheduleState
    window: Window | None
    """The one that is open."""
    next_window: Window | None
    recording_ids: Sequence[uuid.UUID]
    """Of its recordings that go on."""
    obstacles: Sequence[str]


async def preview(session: AsyncSession, asked: PreviewedSchedule, old: Schedule | None, now: datetime) -> Preview:
    """What `asked` would do; `old` is the schedule that it would change. Raises Invalid as saving it would."""
    if old is None:
        missing = [name for name in ("camera_id", "schedule_type") if name not in asked.model_fields_set]
        if missing:
            raise Invalid.of(FieldProblem(name, "is needed, or else schedule_id") for name in missing)
        check_times(asked)
        values = asked.everything()
    else:
        values = {name: getattr(old, name) for name in ScheduleChange.model_fields} | asked.given()
    await check_schedule(session, values)
    return await _preview(session, rule_of(values), values["camera_id"], old, now)


async def standing(session: AsyncSession, schedule: Schedule, now: datetime) -> Standing:
    """How the schedule stands at `now`."""
    camera, timezone = await _camera(session, schedule.camera_id)
    rule = rule_of({name: getattr(schedule, name) for name in ScheduleRule.model_fields})
    for_ever = Interval(start=now, end=datetime.max.replace(tzinfo=now.tzinfo))
    coming = windows(rule, zone_or_utc(timezone), for_ever)
    first = next(coming, None)
    is_open = first is not None and first.start <= now
    query = select(Recording.id).where(
        Recording.camera_id == schedule.camera_id, Recording.schedule_id == schedule.id, Recording.status.in_(_OPEN)
    )
    recording_ids = (await session.scalars(query.order_by(Recording.id))).all()
    obstacles = await _obstacles(session, camera)
    return Standing(
        _state(
            is_active=schedule.is_active and camera.is_active, first=first, is_open=is_open, is_on=bool(recording_ids)
        ),
        first if is_open else None,
        next(coming, None) if is_open else first,
        recording_ids,
        obstacles,
    )


def rule_of(values: dict[str, Any]) -> ScheduleRule:
    """The rule within a schedule's values."""
    return ScheduleRule.model_validate({name: values[name] for name in ScheduleRule.model_fields})


def _state(*, is_active: bool, first: Window | None, is_open: bool, is_on: bool) -> ScheduleState:
    if is_on:
        return ScheduleState.RECORDING
    if not is_active:
        return ScheduleState.INACTIVE
    if first is None:
        return ScheduleState.OVER
    return ScheduleState.DUE if is_open else ScheduleState.WAITING


async def _preview(
    session: AsyncSession, rule: ScheduleRule, camera_id: uuid.UUID, old: Schedule | None, now: datetime
) -> Preview:
    camera, timezone = await _camera(session, camera_id)
    effects = []
    for id_ in [camera_id] if old is None or old.camera_id == camera_id else [old.camera_id, camera_id]:
        one, its_timezone = (camera, timezone) if id_ == camera_id else await _camera(session, id_)
        rules = await _rules(session, one)
        after = {key: value for key, value in rules.items() if old is None or key != old.id}
        if id_ == camera_id and _is_recorded(camera):
            after[old.id if old else uuid.UUID(int=0)] = rule
        effects.append(effect(id_, rules.values(), after.values(), zone_or_utc(its_timezone), now))
    changing = [one for one in effects if one.stops or one.starts]
    return Preview(timezone, outlook(rule, zone_or_utc(timezone), now), changing, await _obstacles(session, camera))


async def _camera(session: AsyncSession, camera_id: uuid.UUID) -> tuple[Camera, str]:
    query = select(Camera, Site.timezone).join(Site, Site.id == Camera.site_id).where(Camera.id == camera_id)
    camera, timezone = (await session.execute(query)).one()
    return camera, timezone


async def _rules(session: AsyncSession, camera: Camera) -> dict[uuid.UUID, ScheduleRule]:
    """What is recorded of the camera, by the schedules that want it."""
    if not _is_recorded(camera):
        return {}
    found = await session.scalars(select(Schedule).where(Schedule.camera_id == camera.id, Schedule.is_active))
    return {one.id: rule_of({name: getattr(one, name) for name in ScheduleRule.model_fields}) for one in found}


def _is_recorded(camera: Camera) -> bool:
    return camera.is_active and camera.recording_mode is RecordingMode.LOCAL_CLIENT


async def _obstacles(session: AsyncSession, camera: Camera) -> list[str]:
    """Why nothing of the camera would be recorded whatever its schedules say, told to a person."""
    found = []
    if not camera.is_active:
        found.append("The camera is inactive.")
    if camera.recording_mode is not RecordingMode.LOCAL_CLIENT:
        found.append("The camera is not recorded by local recording clients: see its recording mode.")
    has_recorder = exists().where(
        ClientCamera.camera_id == camera.id, Client.id == ClientCamera.client_id, Client.is_active
    )
    if not await session.scalar(select(has_recorder)):
        found.append("No active local recording client has this camera.")
    return found
