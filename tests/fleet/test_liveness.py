"""A camera that is gone, seen by both services: one event, whoever is restarted meanwhile."""

from collections.abc import Awaitable, Callable
from functools import partial

import asyncpg
import pytest

from camera_simulator.cameras import Camera
from control_plane.liveness.watch import ADVISORY_LOCK
from tests.control_plane.jobs.working import looking
from tests.fleet.conftest import Fleet
from tests.fleet.processes import until

# One at a time waits.
LOOK = (
    "INSERT INTO procrastinate_jobs (queue_name, task_name, queueing_lock, args)"
    " VALUES ('default', 'liveness', 'asked by the test', '{\"timestamp\": 0}') ON CONFLICT DO NOTHING"
)
EVENTS = "SELECT id, kind, ended_at FROM events WHERE is_lasting"


async def looked(queue: "asyncpg.Connection[asyncpg.Record]", question: str) -> bool:
    """Whether it is so, and a look at the fleet, which need not wait for the next quarter of a minute."""
    await queue.execute(LOOK)
    return bool(await queue.fetchval(question))


async def between_looks(queue: "asyncpg.Connection[asyncpg.Record]", change: str) -> None:
    """Let time pass for a trouble, while nobody looks."""
    await queue.execute("SELECT pg_advisory_lock($1)", ADVISORY_LOCK)
    await queue.execute(change)
    await queue.execute("SELECT pg_advisory_unlock($1)", ADVISORY_LOCK)


@pytest.mark.timeout(400)
async def test_a_camera_that_is_gone_is_one_event_through_restarts_of_both_sides(fleet: Fleet) -> None:
    simulated: Camera = fleet.simulator.camera("yard")
    await fleet.recorder.start()
    await fleet.record(segment_seconds=4)
    await until("a recording camera", fleet.recording_since)
    async with looking(fleet.database) as queue:
        is_so: Callable[[str], Callable[[], Awaitable[bool]]] = lambda question: partial(looked, queue, question)  # noqa: E731 - a shorthand
        # It isn't new any more, and each time that would have to be waited for has passed.
        await queue.execute("UPDATE cameras SET created_at = created_at - interval '1 hour', updated_at = created_at")
        simulated.silence()
        await until("a look that sees it", is_so("SELECT 1 FROM troubles WHERE kind = 'camera.down'"))
        passed = "UPDATE troubles SET began_at = began_at - interval '1 minute' WHERE event_id IS NULL"
        await between_looks(queue, f"{passed} AND kind = 'camera.down'")
        await until("the event", is_so("SELECT 1 FROM events WHERE kind = 'camera.down'"))

        await fleet.control_plane.kill()
        await fleet.recorder.kill()
        await fleet.control_plane.start()
        await fleet.recorder.start()
        since = await queue.fetchval("SELECT now()")
        heard = "SELECT 1 FROM client_contacts WHERE last_heartbeat_at > $1 AND heartbeat #>> '{cameras,0,condition}' "
        await until(
            "a restarted recorder that misses its camera",
            lambda: queue.fetchval(heard + "IN ('unreachable', 'stalled')", since),
        )
        simulated.resume()
        await until(
            "a camera that is back",
            is_so("SELECT 1 FROM troubles WHERE kind = 'camera.down' AND clear_since IS NOT NULL"),
        )
        assert len(await queue.fetch(EVENTS)) == 1, "neither restart began or ended anything"

        async def is_over() -> bool:
            # Each time anew: a camera that stalls once more begins its calm anew.
            await between_looks(queue, "UPDATE troubles SET clear_since = clear_since - interval '10 minutes'")
            return await looked(queue, f"SELECT 1 FROM ({EVENTS}) AS told WHERE ended_at IS NOT NULL")  # noqa: S608 - from above

        await until("its end", is_over)
        (event,) = await queue.fetch(EVENTS)
        assert event["kind"] == "camera.down"
