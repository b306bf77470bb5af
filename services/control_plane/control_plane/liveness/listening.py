"""Which replicas answer recorders, and since when: a silence while nobody listened is no recorder's."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import asyncpg
import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from uuid_utils.compat import uuid7

NOTED_EVERY = timedelta(seconds=10)
_HOLE = 3 * NOTED_EVERY
"""That much later than the last note a replica may still be listening: the database may be slow."""
_FORGOTTEN_AFTER = timedelta(days=1)

log = structlog.get_logger()

_NOTE = text("""
    INSERT INTO listeners (id, since, seen_at) VALUES (:id, CAST(:now AS timestamptz), CAST(:now AS timestamptz))
    ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at,
        since = CASE WHEN listeners.seen_at >= CAST(:unbroken_since AS timestamptz)
                     THEN listeners.since ELSE excluded.since END
""")

_FORGET = text("DELETE FROM listeners WHERE seen_at < CAST(:before AS timestamptz)")

_COVERED = text("""
    SELECT coalesce(
        range_agg(tstzrange(since, seen_at + CAST(:hole AS interval)))
            @> tstzrange(CAST(:start AS timestamptz), CAST(:now AS timestamptz)), false)
    FROM listeners
""")


async def listen(sessions: async_sessionmaker[AsyncSession]) -> None:
    """Note for as long as this process answers recorders that it does. While the database is away it can't answer."""
    this = uuid7()
    while True:
        try:
            async with sessions.begin() as session:
                await note_listening(session, this, datetime.now(UTC))
        except (
            SQLAlchemyError,
            asyncpg.PostgresError,
            asyncpg.InterfaceError,
            asyncpg.InternalClientError,
            OSError,
        ) as error:
            log.warning("listening_not_noted", problem=type(error).__name__)
        await asyncio.sleep(NOTED_EVERY.total_seconds())


async def note_listening(session: AsyncSession, replica: uuid.UUID, now: datetime) -> None:
    """Note that a replica answers recorders at `now`."""
    await session.execute(_NOTE, {"id": replica, "now": now, "unbroken_since": now - _HOLE})
    await session.execute(_FORGET, {"before": now - _FORGOTTEN_AFTER})


async def was_listening(session: AsyncSession, start: datetime, now: datetime) -> bool:
    """Whether at every moment from `start` to `now` some replica answered recorders."""
    found = await session.scalar(_COVERED, {"hole": _HOLE, "start": start, "now": now})
    return bool(found)
