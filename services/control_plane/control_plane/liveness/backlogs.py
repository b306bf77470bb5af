"""Whether a recorder's backlog grows: two of its heartbeats some minutes apart are compared. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

OLD = timedelta(minutes=15)
"""With everything well, what waits is younger: it is sealed, and sent in its turn."""
BETWEEN = timedelta(minutes=10)
"""From one measurement to the next, so that one large segment more or less decides nothing."""
_STALE = 3 * BETWEEN
"""A measurement that is older says nothing: the recorder was away meanwhile, and went on recording."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The backlog that a heartbeat told."""

    size_bytes: int
    segments: int
    oldest: datetime
    is_open: bool = True
    """Whether it may upload at this hour: where not, the backlog grows as planned."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The last measurement, and what it found."""

    marked_at: datetime
    size_bytes: int
    growing_since: datetime | None = None
    """The measurement from which on it has grown; None: it doesn't."""
    is_judged: bool = False
    """Whether there was an earlier one to compare with."""


def judged(mark: Mark | None, waiting: Waiting | None, now: datetime) -> Mark | None:
    """The newest measurement, which may be a new one; None where nothing is to be measured."""
    if waiting is None or not waiting.is_open or now - waiting.oldest < OLD:
        return None
    if mark is None or now - mark.marked_at > _STALE:
        return Mark(now, waiting.size_bytes)
    if now - mark.marked_at < BETWEEN:
        return mark
    if waiting.size_bytes <= mark.size_bytes:
        return Mark(now, waiting.size_bytes, is_judged=True)
    return Mark(now, waiting.size_bytes, mark.growing_since or mark.marked_at, is_judged=True)
