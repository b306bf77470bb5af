"""Workers look after the fleet: two of them, one event."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest_asyncio

from control_plane.liveness.watch import ADVISORY_LOCK
from control_plane.models import Listener
from control_plane.services import Services
from tests.control_plane.jobs.working import looking, until, working
from tests.control_plane.liveness.yard import HOUR, make_yard

LOOK = (
    "INSERT INTO procrastinate_jobs (queue_name, task_name, lock, args)"
    " VALUES ('default', 'liveness', $1, '{\"timestamp\": 0}') RETURNING id"
)
DONE = "SELECT 1 FROM procrastinate_jobs WHERE id = $1 AND status = 'succeeded'"


@pytest_asyncio.fixture
async def queue(database: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    async with looking(database) as connection:
        yield connection


async def test_two_workers_tell_of_a_silent_recorder_once(
    services: Services, queue: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    now = datetime.now(UTC)
    yard = await make_yard(services)
    await yard.calls(now - HOUR)
    await yard.change(Listener, seen_at=now + timedelta(days=1))
    async with working(services), working(services):
        # With locks of their own, so that both workers look at once.
        for job in [await queue.fetchval(LOOK, lock) for lock in ("one", "other", "third")]:
            await until(queue, DONE, job)
        # Whoever finds that another looks leaves it to that one.
        await until(queue, "SELECT 1 FROM events WHERE kind = 'client.offline'")
        (begun,) = await yard.events()
        assert (begun.occurred_at, begun.ended_at) == (now - HOUR, None)
        # Back for a while, as its trouble says: the calm needn't be waited for. Nobody looks meanwhile.
        await queue.execute("SELECT pg_advisory_lock($1)", ADVISORY_LOCK)
        await yard.calls(datetime.now(UTC) + HOUR)
        back = now - timedelta(minutes=10)
        await queue.execute("UPDATE troubles SET clear_since = $1", back)
        await queue.execute("SELECT pg_advisory_unlock($1)", ADVISORY_LOCK)
        for job in [await queue.fetchval(LOOK, lock) for lock in ("one", "other", "third")]:
            await until(queue, DONE, job)
        await until(queue, "SELECT 1 FROM events WHERE kind = 'client.offline' AND ended_at IS NOT NULL")
    (event,) = await yard.events()
    assert (event.id, event.ended_at) == (begun.id, back)
