"""One batch of stored segments that is deleted: written down as begun, then its objects, then its rows.

Whatever ends the process in between, the row that says what was begun is still there, and `finish_begun` finds out what
became of it: also where the footage has been held since, or is to be kept for longer now.
"""

import asyncio
import uuid
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import structlog
from sqlalchemy import Row, select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from control_plane.events import BACKGROUND, record_event
from control_plane.models import BegunDeletion
from control_plane.stores import NoSuchObjectError, Removal, Store, StoreUnavailableError

log = structlog.get_logger()

STORE_SECONDS = 10.0
"""What is not deleted by then is the next batch's. Whoever holds one of the recordings waits for so long."""
_AT_ONCE = 16

_COLUMNS = """segment.started_at, segment.ended_at, segment.id, segment.object_name, segment.generation,
    segment.size_bytes"""

# A held recording is left out of it, and none can be held while its segments are being deleted: whoever tries waits for
# the end of the batch. What another transaction has in hand is left to the next tick.
_TAKE = text(f"""
    SELECT {_COLUMNS}
    FROM segments AS segment
    JOIN recordings AS recording ON recording.client_id = segment.client_id AND recording.id = segment.recording_id
    WHERE segment.camera_id = :camera_id AND segment.started_at BETWEEN :earliest AND :latest
      AND segment.id = ANY(:ids) AND segment.state = 'stored' AND recording.held_at IS NULL
    ORDER BY segment.started_at, segment.id
    FOR UPDATE OF segment SKIP LOCKED FOR SHARE OF recording SKIP LOCKED
""")  # noqa: S608 - our own columns

_TAKE_LEFT = text(f"""
    SELECT {_COLUMNS}
    FROM segments AS segment
    WHERE segment.camera_id = :camera_id AND segment.started_at BETWEEN :earliest AND :latest
      AND segment.id = ANY(:ids) AND segment.state = 'stored'
    ORDER BY segment.started_at, segment.id
    FOR UPDATE OF segment
""")  # noqa: S608 - our own columns

_MARK = text("""
    UPDATE segments SET state = 'deleted', deleted_at = :now, deletion_reason = :reason
    WHERE camera_id = :camera_id AND started_at BETWEEN :earliest AND :latest AND id = ANY(:ids)
""")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Deleted:
    """What was deleted of one camera."""

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


@dataclass(frozen=True, slots=True)
class BatchEnd:
    """How a batch went."""

    deleted: Deleted = Deleted()
    is_all_too_young: bool = False
    """A policy of the bucket keeps all of it."""
    problem: StoreUnavailableError | None = None
    """Why some of it was not done."""


async def begin_deletion(
    sessions: async_sessionmaker[AsyncSession], camera_id: uuid.UUID, due: Sequence[Row[Any]], reason: str
) -> uuid.UUID:
    """Write down what is to be deleted; its id. `due` is in order of time, and not empty."""
    async with sessions.begin() as session:
        begun = BegunDeletion(
            camera_id=camera_id,
            reason=reason,
            earliest=due[0].started_at,
            latest=due[-1].started_at,
            segment_ids=[segment.id for segment in due],
        )
        session.add(begun)
        await session.flush()
        return begun.id


async def delete_begun(
    sessions: async_sessionmaker[AsyncSession], store: Store, begun_id: uuid.UUID, now: datetime
) -> BatchEnd:
    """Delete the objects of what is neither held nor in another's hand by now; then mark the rows."""
    async with sessions.begin() as session:
        begun = await session.get(BegunDeletion, begun_id, with_for_update=True)
        if begun is None:
            return BatchEnd()  # another found it lying there, and has looked after it
        segments = (await session.execute(_TAKE, _keys(begun))).all()
        removals, problem = await _removed(store, segments)
        deleted = await _mark(session, begun, segments, removals, now)
        if problem is None:
            await session.delete(begun)
        found = [removals.get(segment.id) for segment in segments]
        return BatchEnd(deleted, bool(found) and set(found) == {Removal.TOO_YOUNG}, problem)


