"""When footage would have to be deleted before it is uploaded, as things go, and which uplink would save it. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from camfleet_contract.schedules import Window

HORIZON = timedelta(days=5)
STEP = timedelta(hours=1)
FASTEST = 1e11
"""Bytes per second: more than any uplink."""
_HALVINGS = 40
_MARGIN = 1.02


class Rule(StrEnum):
    """What would force a deletion."""

    DISK = "disk"
    AGE = "age"
    """KEEP_UNPROVEN_DAYS."""
    SHARE = "share"
    """MAX_GIB_PER_CAMERA."""


@dataclass(frozen=True, slots=True)
class Load:
    """One camera."""

    unproven_bytes: int
    bytes_per_second: float
    """What it records, on average."""


@dataclass(frozen=True, slots=True)
class Prospect:
    """How things stand."""

    now: datetime
    cameras: Mapping[UUID, Load]
    room_bytes: float
    """How much more unproven footage the disk takes: what is free above the reserve, and what may be deleted."""
    openings: Sequence[Window]
    """When uploads may go, as far as `HORIZON`."""
    oldest: datetime | None = None
    """When the oldest unproven footage begins."""
    newest_first: bool = True
    keep_unproven: timedelta | None = None
    bytes_per_camera: int | None = None

    @property
    def inflow(self) -> float:
        """Of all cameras, bytes per second."""
        return sum(load.bytes_per_second for load in self.cameras.values())


@dataclass(frozen=True, slots=True)
class Loss:
    """The first footage that would go."""

    at: datetime
    rule: Rule
    camera_id: UUID | None = None


def loss(prospect: Prospect, uplink: float) -> Loss | None:
    """What would be lost first within the horizon, with an uplink of so many bytes per second while it is open."""
    course = _Course(prospect)
    for start, end, is_open in _steps(prospect):
        found = course.go(start, end, uplink if is_open else 0.0)
        if found is not None:
            return found
    return None


def needed_uplink(prospect: Prospect) -> float | None:
    """The least uplink, in bytes per second, with which nothing would be lost; None if none is fast enough."""
    if loss(prospect, FASTEST) is not None:
        return None
    low, high = 0.0, FASTEST
    for _ in range(_HALVINGS):
        middle = (low * high) ** 0.5 if low > 1 else high / 1024
        low, high = (low, middle) if loss(prospect, middle) is None else (middle, high)
        if high < low * _MARGIN or high < 1:
            break
    return high


@dataclass(slots=True)
class _Course:
    """How the backlog goes on, piece by piece."""

    prospect: Prospect
    unproven: dict[UUID, float] = field(init=False)
    at_first: float = field(init=False)
    oldest: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.unproven = {camera_id: float(load.unproven_bytes) for camera_id, load in self.prospect.cameras.items()}
        self.at_first = sum(self.unproven.values())
        self.oldest = self.prospect.oldest or self.prospect.now

    def go(self, start: datetime, end: datetime, uplink: float) -> Loss | None:
        seconds = (end - start).total_seconds()
        before = sum(self.unproven.values())
        after = max(0.0, before + (self.prospect.inflow - uplink) * seconds)
        found = [
            self._disk(start, seconds, before, after),
            *self._shares(start, seconds, uplink),
            self._age(start, end, uplink, before, after),
        ]
        for camera_id in self.unproven:
            self.unproven[camera_id] = max(0.0, self.unproven[camera_id] + self._net(camera_id, uplink) * seconds)
        return min((one for one in found if one is not None), key=lambda one: one.at, default=None)

    def _disk(self, start: datetime, seconds: float, before: float, after: float) -> Loss | None:
        full = self.at_first + max(0.0, self.prospect.room_bytes)
        if after <= before or after < full:
            return None
        return Loss(start + timedelta(seconds=seconds * max(0.0, full - before) / (after - before)), Rule.DISK)

    def _shares(self, start: datetime, seconds: float, uplink: float) -> Iterator[Loss | None]:
        most = self.prospect.bytes_per_camera
        if most is None:
            return
        for camera_id, unproven in self.unproven.items():
            net = self._net(camera_id, uplink)
            if net > 0 and unproven + net * seconds >= most:
                yield Loss(start + timedelta(seconds=max(0.0, most - unproven) / net), Rule.SHARE, camera_id)

    def _net(self, camera_id: UUID, uplink: float) -> float:
        """Cameras take turns, segment by segment: each has the share of the line that it has of the footage."""
        own, inflow = self.prospect.cameras[camera_id].bytes_per_second, self.prospect.inflow
        share = own / inflow if inflow else 1 / len(self.unproven)
        return own - uplink * share

    def _age(self, start: datetime, end: datetime, uplink: float, before: float, after: float) -> Loss | None:
        keep, oldest = self.prospect.keep_unproven, self.oldest
        if not after:
            self.oldest = end
        elif not self.prospect.newest_first and before and uplink:
            # Footage goes in the order in which it was taken: so much of its time goes by for so many bytes.
            gone = min(1.0, uplink * (end - start).total_seconds() / before)
            self.oldest = min(end, oldest + (start - oldest) * gone)
        if keep is None or not after or end - self.oldest < keep:
            return None
        return Loss(max(start, oldest + keep), Rule.AGE)


def _steps(prospect: Prospect) -> Iterator[tuple[datetime, datetime, bool]]:
    at, end = prospect.now, prospect.now + HORIZON
    for window in (*prospect.openings, None):
        opens, closes = (window.start, window.end) if window else (end, end)
        yield from _cut(at, min(opens, end), is_open=False)
        yield from _cut(max(at, opens), min(closes, end), is_open=True)
        at = max(at, closes)


def _cut(start: datetime, end: datetime, *, is_open: bool) -> Iterator[tuple[datetime, datetime, bool]]:
    while start < end:
        until = min(start + STEP, end)
        yield start, until, is_open
        start = until
