"""Retention in the store: which stored segments are too old, batch by batch."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from control_plane.models import Camera
from control_plane.recordings.deletions import Deleted, begin_deletion, delete_begun, finish_begun
from control_plane.stores import Store

BATCH = 200
"""Segments of one transaction, and of one audit event."""
_SETTLED_AFTER = timedelta(days=1)
"""Whatever its age says: footage of a recorder whose clock was years behind must not go before anybody has seen it."""
_TOGETHER = timedelta(hours=1)
"""What is due for so long makes a job of its camera, which deletes all that is due: 24 a day, not a job a segment."""
_BROKEN_OFF_AFTER = timedelta(minutes=2)
"""Longer than a batch takes."""
_UNKNOWN = ""
"""The store of what was stored before that was noted."""

# A key of the last batch, so that what the store keeps doesn't come up again and again.
_BEGINNING = (datetime.min.replace(tzinfo=UTC), uuid.UUID(int=0))

_CAMERAS = text("""
    SELECT camera.id FROM cameras AS camera
    WHERE coalesce(camera.retention_days, nullif(CAST(:default_days AS integer), 0)) IS NOT NULL
      AND EXISTS (
        SELECT FROM segments AS segment
        JOIN recordings AS recording ON recording.client_id = segment.client_id AND recording.id = segment.recording_id
        WHERE segment.camera_id = camera.id AND segment.state = 'stored' AND segment.store_url IN ('', :store_url)
          AND segment.started_at < CAST(:due_at AS timestamptz)
              - make_interval(days => coalesce(camera.retention_days, CAST(:default_days AS integer)))
          AND segment.ended_at <= CAST(:due_at AS timestamptz)
              - make_interval(days => coalesce(camera.retention_days, CAST(:default_days AS integer)))
          AND segment.stored_at <= :stored_before
          AND recording.held_at IS NULL
      )
    UNION SELECT camera_id FROM begun_deletions WHERE begun_at < now() - CAST(:broken_off_after AS interval)
    ORDER BY 1
""")

_DUE = text("""
    SELECT segment.started_at, segment.id
    FROM segments AS segment
    JOIN recordings AS recording ON recording.client_id = segment.client_id AND recording.id = segment.recording_id
    WHERE segment.camera_id = :camera_id AND segment.state = 'stored' AND segment.store_url = :store_url
      AND segment.started_at < :cutoff AND segment.ended_at <= :cutoff AND segment.stored_at <= :stored_before
      AND (segment.started_at, segment.id) > (:after_start, :after_id)
      AND recording.held_at IS NULL
    ORDER BY segment.started_at, segment.id LIMIT :batch
""")


def kept_days(camera_days: int | None, default_days: int) -> int | None:
    """For how long footage of a camera is kept; None for ever."""
    return camera_days or default_days or None


async def cameras_with_old_footage(
    session: AsyncSession, store_url: str, default_days: int, now: datetime
) -> Sequence[uuid.UUID]:
    """The cameras with work to do: something in this store is due for an hour, or a deletion was broken off."""
    given = {
        "default_days": default_days,
        "due_at": now - _TOGETHER,
        "stored_before": now - _TOGETHER - _SETTLED_AFTER,
        "broken_off_after": _BROKEN_OFF_AFTER,
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
    deleted = await finish_begun(sessions, store, camera_id, now)
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
        async with sessions() as session:
            camera = await session.get(Camera, camera_id)
            days = kept_days(camera.retention_days, default_days) if camera else None
            due = await _due(session, store_url, camera_id, days, now, after) if days is not None else []
        if not due:
            return deleted
        begun_id = await begin_deletion(sessions, camera_id, due, f"retention: {days} days")
        end = await delete_begun(sessions, store, begun_id, now)
        deleted += end.deleted
        if end.problem is not None:
            raise end.problem
        # What is younger than what the bucket's policy keeps, it keeps as well.
        if len(due) < BATCH or end.is_all_too_young:
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
