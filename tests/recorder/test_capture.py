"""One camera's thread: what must not end it, and what it must not begin any more."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from uuid_utils.compat import uuid7

from camfleet_contract.heartbeats import CameraCondition
from camfleet_contract.recordings import RecordingStatus
from recorder.capture import Capture
from recorder.capturing import Capturing
from recorder.clock import SystemClock
from recorder.clock_error import ClockError
from recorder.journal import Journal
from recorder.spool import Spool
from recorder.take import Plan
from recorder.wanted import Run
from recorder.workers import Workers
from tests.recorder.waiting import until

NOBODY = "rtsp://127.0.0.1:1/yard"


class FailingClock(SystemClock):
    """Fails once on a camera's thread."""

    def __init__(self) -> None:
        self.has_failed = False

    def now(self) -> datetime:
        if threading.current_thread().name.startswith("camera-") and not self.has_failed:
            self.has_failed = True
            raise RuntimeError("nobody expected this")
        return super().now()


def journal(workers: Workers) -> Journal:
    return workers.journal(uuid7())


@pytest.fixture
def clock() -> FailingClock:
    return FailingClock()


@pytest.fixture
def workers(spool: Spool, clock: FailingClock) -> Iterator[Workers]:
    workers = Workers(spool, clock, ClockError(clock), None, Capturing(scene_rules=None), lambda: None)
    yield workers
    assert workers.close(10)


async def test_a_camera_is_tried_again_even_if_telling_of_its_failure_failed(
    workers: Workers, clock: FailingClock
) -> None:
    capture = Capture(NOBODY, journal(workers), Plan((), lambda run: run.start))
    await until(lambda: clock.has_failed)
    capture.redirect(NOBODY)  # at once, not after the longest wait
    await until(lambda: capture.state()[0] is CameraCondition.UNREACHABLE)
    capture.stop()
    await until(capture.gone.is_set)


async def test_a_camera_that_is_let_go_while_it_fails_leaves_no_recording_on(
    spool: Spool, workers: Workers, clock: FailingClock
) -> None:
    clock.has_failed = True
    is_there, let_go = threading.Event(), threading.Event()
    noted = journal(workers)
    now = datetime.now(UTC)
    run = Run(noted.camera_id, None, now, "Yard", now, now + timedelta(hours=1), 60)

    def let_it_go() -> None:
        capture.stop()
        noted.finish(RecordingStatus.STOPPED)
        let_go.set()

    def known_since(run: Run) -> datetime:
        # Its thread is about to begin the recording that is due. Whoever lets go now must come before or after.
        is_there.wait()
        if not let_go.is_set():
            threading.Thread(target=let_it_go).start()
            let_go.wait(1)
        return run.start

    capture = Capture(NOBODY, noted, Plan((run,), known_since))
    is_there.set()
    await until(capture.gone.is_set)
    await until(let_go.is_set)
    assert noted.run is None
    await until(lambda: spool.recordings.open() == [])
