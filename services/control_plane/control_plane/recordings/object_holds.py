"""The store's own holds: on every stored object of a held recording, where the store has such a thing."""

import asyncio
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import Row, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from control_plane.models import Recording, Segment, SegmentState, StoreHold
from control_plane.stores import Store, StoreUnavailableError

log = structlog.get_logger()

PAGE = 500
"""Objects of one recording, asked for and noted together."""
_AT_ONCE = 16
_RECORDINGS = 500
_QUIET = timedelta(minutes=5)
"""A transaction that began before, and stores one more segment, has come to its end by then."""
_Object = Row[uuid.UUID, datetime, uuid.UUID, str]
"""Camera, start, id and object name of a segment."""
_BEGINNING = (datetime.min.replace(tzinfo=UTC), uuid.UUID(int=0))


async def settle_holds(sessions: async_sessionmaker[AsyncSession], store: Store) -> int:
    """Hold the objects of held recordings, release those of released ones; how many objects were asked for.

    Safe to repeat and to break off: what was asked for is noted page by page. What lies in another store is left alone.
    Raises StoreUnavailableError.
    """
    if not store.has_holds:
        return 0
    query = select(Recording.id).where(Recording.holds_unsettled_at.is_not(None))
    async with sessions() as session:
        unsettled = (await session.scalars(query.order_by(Recording.holds_unsettled_at).limit(_RECORDINGS))).all()
    return sum([await _settle(sessions, store, recording_id) for recording_id in unsettled])


async def _settle(sessions: async_sessionmaker[AsyncSession], store: Store, recording_id: uuid.UUID) -> int:
    asked, after = 0, _BEGINNING
    while True:
        async with sessions.begin() as session:
            is_held = await session.scalar(select(Recording.held_at).where(Recording.id == recording_id)) is not None
            page = await _differing(session, store.url, recording_id, after, is_held=is_held)
            if is_held:
                # Before the store is asked: if nobody hears its answer, a release asks it all the same.
                await _note(session, page, StoreHold.ASKED)
        found = await _ask(store, page, is_held=is_held)
        async with sessions.begin() as session:
            await _note(session, found, StoreHold.HELD if is_held else None)
        if missing := len(page) - len(found):
            log.warning("held_objects_missing", recording_id=str(recording_id), objects=missing)
        asked += len(page)
        if len(page) < PAGE:
            break
        after = (page[-1].started_at, page[-1].id)
    async with sessions.begin() as session:
        quiet = Recording.holds_unsettled_at < func.now() - _QUIET
        settled = update(Recording).where(Recording.id == recording_id, quiet)
        await session.execute(settled.values(holds_unsettled_at=None, updated_at=Recording.updated_at))
    return asked


async def _differing(
    session: AsyncSession,
    store_url: str,
    recording_id: uuid.UUID,
    after: tuple[datetime, uuid.UUID],
    *,
    is_held: bool,
) -> Sequence[_Object]:
    differs = Segment.store_hold.is_distinct_from(StoreHold.HELD) if is_held else Segment.store_hold.is_not(None)
    query = (
        select(Segment.camera_id, Segment.started_at, Segment.id, Segment.object_name)
        .where(
            Segment.recording_id == recording_id,
            Segment.state == SegmentState.STORED,
            Segment.store_url.in_(("", store_url)),
            differs,
            tuple_(Segment.started_at, Segment.id) > after,
        )
        .order_by(Segment.started_at, Segment.id)
        .limit(PAGE)
    )
    return (await session.execute(query)).all()


async def _ask(store: Store, page: Sequence[_Object], *, is_held: bool) -> Sequence[_Object]:
    """Those that the store has, and holds or releases now. Raises StoreUnavailableError."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def ask(object_name: str) -> bool:
        async with turns:
            return await store.set_hold(object_name, is_held=is_held)

    try:
        async with asyncio.TaskGroup() as tasks:
            asking = [tasks.create_task(ask(segment.object_name)) for segment in page]
    except ExceptionGroup as failures:
        if away := failures.subgroup(StoreUnavailableError):
            raise away.exceptions[0] from None  # away for one is away for all, or it does not let us
        raise
    return [segment for segment, task in zip(page, asking, strict=True) if task.result()]


async def _note(session: AsyncSession, page: Sequence[_Object], hold: StoreHold | None) -> None:
    if not page:
        return
    noted = update(Segment).where(
        Segment.camera_id == page[0].camera_id,
        Segment.started_at.between(page[0].started_at, page[-1].started_at),
        Segment.id.in_([segment.id for segment in page]),
    )
    await session.execute(noted.values(store_hold=hold))
