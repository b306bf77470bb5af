"""Retention in the store: which stored segments are too old, and their deletion, batch by batch."""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from control_plane.events import BACKGROUND, record_event
from control_plane.models import Camera
from control_plane.stores import Removal, Store, StoreUnavailableError

log = structlog.get_logger()

BATCH = 200
"""Segments of one transaction, and of one audit event."""
_SETTLED_AFTER = timedelta(days=1)
"""Whatever its age says: footage of a recorder whose clock was years behind must not go before anybody has seen it."""
_AT_ONCE = 16
# Less than the database lets a transaction be idle; what is left then is the next batch's.
_STORE_SECONDS = 20.0

_UNKNOWN = ""
"""The store of what was stored before that was noted."""

# A key of the last batch, so that what the store keeps doesn't come up again and again.
_BEGINNING = (datetime.min.replace(tzinfo=UTC), uuid.UUID(int=0))

_CAMERAS = text("""
    SELECT camera.id FROM cameras AS camera
    WHERE coalesce(camera.retention_days, nullif(CAST(:default_days AS integer), 0)) IS NOT NULL
      AND EXISTS (
        SELECT FROM segments
        WHERE camera_id = camera.id AND state = 'stored'
          AND started_at < CAST(:now AS timestamptz)
              - make_interval(days => coalesce(camera.retention_days, CAST(:default_days AS integer)))
          AND stored_at <= :stored_before AND store_url IN ('', :store_url)
      )
    ORDER BY camera.id
""")

# A held recording is left out of it, and none can be held while its segments are being deleted: whoever tries waits for
# the end of the batch. What another transaction has in hand is left to the next tick.
_DUE = text("""
    SELECT segment.started_at, segment.ended_at, segment.id, segment.object_name, segment.generation, segment.size_bytes
    FROM segments AS segment
    JOIN recordings AS recording ON recording.client_id = segment.client_id AND recording.id = segment.recording_id
    WHERE segment.camera_id = :camera_id AND segment.state = 'stored' AND segment.store_url = :store_url
      AND segment.started_at < :cutoff AND segment.ended_at <= :cutoff AND segment.stored_at <= :stored_before
      AND (segment.started_at, segment.id) > (:after_start, :after_id)
      AND recording.held_at IS NULL
    ORDER BY segment.started_at, segment.id LIMIT :batch
    FOR UPDATE OF segment SKIP LOCKED FOR SHARE OF recording SKIP LOCKED
""")

_MARK = text("""
    UPDATE segments SET state = 'deleted', deleted_at = :now, deletion_reason = :reason
    WHERE camera_id = :camera_id AND started_at BETWEEN :earliest AND :latest AND id = ANY(:ids)
""")


@dataclass(frozen=True, slots=True)
class Deleted:
    """What one run deleted of one camera."""

    segments: int = 0
    size_bytes: int = 0
    kept_by_the_store: int = 0
    """A hold or a policy of the bucket, or another object under the name."""

    def __add__(self, other: "Deleted") -> "Deleted":
        return Deleted(
            self.segments + other.segments,
            self.size_bytes + other.size_bytes,
            self.kept_by_the_store + other.kept_by_the_store,
        )


def kept_days(camera_days: int | None, default_days: int) -> int | None:
    """For how long footage of a camera is kept; None for ever."""
    return camera_days or default_days or None


async def cameras_with_old_footage(
    session: AsyncSession, store_url: str, default_days: int, now: datetime
) -> Sequence[uuid.UUID]:
    """The cameras of which something that lies in this store has begun before their retention."""
    given = {
        "default_days": default_days,
        "now": now,
        "stored_before": now - _SETTLED_AFTER,
        "store_url": store_url,
    }
    return (await session.scalars(_CAMERAS, given)).all()


