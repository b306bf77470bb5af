"""The kinds of trouble: how long each must last to be told, and how long it must stay away to be over."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Kind(StrEnum):
    """What can be wrong; the names are the kinds of the events."""

    OFFLINE = "client.offline"
    DISK = "client.disk"
    CLOCK = "client.clock"
    VERSION = "client.version"
    BACKLOG = "client.backlog"
    AT_RISK = "client.footage_at_risk"
    DOWN = "camera.down"
    NOT_RECORDING = "camera.not_recording"

    @property
    def subject_type(self) -> str:
        """`client` or `camera`."""
        return self.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Patience:
    """What keeps a cause that comes and goes from being many events."""

    grace: timedelta
    """It is told once it has lasted that long; what is away again for as long was nothing."""
    calm: timedelta
    """What was told is over once it has stayed away that long; it ended when it was first away."""


_MINUTE = timedelta(minutes=1)

PATIENCE = {
    # Three minutes of silence are part of what offline means.
    Kind.OFFLINE: Patience(grace=timedelta(), calm=3 * _MINUTE),
    Kind.DISK: Patience(grace=_MINUTE, calm=10 * _MINUTE),
    # A restarted recorder knows its clock's error after its first heartbeat only.
    Kind.CLOCK: Patience(grace=2 * _MINUTE, calm=10 * _MINUTE),
    # An upgrade of ten thousand recorders takes its time, and one of several replicas goes through both versions.
    Kind.VERSION: Patience(grace=timedelta(days=1), calm=timedelta(hours=1)),
    # Two measurements in a row that found it growing; one that didn't, and the next.
    Kind.BACKLOG: Patience(grace=20 * _MINUTE, calm=15 * _MINUTE),
    # The recorder waits by itself, but forgets what it foresaw when it is restarted.
    Kind.AT_RISK: Patience(grace=timedelta(), calm=30 * _MINUTE),
    Kind.DOWN: Patience(grace=_MINUTE / 2, calm=3 * _MINUTE),
    Kind.NOT_RECORDING: Patience(grace=_MINUTE, calm=3 * _MINUTE),
}

NEW_CAMERA = 5 * _MINUTE
"""Whoever has just made a camera is still busy with its address and password."""
CHANGED_CAMERA = _MINUTE
"""And whoever changed one looks at it."""
