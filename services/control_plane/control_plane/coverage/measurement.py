"""How much of what was due is covered, reckoned by PostgreSQL with sets of time (tstzmultirange)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from camfleet_contract.gaps import GapCause
from control_plane.coverage.spans import Span, multirange, within
from control_plane.recordings.moments import LONGEST_SEGMENT

SMALLEST = timedelta(milliseconds=250)
"""A shorter hole between footage is the distance of two frames, or a keyframe that came a little late: recorders report
none of them either."""
GIVEN_UP = (GapCause.RETENTION, GapCause.DISK_MISSING)
"""By these causes a recorder says that it no longer has what it had offered."""
PRECEDENCE = (
    *GIVEN_UP,
    GapCause.DISK_FULL,
    GapCause.CLOCK_STEP,
    GapCause.RECORDER_OVERLOADED,
    GapCause.UNSUPPORTED_STREAM,
    GapCause.STREAM_STALLED,
    GapCause.CAMERA_REFUSED,
    GapCause.CAMERA_UNREACHABLE,
    GapCause.RECORDER_DOWN,
    GapCause.POWER_LOST,
)
"""Where several causes are told of one moment, the first counts: the closer to the footage, the more it knew."""
LONGEST_GAP = timedelta(days=400)
"""How far before a day a gap that reaches into it may begin."""


@dataclass(frozen=True, slots=True)
class CameraDay:
    """A day of a camera, from midnight to midnight at its site."""

    camera_id: UUID
    day: date
    span: Span


@dataclass(frozen=True, slots=True)
class Covered:
    """A day of a camera, in seconds. `due` = `stored` + `local_only` + `deleted` + all of `lost` + `unaccounted`."""

    due: float
    stored: float
    local_only: float
    """Its recorder has it, and nobody else."""
    deleted: float
    """Was stored, and deleted since by the rules of retention."""
    lost: Mapping[GapCause, float]
    unaccounted: float
    """Neither footage nor a gap is known: not told yet, or nobody records the camera."""
    beyond_due: float
    """Footage that no schedule asked for, as of manual runs."""

    @property
    def recorded(self) -> float:
        """What there was footage of."""
        return self.stored + self.local_only + self.deleted


# The sets, one stretch of days after the other: `kept` was stored at some time, `recorded` has what is only at the site
# as well. What a recorder gave up is taken from what that recorder offered, not from what another one has of the same
# camera. Footage that ends shortly before the stretch is read too: the hole after it may be none.
_MEASURE = text("""
WITH camera AS MATERIALIZED (
    SELECT stretch, camera_id, begins, ends, CAST(due AS tstzmultirange) AS due
    FROM json_to_recordset(CAST(:stretches AS json))
        AS row (stretch int, camera_id uuid, begins timestamptz, ends timestamptz, due text)
), account AS MATERIALIZED (
    SELECT camera.stretch, camera.due, footage.* FROM camera CROSS JOIN LATERAL (
        SELECT
            coverage_closed(range_agg(held.span) FILTER (WHERE held.state = 'stored'), :smallest) AS stored,
            coverage_closed(range_agg(held.span) FILTER (WHERE held.state <> 'offered'), :smallest) AS kept,
            coverage_closed(range_agg(held.span), :smallest) AS recorded
        FROM (
            SELECT segment.state, CASE segment.state WHEN 'offered' THEN segment.span - coalesce(gone.span, '{}')
                                                     ELSE segment.span END AS span
            FROM (
                SELECT client_id, state, range_agg(tstzrange(started_at, ended_at)) AS span
                FROM segments
                WHERE camera_id = camera.camera_id AND started_at <= camera.ends + CAST(:smallest AS interval)
                  AND ended_at >= camera.begins - CAST(:smallest AS interval)
                  AND started_at > camera.begins - CAST(:longest_segment AS interval)
                GROUP BY client_id, state
            ) AS segment
            LEFT JOIN (
                SELECT client_id, range_agg(tstzrange(started_at, ended_at)) AS span
                FROM gaps
                WHERE camera_id = camera.camera_id AND started_at < camera.ends AND ended_at > camera.begins
                  AND started_at > camera.begins - CAST(:longest_gap AS interval)
                  AND cause = ANY(CAST(:given_up AS text[]))
                GROUP BY client_id
            ) AS gone USING (client_id)
        ) AS held
    ) AS footage
), missed AS MATERIALIZED (
    SELECT stretch, cause,
           span - coalesce(range_agg(span) OVER (
               PARTITION BY stretch ORDER BY array_position(CAST(:precedence AS text[]), cause)
               ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
           ), '{}') AS span
    FROM (
        SELECT camera.stretch, gap.cause, gap.span FROM camera CROSS JOIN LATERAL (
            SELECT cause, range_agg(tstzrange(started_at, ended_at)) AS span
            FROM gaps
            WHERE camera_id = camera.camera_id AND started_at < camera.ends AND ended_at > camera.begins
              AND started_at > camera.begins - CAST(:longest_gap AS interval)
            GROUP BY cause
        ) AS gap
    ) AS by_cause
), daily AS MATERIALIZED (
    SELECT stretch, camera_id, day, asked.due * span AS due, stored * span AS stored, kept * span AS kept,
           recorded * span AS recorded
    FROM (
        SELECT stretch, camera_id, day, tstzmultirange(tstzrange(begins, ends)) AS span
        FROM json_to_recordset(CAST(:days AS json))
            AS row (stretch int, camera_id uuid, day date, begins timestamptz, ends timestamptz)
    ) AS each JOIN account AS asked USING (stretch)
)
SELECT camera_id, day, coverage_seconds(due) AS due, coverage_seconds(due * stored) AS stored,
       coverage_seconds(due * kept) AS kept, coverage_seconds(due * recorded) AS recorded,
       coverage_seconds(recorded - due) AS beyond_due,
       (
           SELECT coalesce(jsonb_object_agg(cause, seconds) FILTER (WHERE seconds > 0), '{}')
           FROM (
               SELECT missed.cause, coverage_seconds((daily.due - daily.recorded) * missed.span) AS seconds
               FROM missed WHERE missed.stretch = daily.stretch
           ) AS by_cause
       ) AS lost