async def delete_old_footage(
    sessions: async_sessionmaker[AsyncSession], store: Store, camera_id: uuid.UUID, default_days: int, now: datetime
) -> Deleted:
    """Delete what is older than its camera's retention and not held: the objects first, then their rows are marked.

    What lies in another store is left alone: this one would say that there is no such object. Safe to repeat and to
    break off. Raises StoreUnavailableError when the store is away; what was deleted is marked.
    """
    deleted = Deleted()
    for store_url in (store.url, _UNKNOWN):
        deleted += await _delete_from(sessions, store, store_url, camera_id, default_days, now)
    return deleted


async def _delete_from(
    sessions: async_sessionmaker[AsyncSession],
    store: Store,
    store_url: str,
    camera_id: uuid.UUID,
    default_days: int,
    now: datetime,
) -> Deleted:
    after, deleted = _BEGINNING, Deleted()
    while True:
        async with sessions.begin() as session:
            camera = await session.get(Camera, camera_id)
            days = kept_days(camera.retention_days, default_days) if camera else None
            if days is None:
                return deleted
            due = await _due(session, store_url, camera_id, days, now, after)
            removals, problem = await _removed(store, due)
            deleted += await _mark(session, camera_id, due, removals, days, now)
        if problem is not None:
            raise problem
        if len(due) < BATCH:
            return deleted
        after = (due[-1].started_at, due[-1].id)


async def _due(
    session: AsyncSession,
    store_url: str,
    camera_id: uuid.UUID,
    days: int,
    now: datetime,
    after: tuple[datetime, uuid.UUID],
) -> Sequence[Row[Any]]:
    after_start, after_id = after
    given = {
        "camera_id": camera_id,
        "store_url": store_url,
        "cutoff": now - timedelta(days=days),
        "stored_before": now - _SETTLED_AFTER,
        "after_start": after_start,
        "after_id": after_id,
        "batch": BATCH,
    }
    return (await session.execute(_DUE, given)).all()


async def _removed(
    store: Store, due: Sequence[Row[Any]]
) -> tuple[dict[uuid.UUID, Removal], StoreUnavailableError | None]:
    """What became of each; what is missing in it was not tried, or not answered, for the reason that comes with it."""
    removals: dict[uuid.UUID, Removal] = {}
    problems: list[StoreUnavailableError] = []
    turns = asyncio.Semaphore(_AT_ONCE)

    async def remove(segment: Row[Any]) -> None:
        async with turns:
            if problems:
                return  # away for one is away for all
            try:
                removals[segment.id] = await store.delete(segment.object_name, segment.generation or 0)
            except StoreUnavailableError as error:
                problems.append(error)

    try:
        async with asyncio.timeout(_STORE_SECONDS), asyncio.TaskGroup() as tasks:
            for segment in due:
                tasks.create_task(remove(segment))
    except TimeoutError:
        problems.append(StoreUnavailableError(f"{store.url} is slow: {len(removals)} of {len(due)} objects deleted"))
    return removals, problems[0] if problems else None


async def _mark(
    session: AsyncSession,
    camera_id: uuid.UUID,
    due: Sequence[Row[Any]],
    removals: dict[uuid.UUID, Removal],
    days: int,
    now: datetime,
) -> Deleted:
    gone = [segment for segment in due if removals.get(segment.id) is Removal.GONE]
    kept = {str(segment.id): removals[segment.id] for segment in due if segment not in gone and segment.id in removals}
    if kept:
        log.warning("store_keeps_objects", camera_id=str(camera_id), segments=kept)
    if not gone:
        return Deleted(kept_by_the_store=len(kept))
    reason, size = f"retention: {days} days", sum(segment.size_bytes for segment in gone)
    await session.execute(
        _MARK,
        {
            "camera_id": camera_id,
            "earliest": gone[0].started_at,
            "latest": gone[-1].started_at,
            "ids": [segment.id for segment in gone],
            "now": now,
            "reason": reason,
        },
    )
    record_event(
        session,
        "camera",
        camera_id,
        "camera.footage_deleted",
        BACKGROUND,
        {
            "reason": reason,
            "segments": len(gone),
            "bytes": size,
            "from": gone[0].started_at,
            "to": max(segment.ended_at for segment in gone),
        },
    )
    return Deleted(len(gone), size, len(kept))