async def finish_begun(
    sessions: async_sessionmaker[AsyncSession], store: Store, camera_id: uuid.UUID, now: datetime
) -> Deleted:
    """Find out what became of the camera's batches that were broken off: whose object is gone, that row says so.

    What is still there stays. Raises StoreUnavailableError.
    """
    async with sessions() as session:
        query = select(BegunDeletion.id).where(BegunDeletion.camera_id == camera_id)
        left = (await session.scalars(query.order_by(BegunDeletion.id))).all()
    deleted = Deleted()
    for begun_id in left:
        async with sessions.begin() as session:
            begun = await session.get(BegunDeletion, begun_id, with_for_update={"skip_locked": True})
            if begun is None:
                continue  # still under way
            segments = (await session.execute(_TAKE_LEFT, _keys(begun))).all()
            removals = await _gone(store, segments)
            deleted += await _mark(session, begun, segments, removals, now)
            await session.delete(begun)
    return deleted


def _keys(begun: BegunDeletion) -> dict[str, object]:
    return {
        "camera_id": begun.camera_id,
        "earliest": begun.earliest,
        "latest": begun.latest,
        "ids": begun.segment_ids,
    }


async def _removed(
    store: Store, segments: Sequence[Row[Any]]
) -> tuple[Mapping[uuid.UUID, Removal], StoreUnavailableError | None]:
    """What became of each; what is missing in it was not tried, or not answered, for the reason that comes with it."""

    async def remove(segment: Row[Any]) -> Removal:
        return await store.delete(segment.object_name, segment.generation or 0)

    return await _of_each(store, segments, remove)


async def _gone(store: Store, segments: Sequence[Row[Any]]) -> Mapping[uuid.UUID, Removal]:
    """Those that the store does not have. Raises StoreUnavailableError."""

    async def is_gone(segment: Row[Any]) -> bool:
        async with aclosing(store.read(segment.object_name)) as pieces:
            try:
                await anext(pieces, b"")
            except NoSuchObjectError:
                return True
        return False

    found, problem = await _of_each(store, segments, is_gone)
    if problem is not None:
        raise problem
    return {id_: Removal.GONE for id_, gone in found.items() if gone}


async def _of_each(
    store: Store, segments: Sequence[Row[Any]], ask: Callable[[Row[Any]], Coroutine[Any, Any, T]]
) -> tuple[dict[uuid.UUID, T], StoreUnavailableError | None]:
    answers: dict[uuid.UUID, T] = {}
    problems: list[StoreUnavailableError] = []
    turns = asyncio.Semaphore(_AT_ONCE)

    async def ask_of(segment: Row[Any]) -> None:
        async with turns:
            if problems:
                return  # away for one is away for all
            try:
                answers[segment.id] = await ask(segment)
            except StoreUnavailableError as error:
                problems.append(error)

    try:
        async with asyncio.timeout(STORE_SECONDS), asyncio.TaskGroup() as tasks:
            for segment in segments:
                tasks.create_task(ask_of(segment))
    except TimeoutError:
        problems.append(StoreUnavailableError(f"{store.url} is slow: {len(answers)} of {len(segments)} objects done"))
    return answers, problems[0] if problems else None


async def _mark(
    session: AsyncSession,
    begun: BegunDeletion,
    segments: Sequence[Row[Any]],
    removals: Mapping[uuid.UUID, Removal],
    now: datetime,
) -> Deleted:
    gone = [segment for segment in segments if removals.get(segment.id) is Removal.GONE]
    kept = Counter(str(removal) for removal in removals.values() if removal is not Removal.GONE)
    if kept:
        log.warning("store_keeps_objects", camera_id=str(begun.camera_id), **kept)
    if not gone:
        return Deleted(kept_by_the_store=kept.total())
    size = sum(segment.size_bytes for segment in gone)
    marked = _keys(begun) | {"ids": [segment.id for segment in gone], "now": now, "reason": begun.reason}
    await session.execute(_MARK, marked)
    detail = {
        "reason": begun.reason,
        "segments": len(gone),
        "bytes": size,
        "from": gone[0].started_at,
        "to": max(segment.ended_at for segment in gone),
    }
    record_event(session, "camera", begun.camera_id, "camera.footage_deleted", BACKGROUND, detail)
    return Deleted(len(gone), size, kept.total())