FROM daily
""")


async def measure(
    session: AsyncSession, days: Sequence[CameraDay], due: Mapping[UUID, Sequence[Span]]
) -> dict[tuple[UUID, date], Covered]:
    """Each day's account, read from the segments and gaps themselves, in one statement."""
    if not days:
        return {}
    stretches = _stretches(days)
    asked = [
        {
            "stretch": number,
            "camera_id": str(stretch[0].camera_id),
            "begins": stretch[0].span[0].isoformat(),
            "ends": stretch[-1].span[1].isoformat(),
            "due": multirange(within(due.get(stretch[0].camera_id, ()), (stretch[0].span[0], stretch[-1].span[1]))),
        }
        for number, stretch in enumerate(stretches)
    ]
    rows_of_days = [_row(day, number) for number, stretch in enumerate(stretches) for day in stretch]
    given: dict[str, Any] = {
        "stretches": json.dumps(asked),
        "days": json.dumps(rows_of_days),
        "smallest": SMALLEST,
        "longest_segment": LONGEST_SEGMENT,
        "longest_gap": LONGEST_GAP,
        "given_up": [str(cause) for cause in GIVEN_UP],
        "precedence": [str(cause) for cause in PRECEDENCE],
    }
    rows = await session.execute(_MEASURE, given)
    return {(row.camera_id, row.day): _covered(row) for row in rows}


def _stretches(days: Sequence[CameraDay]) -> list[list[CameraDay]]:
    """Days of a camera that follow each other, so that what lies between others is not read."""
    found: list[list[CameraDay]] = []
    for day in sorted(days, key=lambda one: (one.camera_id, one.span)):
        if found and (found[-1][-1].camera_id, found[-1][-1].span[1]) == (day.camera_id, day.span[0]):
            found[-1].append(day)
        else:
            found.append([day])
    return found


def _row(day: CameraDay, stretch: int) -> dict[str, str | int]:
    begins, ends = (moment.isoformat() for moment in day.span)
    return {
        "stretch": stretch,
        "camera_id": str(day.camera_id),
        "day": day.day.isoformat(),
        "begins": begins,
        "ends": ends,
    }


def _covered(row: Any) -> Covered:
    lost = {GapCause(cause): float(seconds) for cause, seconds in row.lost.items()}
    return Covered(
        due=float(row.due),
        stored=float(row.stored),
        local_only=float(row.recorded - row.kept),
        deleted=float(row.kept - row.stored),
        lost=lost,
        unaccounted=_whole_microseconds(float(row.due - row.recorded) - sum(lost.values())),
        beyond_due=float(row.beyond_due),
    )


def _whole_microseconds(seconds: float) -> float:
    """PostgreSQL counts in them; a difference of floats would say 1e-12 where nothing is left."""
    return round(seconds, 6) + 0.0
