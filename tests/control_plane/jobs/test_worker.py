"""Workers: what they do by themselves, what they take over from one that died, and what a lost database costs."""

from collections.abc import AsyncIterator

import asyncpg
import pytest_asyncio

from control_plane.jobs.queue import create_queue
from control_plane.jobs.rescue import give_back
from control_plane.services import Services
from tests.control_plane.jobs.working import looking, until, working

DONE = "SELECT id FROM procrastinate_jobs WHERE task_name = $1 AND status = 'succeeded'"
GONE = (
    "SELECT count(*) = 0 FROM pg_stat_activity"
    " WHERE application_name = 'camfleet-jobs' AND datname = current_database()"
)
# A worker that was killed long ago, in the middle of a job.
DEAD = """
    WITH worker AS (
        INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 hour') RETURNING id
    ) INSERT INTO procrastinate_jobs (queue_name, task_name, lock, args, status, worker_id, queueing_lock, attempts)
    SELECT 'default', 'upkeep', 'upkeep', '{"timestamp": 0}', 'doing', id, $1, 1 FROM worker RETURNING id
"""


@pytest_asyncio.fixture
async def queue(database: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    async with looking(database) as connection:
        yield connection


async def test_a_worker_keeps_the_database_up_from_its_start(
    services: Services, queue: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await queue.execute("DROP TABLE events_default; DROP TABLE segments_default")
    names = (
        "SELECT array_agg(inhrelid::regclass::text ORDER BY 1) FROM pg_inherits WHERE inhparent = 'events'::regclass"
    )
    *_, newest = await queue.fetchval(names)
    await queue.execute(f"DROP TABLE {newest}; CREATE TABLE events_default PARTITION OF events DEFAULT")
    await queue.execute("CREATE TABLE segments_default PARTITION OF segments DEFAULT")
    async with working(services):
        await until(queue, DONE, "upkeep")
    assert newest in await queue.fetchval(names)


async def test_what_a_dead_worker_left_is_taken_over(
    services: Services, queue: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    left = await queue.fetchval(DEAD, None)
    async with working(services):
        await until(queue, "SELECT 1 FROM procrastinate_jobs WHERE id = $1 AND status = 'succeeded'", left)
    events = await queue.fetch("SELECT type FROM procrastinate_events WHERE job_id = $1 ORDER BY id", left)
    assert [event["type"] for event in events][-3:] == ["deferred_for_retry", "started", "succeeded"]


async def test_what_a_dead_worker_left_takes_the_place_of_what_waits_for_the_same(
    services: Services, queue: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    left = await queue.fetchval(DEAD, "one at a time")
    waiting = await queue.fetchval(
        "INSERT INTO procrastinate_jobs (queue_name, task_name, lock, queueing_lock, args)"
        " VALUES ('default', 'upkeep', 'upkeep', 'one at a time', '{\"timestamp\": 0}') RETURNING id"
    )
    async with working(services):
        await until(queue, "SELECT 1 FROM procrastinate_jobs WHERE id = $1 AND status = 'succeeded'", left)
    assert await queue.fetchval("SELECT count(*) FROM procrastinate_jobs WHERE id = $1", waiting) == 0


async def test_what_another_has_taken_over_meanwhile_is_left_to_it(
    services: Services, queue: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    job = await queue.fetchval(DEAD, None)
    begun = "SELECT status, attempts FROM procrastinate_jobs WHERE id = $1"
    app = create_queue(services.engine.url)
    async with app.open_async():
        await give_back(app, job, 0)
        assert tuple((await queue.fetch(begun, job))[0]) == ("doing", 1), "its second attempt is under way"
        await give_back(app, job, 1)
        assert tuple((await queue.fetch(begun, job))[0]) == ("todo", 2)


async def test_a_worker_survives_the_loss_of_its_connections(
    services: Services, queue: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async with working(services) as worker:
        first = await until(queue, DONE, "upkeep")
        await queue.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        later = await queue.fetchval(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, lock, args)"
            " VALUES ('default', 'upkeep', 'upkeep', '{\"timestamp\": 0}') RETURNING id"
        )
        await until(queue, "SELECT 1 FROM procrastinate_jobs WHERE id = $1 AND status = 'succeeded'", later)
        assert first != later
        assert not worker.done()


async def test_workers_that_stop_leave_nothing_half_done(
    services: Services, queue: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async with working(services):
        await until(queue, DONE, "upkeep")
    assert await queue.fetchval("SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing'") == 0
    assert await queue.fetchval("SELECT count(*) FROM procrastinate_workers") == 0
    await until(queue, GONE)
