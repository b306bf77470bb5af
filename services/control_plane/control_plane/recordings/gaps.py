"""Gaps that recorders report, any number of times."""

import uuid
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import case, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from camfleet_contract.batches import Unreadable
from camfleet_contract.gaps import Gap, GapVerdict
from control_plane import models
from control_plane.recordings.cameras import cameras_of, known_cameras
from control_plane.recordings.moments import IMPLAUSIBLE, is_plausible

_Key = tuple[uuid.UUID, datetime, uuid.UUID]


async def take_in_gaps(
    session: AsyncSession, client_id: uuid.UUID, reported: Sequence[Gap | Unreadable]
) -> list[GapVerdict]:
    """Store what can be stored, in a handful of statements, and say of each gap what became of it."""
    gaps = [gap for gap in reported if isinstance(gap, Gap)]
    cameras = await cameras_of(session, client_id, {gap.camera_id for gap in gaps})
    # One row a key: a statement can't write the same row twice. The last report of a gap counts.
    wanted = {_key(gap): gap for gap in gaps if not _refusal(gap, cameras)}
    stored = await _upsert(session, client_id, [wanted[key] for key in sorted(wanted)])

    elsewhere = await known_cameras(session, {gap.camera_id for gap in gaps} - cameras)

    def verdict(gap: Gap | Unreadable) -> GapVerdict:
        if isinstance(gap, Unreadable):
            return GapVerdict(id=gap.id, verdict="refused", reason=gap.reason)  # by a later version, perhaps
        reason = _refusal(gap, cameras)
        if not reason and _key(gap) in stored:
            return GapVerdict(id=gap.id, verdict="stored")
        # A camera that was taken away may be given back.
        is_final = gap.camera_id not in elsewhere
        return GapVerdict(id=gap.id, verdict="refused", reason=reason or "this id is another client's", final=is_final)

    return [verdict(gap) for gap in reported]


def _refusal(gap: Gap, cameras: set[uuid.UUID]) -> str:
    if gap.camera_id not in cameras:
        return "this camera is not assigned to this client"
    if not is_plausible(gap.start) or not is_plausible(gap.end):
        return f"start and end {IMPLAUSIBLE}"
    return ""


def _key(gap: Gap) -> _Key:
    return gap.camera_id, gap.start, gap.id


async def _upsert(session: AsyncSession, client_id: uuid.UUID, gaps: Sequence[Gap]) -> set[_Key]:
    if not gaps:
        return set()
    statement = insert(models.Gap).values(
        [
            {
                "camera_id": gap.camera_id,
                "started_at": gap.start,
                "id": gap.id,
                "ended_at": gap.end,
                "client_id": client_id,
                "schedule_id": gap.schedule_id,
                "recording_id": gap.recording_id,
                "cause": gap.cause,
                "detail": gap.detail,
            }
            for gap in gaps
        ]
    )
    statement = statement.on_conflict_do_update(
        index_elements=[models.Gap.camera_id, models.Gap.started_at, models.Gap.id],
        # A gap that was still open may be told again with a later end, and what was told before may come after that.
        set_={
            "ended_at": func.greatest(models.Gap.ended_at, statement.excluded.ended_at),
            "cause": statement.excluded.cause,
            "detail": statement.excluded.detail,
            # One that goes on is news again.
            "reported_at": case(
                (statement.excluded.ended_at > models.Gap.ended_at, func.now()), else_=models.Gap.reported_at
            ),
        },
        where=models.Gap.client_id == client_id,
    )
    rows = await session.execute(statement.returning(models.Gap.camera_id, models.Gap.started_at, models.Gap.id))
    return {(row.camera_id, row.started_at, row.id) for row in rows}
