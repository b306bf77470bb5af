"""How much the uplink carries while there is something to send."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from recorder.clock import Clock

SPAN_SECONDS = 60.0
SPANS = 15
ENOUGH_SECONDS = 20.0


@dataclass(slots=True)
class _Span:
    seconds: float = 0.0
    count: int = 0


class Throughput:
    """Counts bytes against the time in which they were wanted: an idle hour, or a night of closed hours, is no part.

    May be used from any thread.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._spans = deque([_Span()], maxlen=SPANS)
        self._wanting = 0
        self._since = 0.0

    @contextmanager
    def wanted(self) -> Iterator[None]:
        """For as long as something is to be sent, be it with success or not; any number at a time."""
        self._want(1)
        try:
            yield
        finally:
            self._want(-1)

    def add(self, count: int) -> None:
        """So many bytes went; a negative number takes back what arrived nowhere."""
        with self._lock:
            self._account()
            self._spans[-1].count += count

    def per_second(self) -> float | None:
        """The average of the last quarter of an hour in which bytes were wanted; None while that is hardly known."""
        with self._lock:
            self._account()
            seconds = sum(span.seconds for span in self._spans)
            count = sum(span.count for span in self._spans)
        return max(0, count) / seconds if seconds >= ENOUGH_SECONDS else None

    def _want(self, change: int) -> None:
        with self._lock:
            self._account()
            self._wanting += change

    def _account(self) -> None:
        now = self._clock.monotonic()
        if self._wanting:
            self._spans[-1].seconds += now - self._since
            if self._spans[-1].seconds >= SPAN_SECONDS:
                self._spans.append(_Span())
        self._since = now
