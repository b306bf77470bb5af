"""Which cameras should be recording now, and which of those nobody sees recording."""

import asyncio
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from camfleet_contract.cameras import RecordingMode
from camfleet_contract.schedules import ScheduleRule, is_due
from control_plane.console import display
from control_plane.console.contacts import CameraNow, cameras_now
from control_plane.fleet.visibility import at_sites
from control_plane.models import Camera, Schedule, Site
from control_plane.security.principals import UNLIMITED, Principal

GRACE = timedelta(seconds=60)
"""From the start of a window, or an edit that opened one, until the camera is missed: the recorder connects, begins,
and tells with its next heartbeat."""

# Whether a schedule is due takes some 40 microseconds to find out, in a thread beside the requests.
_MOST_SCHEDULES = 5000

_RULE = ("schedule_type", "start_time", "end_time", "start_date", "end_date", "days_of_week")


@dataclass(frozen=True, slots=True)
class DueCameras:
    """What the overview tells of the cameras that are due."""

    count: int
    missing: dict[uuid.UUID, CameraNow]
    """Those that are due for longer than `GRACE` and not seen recording, with what is known of them."""


async def due_cameras(session: AsyncSession, now: datetime, seen_by: Principal = UNLIMITED) -> DueCameras | None:
    """The cameras that a schedule wants recorded now; None where there are too many schedules to look at each."""
    rows = (
        await session.execute(
            select(
                Schedule.camera_id,
                Site.timezone,
                Schedule.updated_at,
                Camera.updated_at,
                *(getattr(Schedule, name) for name in _RULE),
            )
            .join(Camera, Camera.id == Schedule.camera_id)
            .join(Site, Site.id == Camera.site_id)
            .where(
                Schedule.is_active,
                Camera.is_active,
                Camera.recording_mode == RecordingMode.LOCAL_CLIENT,
                at_sites(seen_by, Camera.site_id),
            )
            .limit(_MOST_SCHEDULES + 1)
        )
    ).all()
    if len(rows) > _MOST_SCHEDULES:
        return None
    due, overdue = await asyncio.to_thread(_due_and_overdue, rows, now)
    states = await cameras_now(session, overdue)
    return DueCameras(len(due), {id_: state for id_, state in states.items() if not state.is_seen_recording(now)})


def _due_and_overdue(rows: Iterable[Sequence[Any]], now: datetime) -> tuple[set[uuid.UUID], set[uuid.UUID]]:
    due, overdue = set(), set()
    for camera_id, timezone, schedule_changed, camera_changed, *values in rows:
        rule = ScheduleRule.model_validate(dict(zip(_RULE, values, strict=True)))
        zone = display.zone_or_utc(timezone)
        if not is_due(rule, zone, now):
            continue
        due.add(camera_id)
        # Looked at twice instead of asking when the window opened: one of a continuous schedule opens each midnight.
        if max(schedule_changed, camera_changed) <= now - GRACE and is_due(rule, zone, now - GRACE):
            overdue.add(camera_id)
    return due, overdue
