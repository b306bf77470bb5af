"""Which window of each schedule is open or opens next: kept in PostgreSQL, so that who is due now is one comparison."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from camfleet_contract.messages import Interval
from camfleet_contract.schedules import ScheduleRule, windows
from camfleet_contract.zones import zone

_RULE = ("schedule_type", "start_time", "end_time", "start_date", "end_date", "days_of_week")
_AHEAD = timedelta(days=8)
"""A weekly schedule opens within; whatever doesn't is looked at again then."""
_AT_ONCE = 5000
"""Some 40 microseconds each, in a thread beside the requests."""

_STALE = text("""
    SELECT schedule.id, schedule.updated_at, site.timezone, schedule.schedule_type, schedule.start_time,
           schedule.end_time, schedule.start_date, schedule.end_date, schedule.days_of_week
    FROM schedules AS schedule
    JOIN cameras AS camera ON camera.id = schedule.camera_id
    JOIN sites AS site ON site.id = camera.site_id
    LEFT JOIN due_windows AS due ON due.schedule_id = schedule.id
    WHERE schedule.is_active AND camera.is_active AND camera.recording_mode = 'local_client' AND (
        due.schedule_id IS NULL OR due.closes_at <= CAST(:now AS timestamptz)
        OR due.read_at <> schedule.updated_at OR due.timezone <> site.timezone
    )
    LIMIT :most
""")

_KEEP = text("""
    INSERT INTO due_windows (schedule_id, opens_at, closes_at, read_at, timezone)
    SELECT * FROM unnest(
        CAST(:ids AS uuid[]), CAST(:opens AS timestamptz[]), CAST(:closes AS timestamptz[]),
        CAST(:read AS timestamptz[]), CAST(:timezones AS text[])
    ) AS due(schedule_id, opens_at, closes_at, read_at, timezone)
    WHERE EXISTS (SELECT FROM schedules WHERE schedules.id = due.schedule_id)
    ON CONFLICT (schedule_id) DO UPDATE SET opens_at = excluded.opens_at, closes_at = excluded.closes_at,
        read_at = excluded.read_at, timezone = excluded.timezone
""")


async def bring_up_to_date(sessions: async_sessionmaker[AsyncSession], now: datetime) -> int:
    """Find the window of each schedule whose last one is over, or that was changed: of how many. Safe to repeat."""
    count = 0
    while True:
        async with sessions.begin() as session:
            rows = (await session.execute(_STALE, {"now": now, "most": _AT_ONCE})).all()
            if rows:
                # In one order, so that two replicas that do the same never wait for each other.
                in_order = sorted(rows, key=attrgetter("id"))
                await session.execute(_KEEP, await asyncio.to_thread(_found, in_order, now))
        count += len(rows)
        if len(rows) < _AT_ONCE:
            return count


def _found(rows: Sequence[Any], now: datetime) -> dict[str, list[Any]]:
    opened = [_window(row, now) for row in rows]
    return {
        "ids": [row.id for row in rows],
        "opens": [opens for opens, _ in opened],
        "closes": [closes for _, closes in opened],
        "read": [row.updated_at for row in rows],
        "timezones": [row.timezone for row in rows],
    }


def _window(row: Any, now: datetime) -> tuple[datetime | None, datetime]:
    try:
        rule = ScheduleRule.model_validate({name: getattr(row, name) for name in _RULE})
        place = zone(row.timezone)
    except ValueError:
        return None, now + _AHEAD  # written past the console and the API: no recorder can read it either
    window = next(windows(rule, place, Interval(start=now, end=now + _AHEAD)), None)
    return (window.start, window.end) if window else (None, now + _AHEAD)
