"""The store's own holds: on every stored object of a held recording, where the store has such a thing."""

import asyncio
import uuid
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from control_plane.models import Recording, Segment, SegmentState
from control_plane.stores import Store

_AT_ONCE = 16
_RECORDINGS = 500


async def settle_holds(sessions: async_sessionmaker[AsyncSession], store: Store) -> int:
    """Hold the objects of held recordings, release those of released ones; how many objects were asked for.

    Safe to repeat: a recording that goes on has new objects each time. Raises StoreUnavailableError.
    """
    if not store.has_holds:
        return 0
    async with sessions() as session:
        differing = await _differing(session, store.url)
    return sum([await _settle(sessions, store, recording) for recording in differing])


async def _differing(session: AsyncSession, store_url: str) -> Sequence[Recording]:
    """The recordings of which something is stored that is not held, or held that should not be."""
    newest = (
        select(func.max(Segment.stored_at))
        .where(
            Segment.recording_id == Recording.id,
            Segment.state == SegmentState.STORED,
            Segment.store_url.in_(("", store_url)),
        )
        .scalar_subquery()
    )
    to_hold = select(Recording).where(
        Recording.held_at.is_not(None), newest > func.coalesce(Recording.objects_held_at, func.to_timestamp(0))
    )
    to_release = select(Recording).where(Recording.objects_held_at.is_not(None), Recording.held_at.is_(None))
    return [one for query in (to_release, to_hold) for one in await session.scalars(query.limit(_RECORDINGS))]


async def _settle(sessions: async_sessionmaker[AsyncSession], store: Store, recording: Recording) -> int:
    is_held = recording.held_at is not None
    async with sessions() as session:
        query = select(Segment.object_name, Segment.stored_at).where(
            Segment.recording_id == recording.id,
            Segment.state == SegmentState.STORED,
            Segment.store_url.in_(("", store.url)),
        )
        if is_held and recording.objects_held_at is not None:
            query = query.where(Segment.stored_at > recording.objects_held_at)
        objects = (await session.execute(query)).all()
    turns = asyncio.Semaphore(_AT_ONCE)

    async def settle(object_name: str) -> None:
        async with turns:
            await store.set_hold(object_name, is_held=is_held)

    try:
        async with asyncio.TaskGroup() as tasks:
            for name, _ in objects:
                tasks.create_task(settle(name))
    except ExceptionGroup as failures:
        # One tells enough: the store is away, or does not let us.
        raise failures.exceptions[0] from None
    await _note(
        sessions, recording.id, is_held=is_held, up_to=max((at for _, at in objects if at is not None), default=None)
    )
    return len(objects)


async def _note(
    sessions: async_sessionmaker[AsyncSession], recording_id: uuid.UUID, *, is_held: bool, up_to: datetime | None
) -> None:
    same = Recording.held_at.is_not(None) if is_held else Recording.held_at.is_(None)
    async with sessions.begin() as session:
        # Held or released meanwhile: the next tick sees the difference.
        noted = update(Recording).where(Recording.id == recording_id, same)
        await session.execute(noted.values(objects_held_at=up_to if is_held else None, updated_at=Recording.updated_at))
