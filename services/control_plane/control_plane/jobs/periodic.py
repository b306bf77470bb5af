"""What is done in the background, and when: the table of all periodic jobs."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog
from procrastinate import App

from control_plane.jobs.commands import settle_commands
from control_plane.jobs.coverage import keep_coverage
from control_plane.jobs.drills import drill_daily
from control_plane.jobs.liveness import look_after_fleet
from control_plane.jobs.queue import create_queue
from control_plane.jobs.rescue import rescue
from control_plane.jobs.retention import RETENTION_OF_CAMERA, keep_to_retention, plan_retention, settle_object_holds
from control_plane.jobs.upkeep import keep_up
from control_plane.services import Services

log = structlog.get_logger()

UPKEEP = "upkeep"
# The sixth field is the seconds.
_RESCUE_CRON = "* * * * * */10"
_LIVENESS_CRON = "* * * * * */15"
_FORGET_CRON = "23 * * * *"
_KEPT_HOURS = 24


@dataclass(frozen=True, slots=True)
class PeriodicJob:
    """Something that is done again and again. Safe to repeat, and to break off at any moment."""

    name: str
    """Of which one at most waits: what can't keep up with its ticks does not pile them up."""
    cron: str
    """UTC. Whichever replica comes first writes the tick down; PostgreSQL refuses it to the others."""
    limit: timedelta
    """Broken off after that long; the next tick goes on."""
    run: Callable[[App, Services], Awaitable[None]]


PERIODIC = (
    PeriodicJob(UPKEEP, "7 * * * *", timedelta(minutes=5), keep_up),
    PeriodicJob("retention", "* * * * *", timedelta(minutes=5), plan_retention),
    PeriodicJob("liveness", _LIVENESS_CRON, timedelta(minutes=1), look_after_fleet),
    PeriodicJob("commands", "* * * * *", timedelta(minutes=1), settle_commands),
    PeriodicJob("object_holds", "* * * * *", timedelta(minutes=10), settle_object_holds),
    # Each hour it is asked whether the day's is due: so what could not be done at night is done as soon as it can.
    PeriodicJob("coverage", "* * * * *", timedelta(minutes=10), keep_coverage),
    PeriodicJob("drill", "41 * * * *", timedelta(minutes=30), drill_daily),
)
_CAMERA_LIMIT = timedelta(minutes=30)

LONGEST = max(_CAMERA_LIMIT, *(job.limit for job in PERIODIC))


def create_jobs(services: Services) -> App:
    """The queue with all that this process can do for it; not yet opened."""
    queue = create_queue(services.engine.url)
    for job in PERIODIC:
        _add(queue, services, job)
    _add_retention(queue, services)
    _add_housekeeping(queue, services)
    return queue


def _add(queue: App, services: Services, job: PeriodicJob) -> None:
    # The lock: where one tick takes longer than to the next, they follow each other and never run beside each other.
    # One that fails is not tried again: what it left is done by the next, which may wait already.
    @queue.periodic(cron=job.cron)
    @queue.task(name=job.name, lock=job.name, queueing_lock=job.name)
    async def run(timestamp: int) -> None:
        log.debug("job_begun", job=job.name, tick=timestamp)
        async with asyncio.timeout(job.limit.total_seconds()):
            await job.run(queue, services)


def _add_retention(queue: App, services: Services) -> None:
    @queue.task(name=RETENTION_OF_CAMERA)
    async def _run(camera_id: str) -> None:
        async with asyncio.timeout(_CAMERA_LIMIT.total_seconds()):
            await keep_to_retention(queue, services, uuid.UUID(camera_id))


def _add_housekeeping(queue: App, services: Services) -> None:
    # Without a lock: a rescue that died with its worker must not keep the next one from beginning.
    @queue.periodic(cron=_RESCUE_CRON)
    @queue.task(name="rescue")
    async def _rescue(timestamp: int) -> None:
        del timestamp
        async with asyncio.timeout(60):
            await rescue(queue, services, LONGEST)

    @queue.periodic(cron=_FORGET_CRON)
    @queue.task(name="forget")
    async def _forget(timestamp: int) -> None:
        del timestamp
        await queue.job_manager.delete_old_jobs(
            _KEPT_HOURS, include_failed=True, include_aborted=True, include_cancelled=True
        )
