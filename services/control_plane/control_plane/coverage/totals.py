"""The coverage of many cameras together, from the days that are kept."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from camfleet_contract.gaps import GapCause
from control_plane.coverage.days import reckoned, site_day
from control_plane.coverage.measurement import CameraDay, Covered

MOST_RECKONED = 200
"""So many days of cameras that are not kept are reckoned for one answer: a week of two dozen cameras."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which cameras."""

    camera_id: UUID | None = None
    site_ids: Collection[UUID] | None = None
    """None: all."""
    client_id: UUID | None = None

    def parameters(self) -> dict[str, Any]:
        """As the statements take them."""
        site_ids = None if self.site_ids is None else list(self.site_ids)
        return {"camera_id": self.camera_id, "site_ids": site_ids, "client_id": self.client_id}


@dataclass(frozen=True, slots=True)
class Total:
    """What became of what was due of all of them."""

    covered: Covered
    camera_days: int
    """So many days of cameras are counted in."""
    missing: int
    """Not kept yet, and too many to be reckoned at once: they are not in the sums."""


_ASKED = """
    asked AS (
        SELECT camera.id AS camera_id, row.day, row.begins, row.ends
        FROM json_to_recordset(CAST(:days AS json))
            AS row (timezone text, day date, begins timestamptz, ends timestamptz)
        JOIN sites AS site ON site.timezone = row.timezone
        JOIN cameras AS camera ON camera.site_id = site.id AND camera.created_at < row.ends
        WHERE (CAST(:camera_id AS uuid) IS NULL OR camera.id = CAST(:camera_id AS uuid))
          AND (CAST(:site_ids AS uuid[]) IS NULL OR camera.site_id = ANY(CAST(:site_ids AS uuid[])))
          AND (CAST(:client_id AS uuid) IS NULL OR EXISTS (
            SELECT FROM client_cameras WHERE camera_id = camera.id AND client_id = CAST(:client_id AS uuid)
          ))
    ), kept AS (
        SELECT kept.* FROM asked JOIN coverage_days AS kept USING (day, camera_id, begins, ends)
        -- Told apart from the list, so that other days' rows are not read, however many there are.
        WHERE kept.day BETWEEN :first AND :last AND NOT EXISTS (
            SELECT FROM coverage_news AS news
            WHERE news.camera_id = asked.camera_id AND news.since < asked.ends AND news.until > asked.begins
        )
    )
"""
_SUM = text(f"""
    WITH {_ASKED}
    SELECT (SELECT count(*) FROM asked) AS asked, count(*) AS kept,
        coalesce(sum(due), 0) AS due, coalesce(sum(stored), 0) AS stored, coalesce(sum(local_only), 0) AS local_only,
        coalesce(sum(deleted), 0) AS deleted, coalesce(sum(unaccounted), 0) AS unaccounted,
        coalesce(sum(beyond_due), 0) AS beyond_due,
        (
            SELECT coalesce(jsonb_object_agg(cause, seconds), '{{}}') FROM (
                SELECT cause, sum(CAST(value AS float8)) AS seconds
                FROM kept AS one, jsonb_each_text(one.lost) AS by_cause (cause, value)
                WHERE one.lost <> '{{}}' GROUP BY cause
            ) AS lost
        ) AS lost
    FROM kept
""")  # noqa: S608 - our own text
_MISSING = text(f"""
    WITH {_ASKED}
    SELECT asked.* FROM asked LEFT JOIN kept USING (day, camera_id) WHERE kept.camera_id IS NULL LIMIT :most
""")  # noqa: S608 - our own text
_ZONES = text("SELECT DISTINCT timezone FROM sites")


async def total(session: AsyncSession, chosen: Chosen, days: Sequence[date], now: datetime) -> Total:
    """The sums of those days, as each camera's site counts them."""
    zones = (await session.scalars(_ZONES)).all()
    asked = [_asked(timezone, day) for timezone in zones for day in days]
    given = chosen.parameters() | {"days": json.dumps(asked), "first": min(days), "last": max(days)}
    row = (await session.execute(_SUM, given)).one()
    missing = row.asked - row.kept
    lacking = []
    if 0 < missing <= MOST_RECKONED:
        rows = await session.execute(_MISSING, given | {"most": MOST_RECKONED})
        lacking = [CameraDay(one.camera_id, one.day, (one.begins, one.ends)) for one in rows]
    found = list((await reckoned(session, lacking, now)).values())
    kept = Covered(row.due, row.stored, row.local_only, row.deleted, _causes(row.lost), row.unaccounted, row.beyond_due)
    return Total(_sum([kept, *found]), row.kept + len(found), missing - len(found))


def _asked(timezone: str, day: date) -> dict[str, str]:
    begins, ends = (moment.isoformat() for moment in site_day(day, timezone))
    return {"timezone": timezone, "day": day.isoformat(), "begins": begins, "ends": ends}


def _causes(lost: dict[str, float]) -> dict[GapCause, float]:
    return {GapCause(cause): seconds for cause, seconds in lost.items()}


def _sum(parts: Sequence[Covered]) -> Covered:
    causes = {cause for part in parts for cause in part.lost}
    return Covered(
        due=sum(part.due for part in parts),
        stored=sum(part.stored for part in parts),
        local_only=sum(part.local_only for part in parts),
        deleted=sum(part.deleted for part in parts),
        lost={cause: sum(part.lost.get(cause, 0.0) for part in parts) for cause in causes},
        unaccounted=sum(part.unaccounted for part in parts),
        beyond_due=sum(part.beyond_due for part in parts),
    )
