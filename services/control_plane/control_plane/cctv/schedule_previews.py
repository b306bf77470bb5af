"""`schedules/`: what they will do, how they stand, and turning them on and off."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body
from pydantic import Field

from camfleet_contract.schedules import Window
from control_plane.cctv import examples
from control_plane.cctv.answers import Answer, ScheduleAnswer
from control_plane.cctv.callers import KeyRoute, OperatorCaller, Viewer
from control_plane.cctv.refusals import NOT_FOUND, NOT_JSON
from control_plane.cctv.schedules import answer
from control_plane.coverage.due import zone_or_utc
from control_plane.coverage.spans import Span
from control_plane.database import Session
from control_plane.fleet import schedules
from control_plane.fleet.previews import ClockChange, Effect, Opening
from control_plane.fleet.schedule_previews import Preview, PreviewedSchedule, ScheduleState, Standing, preview, standing
from control_plane.fleet.schedules import ScheduleChange
from control_plane.fleet.visibility import check_camera

router = APIRouter(route_class=KeyRoute, tags=["schedules"])

AtSite = Annotated[datetime, Field(examples=["2026-03-28T22:00:00+01:00"])]
"""With the offset that the site's clock has then."""


class OpeningAnswer(Answer):
    """A window to come."""

    start: datetime
    end: datetime
    local_start: AtSite
    local_end: AtSite
    seconds: float
    clock_change_seconds: Annotated[float, Field(examples=[-3600.0])]
    """By how much a change of the clock makes it longer (or shorter, below 0) than its times say; mostly 0."""


class ClockChangeAnswer(Answer):
    """The site's clock changes within the 14 days."""

    at: datetime
    local_before: AtSite
    """What the clock shows at that moment if it had not changed."""
    local_after: AtSite


class StretchAnswer(Answer):
    """A stretch of time."""

    start: datetime
    end: datetime


class EffectAnswer(Answer):
    """What a change does to one camera, all its schedules together: what another wants anyway is in neither."""

    camera_id: UUID
    stops: list[StretchAnswer]
    """Would be recorded as things are, and not after the change."""
    starts: list[StretchAnswer]

    @classmethod
    def of(cls, effect: Effect) -> "EffectAnswer":
        return cls(camera_id=effect.camera_id, stops=_stretches(effect.stops), starts=_stretches(effect.starts))


class PreviewAnswer(Answer):
    """What a schedule does in the next 14 days."""

    timezone: Annotated[str, Field(examples=["Europe/Berlin"])]
    start: datetime
    end: datetime
    windows: list[OpeningAnswer]
    """Whole, in order; the first may be open already."""
    clock_changes: list[ClockChangeAnswer]
    skipped_days: list[date]
    """On which the clock jumps over all that the schedule wants."""
    changes: list[EffectAnswer]
    """What saving it would change in these days; empty where it is as it would be."""
    stops_now: bool
    """Something that is due at this moment would not be any more."""
    starts_now: bool
    obstacles: Annotated[list[str], Field(examples=[["No active local recording client has this camera."]])]
    """Why nothing would be recorded nevertheless."""

    @classmethod
    def of(cls, found: Preview) -> "PreviewAnswer":
        outlook, timezone = found.outlook, found.timezone
        return cls(
            timezone=timezone,
            start=outlook.between.start,
            end=outlook.between.end,
            windows=[_opening(one, timezone) for one in outlook.openings],
            clock_changes=[_clock_change(one) for one in outlook.clock_changes],
            skipped_days=list(outlook.skipped),
            changes=[EffectAnswer.of(effect) for effect in found.effects],
            stops_now=found.stops_now,
            starts_now=found.starts_now,
            obstacles=list(found.obstacles),
        )


class StandingAnswer(Answer):
    """How a schedule stands at this moment."""

    schedule_id: UUID
    is_active: bool
    state: ScheduleState
    window: StretchAnswer | None
    """The window that is open."""
    next_window: StretchAnswer | None
    next_change_at: datetime | None
    """When the next window opens, or the open one closes."""
    recording_ids: list[UUID]
    """Its recordings that go on, as their recorders said last."""
    obstacles: list[str]
    """Why nothing is recorded whatever the schedule says."""

    @classmethod
    def of(cls, schedule_id: UUID, is_active: bool, found: Standing) -> "StandingAnswer":
        change = found.window.end if found.window else found.next_window.start if found.next_window else None
        return cls(
            schedule_id=schedule_id,
            is_active=is_active,
            state=found.state,
            window=_stretch(found.window),
            next_window=_stretch(found.next_window),
            next_change_at=change,
            recording_ids=list(found.recording_ids),
            obstacles=list(found.obstacles),
        )


