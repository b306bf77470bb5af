"""How fast each camera's footage comes in."""

from collections import deque
from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from recorder.clock import Clock

EVERY_SECONDS = 600.0
LONGEST = timedelta(days=1)


class Inflow:
    """Samples of what was ever sealed: over a whole day the nights of schedules count as they are."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._samples: deque[tuple[float, Mapping[UUID, int]]] = deque()
        self._newest: tuple[float, Mapping[UUID, int]] | None = None

    def sample(self, sealed_bytes: Mapping[UUID, int]) -> None:
        """What was sealed of each camera until now."""
        now = self._clock.monotonic()
        self._newest = (now, sealed_bytes)
        if not self._samples or now - self._samples[-1][0] >= EVERY_SECONDS:
            self._samples.append(self._newest)
        while len(self._samples) > 1 and self._samples[1][0] <= now - LONGEST.total_seconds():
            self._samples.popleft()

    def per_second(self, span: timedelta) -> Mapping[UUID, float] | None:
        """Bytes of each camera over the last `span`, or since the start; None in the first ten minutes."""
        if self._newest is None:
            return None
        now, newest = self._newest
        wanted = now - span.total_seconds()
        begin = [sample for sample in self._samples if sample[0] <= wanted] or [self._samples[0]]
        since, before = begin[-1]
        if now - since < EVERY_SECONDS:
            return None
        return {camera_id: (count - before.get(camera_id, 0)) / (now - since) for camera_id, count in newest.items()}
