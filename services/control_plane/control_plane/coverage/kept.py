"""Days that are over are reckoned once and kept, until something is told of them anew."""

import json
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from camfleet_contract.gaps import GapCause
from control_plane.coverage.measurement import CameraDay, Covered

SETTLED_AFTER = timedelta(hours=2)
"""Twice what triggers take for news (an hour), so that no day is kept of which something untold is under way."""

# Days that a site counted otherwise, when it had another time zone, are not these days.
_READ = text("""
    SELECT kept.* FROM json_to_recordset(CAST(:days AS json))
        AS asked (camera_id uuid, day date, begins timestamptz, ends timestamptz)
    JOIN coverage_days AS kept USING (day, camera_id, begins, ends)
    -- Told apart from the list, so that other days' rows are not read, however many there are.
    WHERE kept.day BETWEEN :first AND :last AND NOT EXISTS (
        SELECT FROM coverage_news AS news
        WHERE news.camera_id = asked.camera_id AND news.since < asked.ends AND news.until > asked.begins
    )
""")

_KEEP = text("""
    INSERT INTO coverage_days (
        day, camera_id, begins, ends, due, stored, local_only, deleted, lost, unaccounted, beyond_due
    )
    SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS row (
        day date, camera_id uuid, begins timestamptz, ends timestamptz, due float8, stored float8, local_only float8,
        deleted float8, lost jsonb, unaccounted float8, beyond_due float8
    )
    ON CONFLICT (day, camera_id) DO UPDATE SET
        begins = excluded.begins, ends = excluded.ends, due = excluded.due, stored = excluded.stored,
        local_only = excluded.local_only, deleted = excluded.deleted, lost = excluded.lost,
        unaccounted = excluded.unaccounted, beyond_due = excluded.beyond_due
""")


def is_settled(day: CameraDay, now: datetime) -> bool:
    """Whether the day is over for so long that its account may be kept."""
    return day.span[1] <= now - SETTLED_AFTER


async def read_kept(
    session: AsyncSession, days: Sequence[CameraDay], now: datetime
) -> dict[tuple[UUID, date], Covered]:
    """Those of the days that are kept and still true."""
    asked = [_key(day) for day in days if is_settled(day, now)]
    if not asked:
        return {}
    bounds = {"first": min(day.day for day in days), "last": max(day.day for day in days)}
    rows = await session.execute(_READ, {"days": json.dumps(asked)} | bounds)
    return {(row.camera_id, row.day): covered(row) for row in rows}


async def keep(session: AsyncSession, found: Sequence[tuple[CameraDay, Covered]]) -> None:
    """Write down what was reckoned. Only the one job that forgets news may, in the same transaction."""
    if not found:
        return
    rows = [
        _key(day)
        | {
            "due": one.due,
            "stored": one.stored,
            "local_only": one.local_only,
            "deleted": one.deleted,
            "lost": one.lost,
            "unaccounted": one.unaccounted,
            "beyond_due": one.beyond_due,
        }
        for day, one in found
    ]
    await session.execute(_KEEP, {"rows": json.dumps(rows)})


def covered(row: Any) -> Covered:
    """The account in a row of these columns."""
    return Covered(
        due=row.due,
        stored=row.stored,
        local_only=row.local_only,
        deleted=row.deleted,
        lost={GapCause(cause): float(seconds) for cause, seconds in row.lost.items()},
        unaccounted=row.unaccounted,
        beyond_due=row.beyond_due,
    )


def _key(day: CameraDay) -> dict[str, Any]:
    begins, ends = (moment.isoformat() for moment in day.span)
    return {"camera_id": str(day.camera_id), "day": day.day.isoformat(), "begins": begins, "ends": ends}
