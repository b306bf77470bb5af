"""The time, as the loops of the recorder are handed it."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Wall-clock time for people, monotonic time for waiting."""

    def now(self) -> datetime:
        """The wall clock, aware, in UTC. It may step."""
        ...

    def monotonic(self) -> float:
        """Seconds that never step."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass(frozen=True, slots=True)
class Anchor:
    """Wall clock minus monotonic, taken once: stamps made from it stay in order when the wall clock steps."""

    wall: datetime
    monotonic: float

    @classmethod
    def take(cls, clock: Clock) -> "Anchor":
        return cls(clock.now(), clock.monotonic())

    def wall_at(self, monotonic: float) -> datetime:
        """The wall-clock time of a monotonic moment, as the clock stood when the anchor was taken."""
        return self.wall + timedelta(seconds=monotonic - self.monotonic)
