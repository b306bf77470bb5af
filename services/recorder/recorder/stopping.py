"""How all recording ends within ten seconds, whatever the disk does meanwhile."""

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import datetime

import structlog

from camfleet_contract.recordings import RecordingStatus
from recorder.coverage import SILENT
from recorder.disk_failures import DISK_ERRORS, disk_failure
from recorder.last_run import LastRun
from recorder.supervised import SupervisedCamera
from recorder.workers import Workers

_LAST_ROUND_SECONDS = 0.3
_STOP_SECONDS = 2.0
_SEAL_SECONDS = 6.0

log = structlog.get_logger(__name__)


def stop(
    cameras: Collection[SupervisedCamera], workers: Workers, last_run: LastRun, wall_clock: Callable[[], datetime]
) -> None:
    """Seal everything that is open, and account for it."""
    now = wall_clock()
    if workers.reader is not None:
        workers.reader.read_out(_LAST_ROUND_SECONDS)
    captures = [camera.capture for camera in cameras if camera.capture is not None]
    if captures:
        # In parallel: one that waits for its disk must not use up the time of the others.
        pool = ThreadPoolExecutor(len(captures), "stopping")
        wait([pool.submit(capture.stop) for capture in captures], timeout=_STOP_SECONDS)
        pool.shutdown(wait=False)
    with _leaving_it_to_the_next_start():
        for camera in cameras:
            camera.journal.coverage.unread(now)
            camera.journal.finish(
                RecordingStatus.STOPPED,
                "recorder_stopped",
                "The recorder was stopped in the middle of the recording.",
            )
            camera.journal.coverage.over(now)
    is_sealed = workers.close(_SEAL_SECONDS)
    with _leaving_it_to_the_next_start():
        # A moment earlier, so that the outage which begins now does so at each camera's last picture.
        last_run.mark_alive(now - SILENT)
        if is_sealed:
            last_run.mark_ended()
    log.info("cameras_stopped", sealed=is_sealed)


@contextmanager
def _leaving_it_to_the_next_start() -> Iterator[None]:
    """What can't be written now isn't accounted for either, so that the next start finds it."""
    try:
        yield
    except DISK_ERRORS as error:
        log.warning("stopping_not_written", reason=str(disk_failure(error)))
