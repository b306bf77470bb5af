"""The worker of one process: it takes jobs from the queue for as long as the process runs."""

import asyncio
import contextlib
import time
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import structlog
from procrastinate import App
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException

from control_plane.database import create_engine, create_sessions
from control_plane.jobs.periodic import UPKEEP, create_jobs
from control_plane.jobs.rescue import GONE_AFTER_SECONDS, HEARTBEAT_SECONDS
from control_plane.services import Services

log = structlog.get_logger()

_AT_ONCE = 4
# Jobs that a stopping process can't end by then are broken off, and done by the next tick.
_GRACE_SECONDS = 5.0
_RETRY_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0)
# Whoever worked that long is not failing at once.
_STEADY_SECONDS = 60.0


async def work(services: Services) -> None:
    """Take jobs until cancelled. While the database is away, try again, with growing pauses."""
    engine = create_engine(
        services.engine.url.render_as_string(hide_password=False),
        pool_size=_AT_ONCE,
        statement_timeout_seconds=services.settings.statement_timeout_seconds,
    )
    try:
        # A job may keep its connection for as long as a store takes: none of those that answer requests.
        await _work(replace(services, engine=engine, sessions=create_sessions(engine)))
    finally:
        await engine.dispose()


async def _work(services: Services) -> None:
    failures = 0
    while True:
        began = time.monotonic()
        try:
            await _work_until_interrupted(services)
            problem = "the worker stopped"
        except (ConnectorException, psycopg.Error, OSError) as error:
            problem = type(error).__name__
        if (this := asyncio.current_task()) is not None and this.cancelling():
            # Without its database the worker's own end fails, and that error took the place of the cancellation.
            raise asyncio.CancelledError
        failures = 0 if time.monotonic() - began > _STEADY_SECONDS else failures + 1
        pause = _RETRY_SECONDS[min(failures, len(_RETRY_SECONDS) - 1)]
        log.warning("jobs_interrupted", problem=problem, next_try_seconds=pause)
        await asyncio.sleep(pause)


async def _work_until_interrupted(services: Services) -> None:
    queue = create_jobs(services)
    try:
        await queue.open_async()
        await _defer_upkeep(queue)
        log.info("jobs_begun")
        await queue.run_worker_async(
            concurrency=_AT_ONCE,
            install_signal_handlers=False,
            update_heartbeat_interval=HEARTBEAT_SECONDS,
            stalled_worker_timeout=GONE_AFTER_SECONDS,
            shutdown_graceful_timeout=_GRACE_SECONDS,
        )
    finally:
        await queue.close_async()


async def _defer_upkeep(queue: App) -> None:
    """At once, not at the next tick: after a long stop this month's partitions may be missing."""
    with contextlib.suppress(AlreadyEnqueued):
        await queue.configure_task(UPKEEP, queueing_lock=f"{UPKEEP} at the start").defer_async(
            timestamp=int(datetime.now(UTC).timestamp())
        )
