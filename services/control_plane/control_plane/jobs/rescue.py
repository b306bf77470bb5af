"""Jobs whose worker is gone, or has lost them: given back to the queue, so that another worker takes them over."""

from datetime import timedelta

import structlog
from procrastinate import App
from procrastinate.exceptions import UniqueViolation
from procrastinate.jobs import Status
from sqlalchemy import text

from control_plane.jobs.schema import NAME
from control_plane.services import Services

log = structlog.get_logger()

HEARTBEAT_SECONDS = 5.0
GONE_AFTER_SECONDS = 30.0
"""Five heartbeats may be lost, as on a machine that has too much to do. A worker that is slower still would find its
job run by another as well: therefore each job is safe to repeat."""

# A worker that could not write down that a job has ended (the database was away just then) goes on living without it.
_LOST = text(f"""
    SELECT job.id, job.attempts FROM {NAME}.procrastinate_jobs AS job
    JOIN {NAME}.procrastinate_events AS event ON event.job_id = job.id AND event.type = 'started'
    WHERE job.status = 'doing' GROUP BY job.id HAVING max(event.at) < now() - CAST(:limit AS interval)
""")  # noqa: S608 - our own name


async def rescue(queue: App, services: Services, longest: timedelta) -> None:
    """Give back what belongs to workers without a heartbeat, and what runs longer than any job may."""
    stalled = await queue.job_manager.get_stalled_jobs(seconds_since_heartbeat=GONE_AFTER_SECONDS)
    attempts = {job.id: job.attempts for job in stalled if job.id is not None}
    async with services.engine.connect() as connection:
        lost = await connection.execute(_LOST, {"limit": longest + timedelta(minutes=1)})
        attempts |= {job.id: job.attempts for job in lost}
    for job_id in sorted(attempts):
        await give_back(queue, job_id, attempts[job_id])


async def give_back(queue: App, job_id: int, attempts: int) -> None:
    """Let another worker have it, unless one has it already: each taking over is an attempt more."""
    found = list(await queue.job_manager.list_jobs_async(id=job_id, status=Status.DOING.value))
    if not found or found[0].attempts != attempts:
        return  # it has ended meanwhile, or another replica was faster
    job = found[0]
    try:
        await queue.job_manager.retry_job(job)
    except UniqueViolation:
        # Another one with the same purpose waits already, and of those there is to be one.
        for other in await queue.job_manager.list_jobs_async(queueing_lock=job.queueing_lock, status=Status.TODO.value):
            if other.id is not None:
                await queue.job_manager.cancel_job_by_id_async(other.id, delete_job=True)
        await queue.job_manager.retry_job(job)
    log.warning("job_taken_over", job=job.task_name, job_id=job_id, attempts=job.attempts)
