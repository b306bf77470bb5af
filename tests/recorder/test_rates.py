"""Rates are written by the event loop and read by the threads that put heartbeats and /status together."""

import sys
import threading
from collections.abc import Iterator

import pytest

from recorder.clock import SystemClock
from recorder.rate import WINDOW_SECONDS, Rate
from recorder.throughput import Throughput
from tests.recorder.spooled import NOON, SetClock

TIMES = 20_000


@pytest.fixture(autouse=True)
def _hasty_threads() -> Iterator[None]:
    """Threads change places in the middle of everything."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


class RunningClock(SetClock):
    """Each look finds it further on, so that what is counted falls out of the window all the time."""

    def monotonic(self) -> float:
        self.looks = getattr(self, "looks", 0) + 1
        return self.looks * 0.3


def test_a_rate_that_is_written_to_can_be_read() -> None:
    rate = Rate(RunningClock(NOON))
    reading, stop, failures = threading.Event(), threading.Event(), list[BaseException]()

    def read() -> None:
        try:
            while not stop.is_set():
                rate.per_second()
                reading.set()
        except RuntimeError as error:
            failures.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    reading.wait(10)
    for _ in range(TIMES):
        rate.add(1)
    stop.set()
    reader.join()
    assert not failures


def test_what_many_threads_count_is_all_counted() -> None:
    rate, throughput = Rate(SetClock(NOON)), Throughput(SystemClock())

    def count() -> None:
        for _ in range(TIMES):
            rate.add(1)
            throughput.add(1)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rate.per_second() * WINDOW_SECONDS == pytest.approx(4 * TIMES)
    assert sum(span.count for span in throughput._spans) == 4 * TIMES
