"""How much passes in a second, averaged over the last minute."""

import threading
from collections import deque

from recorder.clock import Clock

WINDOW_SECONDS = 60.0
GRAIN_SECONDS = 0.25


class Rate:
    """Counts with their moments, as far back as the window. May be used from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: deque[tuple[float, int]] = deque()

    def add(self, count: int) -> None:
        """So much just passed."""
        with self._lock:
            now = self._clock.monotonic()
            if self._counts and now - self._counts[-1][0] < GRAIN_SECONDS:
                # It keeps the moment at which it began: else a steady stream would be one that never ends.
                began, so_far = self._counts.pop()
                self._counts.append((began, so_far + count))
            else:
                self._counts.append((now, count))
            self._forget(now)

    def per_second(self) -> float:
        """The average of the window."""
        with self._lock:
            self._forget(self._clock.monotonic())
            return sum(count for _, count in self._counts) / WINDOW_SECONDS

    def _forget(self, now: float) -> None:
        while self._counts and self._counts[0][0] < now - WINDOW_SECONDS:
            self._counts.popleft()
