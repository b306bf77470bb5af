"""Where segments are finished: off the camera threads, each camera's in order."""

import queue
import threading
import time
from collections.abc import Callable
from uuid import UUID

import structlog

_WORKERS = 4
_QUEUED = 256
"""More than this wait only if the disk has been standing still for minutes; then the cameras wait too."""

log = structlog.get_logger(__name__)

Job = Callable[[], None]


class Sealer:
    """A few threads that sync, checksum and rename. The jobs of one camera run in the order they were given."""

    def __init__(self) -> None:
        self._queues: list[queue.Queue[Job | None]] = [queue.Queue(_QUEUED) for _ in range(_WORKERS)]
        # Daemons: a disk that never answers an fsync must not keep the process from ending.
        self._threads = [
            threading.Thread(target=_work, args=(jobs,), name=f"sealer-{number}", daemon=True)
            for number, jobs in enumerate(self._queues)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, camera_id: UUID, job: Job) -> None:
        """Do the job soon, after all of this camera that were given before."""
        self._queues[hash(camera_id) % _WORKERS].put(job)

    def close(self, seconds: float) -> bool:
        """Finish what is queued; whether that was possible in time."""
        until = time.monotonic() + seconds
        for jobs in self._queues:
            jobs.put(None)
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)


def _work(jobs: queue.Queue[Job | None]) -> None:
    while (job := jobs.get()) is not None:
        try:
            job()
        except Exception:
            # The row stays open and the fragments on disk: recovery finds them. The next segment may do better. What
            # the disk refuses never comes here: `Paperwork` keeps it.
            log.exception("sealing_failed")
