"""How far off this machine's clock is, measured by the control plane's."""

from datetime import datetime, timedelta

from recorder.clock import Anchor, Clock

STALE = timedelta(days=1)
"""Quartz drifts a second or more a day: an older comparison says nothing about the clock of today."""


class ClockError:
    """The last comparison. It holds also after the wall clock stepped, since it is tied to the monotonic one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._theirs: Anchor | None = None

    def compare(self, server_time: datetime, sent: float, received: float) -> None:
        """The control plane answered with its time to what was sent and received at these monotonic seconds."""
        # The answer was written about halfway between.
        self._theirs = Anchor(server_time, sent + (received - sent) / 2)

    def now(self) -> timedelta | None:
        """This clock minus the control plane's; None if that isn't known."""
        return self.of(Anchor.take(self._clock))

    def of(self, ours: Anchor) -> timedelta | None:
        """The error of stamps that are made from an anchor; None if that isn't known."""
        theirs, now = self._theirs, self._clock.monotonic()
        if theirs is None or now - theirs.monotonic > STALE.total_seconds():
            return None
        return ours.wall - theirs.wall_at(ours.monotonic)