@router.post("/schedules/preview/", responses=NOT_JSON | NOT_FOUND)
async def preview_schedule(
    session: Session,
    caller: Viewer,
    asked: Annotated[PreviewedSchedule, Body(openapi_examples=examples.SCHEDULE_PREVIEW)],
) -> PreviewAnswer:
    """Say what a new schedule would do in the next 14 days, or with `schedule_id` a change of one. Nothing is saved."""
    old = None
    if asked.schedule_id:
        old = await schedules.find_schedule(session, asked.schedule_id, seen_by=caller)
    if "camera_id" in asked.model_fields_set:
        await check_camera(session, caller, asked.camera_id)
    return PreviewAnswer.of(await preview(session, asked, old, datetime.now(UTC)))


@router.get("/schedules/{schedule_id}/preview/", responses=NOT_FOUND)
async def preview_of_schedule(
    session: Session, caller: Viewer, schedule_id: UUID, is_active: bool | None = None
) -> PreviewAnswer:
    """Say what it will do in the next 14 days; with `is_active`, what activating or deactivating it would change."""
    old = await schedules.find_schedule(session, schedule_id, seen_by=caller)
    asked = PreviewedSchedule() if is_active is None else PreviewedSchedule(is_active=is_active)
    return PreviewAnswer.of(await preview(session, asked, old, datetime.now(UTC)))


@router.get("/schedules/{schedule_id}/status/", responses=NOT_FOUND)
async def status_of_schedule(session: Session, caller: Viewer, schedule_id: UUID) -> StandingAnswer:
    """Say whether it is due, what comes next, and which of its recordings go on."""
    schedule = await schedules.find_schedule(session, schedule_id, seen_by=caller)
    return StandingAnswer.of(schedule_id, schedule.is_active, await standing(session, schedule, datetime.now(UTC)))


@router.post("/schedules/{schedule_id}/activate/", responses=NOT_FOUND)
async def activate_schedule(session: Session, caller: OperatorCaller, schedule_id: UUID) -> ScheduleAnswer:
    """Let it record. A connected recorder hears of it within a second. Activating twice is safe."""
    schedule = await schedules.find_schedule(session, schedule_id, seen_by=caller, for_change=True)
    return await answer(
        session, await schedules.change_schedule(session, schedule, ScheduleChange(is_active=True), actor=caller.actor)
    )


@router.post("/schedules/{schedule_id}/deactivate/", responses=NOT_FOUND)
async def deactivate_schedule(session: Session, caller: OperatorCaller, schedule_id: UUID) -> ScheduleAnswer:
    """Let it record nothing until it is activated; what it records at this moment ends. Doing so twice is safe."""
    schedule = await schedules.find_schedule(session, schedule_id, seen_by=caller, for_change=True)
    return await answer(
        session, await schedules.change_schedule(session, schedule, ScheduleChange(is_active=False), actor=caller.actor)
    )


def _opening(opening: Opening, timezone: str) -> OpeningAnswer:
    zone, window = zone_or_utc(timezone), opening.window
    return OpeningAnswer(
        start=window.start,
        end=window.end,
        local_start=window.start.astimezone(zone),
        local_end=window.end.astimezone(zone),
        seconds=window.seconds,
        clock_change_seconds=opening.longer_by.total_seconds(),
    )


def _clock_change(change: ClockChange) -> ClockChangeAnswer:
    return ClockChangeAnswer(at=change.at, local_before=change.shown_before, local_after=change.shown_after)


def _stretch(window: Window | None) -> StretchAnswer | None:
    return StretchAnswer(start=window.start, end=window.end) if window else None


def _stretches(spans: Sequence[Span]) -> list[StretchAnswer]:
    return [StretchAnswer(start=start, end=end) for start, end in spans]
