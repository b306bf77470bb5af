"""What became of a camera's time, found the slow way: each moment is asked about by itself."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from camfleet_contract.gaps import GapCause
from camfleet_contract.messages import Interval
from camfleet_contract.schedules import ScheduleRule, is_due, windows
from camfleet_contract.zones import zone
from control_plane.coverage.measurement import PRECEDENCE, Covered

Stretch = tuple[datetime, datetime]
HOLE = timedelta(seconds=0.25)


@dataclass(frozen=True)
class Held:
    """A segment as the control plane knows it."""

    client: UUID
    start: datetime
    end: datetime
    state: str


@dataclass(frozen=True)
class Missed:
    client: UUID
    start: datetime
    end: datetime
    cause: GapCause


@dataclass(frozen=True)
class Ruled:
    """A schedule, as long as it said so."""

    rule: ScheduleRule
    since: datetime
    until: datetime


@dataclass(frozen=True)
class Life:
    """All that there is to know of a camera."""

    timezone: str
    recorded: Sequence[Stretch]
    """When it was active, and its recorder's to record."""
    schedules: Sequence[Ruled]
    segments: Sequence[Held]
    gaps: Sequence[Missed]


def expected(life: Life, day: Stretch, now: datetime) -> Covered:
    """The account of one day, piece by piece between any two moments at which anything changes."""
    sums = dict.fromkeys(("due", "stored", "local_only", "deleted", "unaccounted", "beyond_due"), 0.0)
    lost: dict[GapCause, float] = {}
    stored = without_holes((s.start, s.end) for s in life.segments if s.state == "stored")
    kept = without_holes((s.start, s.end) for s in life.segments if s.state != "offered")
    all_footage = without_holes([*kept, *still_local(life)])
    for start, end in pieces(life, day, now, [*stored, *kept, *all_footage]):
        middle, seconds = start + (end - start) / 2, (end - start).total_seconds()
        if not (middle < now and due(life, middle)):
            sums["beyond_due"] += seconds * covers(all_footage, middle)
            continue
        sums["due"] += seconds
        told = {gap.cause for gap in life.gaps if gap.start <= middle < gap.end}
        if covers(stored, middle):
            sums["stored"] += seconds
        elif covers(kept, middle):
            sums["deleted"] += seconds
        elif covers(all_footage, middle):
            sums["local_only"] += seconds
        elif told:
            cause = min(told, key=PRECEDENCE.index)
            lost[cause] = lost.get(cause, 0.0) + seconds
        else:
            sums["unaccounted"] += seconds
    rounded = {name: round(value, 6) for name, value in sums.items()}
    return Covered(lost={cause: round(value, 6) for cause, value in lost.items()}, **rounded)


def due(life: Life, moment: datetime) -> bool:
    place = zone(life.timezone)
    return covers(life.recorded, moment) and any(
        one.since <= moment < one.until and is_due(one.rule, place, moment) for one in life.schedules
    )


def still_local(life: Life) -> Iterator[Stretch]:
    """What each recorder had offered, is not stored, and was not given up by the same recorder."""
    for client in {segment.client for segment in life.segments}:
        own = without_touching((s.start, s.end) for s in life.segments if s.client == client and s.state == "offered")
        gone = [
            (gap.start, gap.end)
            for gap in life.gaps
            if gap.client == client and gap.cause in {GapCause.RETENTION, GapCause.DISK_MISSING}
        ]
        for start, end in own:
            moments = sorted({start, end, *(m for g in gone for m in g if start < m < end)})
            for left, right in itertools.pairwise(moments):
                if not covers(gone, left):
                    yield left, right


def without_holes(stretches: Iterable[Stretch], largest: timedelta = HOLE) -> list[Stretch]:
    found: list[list[datetime]] = []
    for start, end in sorted(stretches):
        if found and start - found[-1][1] <= largest:
            found[-1][1] = max(found[-1][1], end)
        else:
            found.append([start, end])
    return [(start, end) for start, end in found]


def without_touching(stretches: Iterable[Stretch]) -> list[Stretch]:
    return without_holes(stretches, timedelta(0))


def covers(stretches: Iterable[Stretch], moment: datetime) -> bool:
    return any(start <= moment < end for start, end in stretches)


def pieces(life: Life, day: Stretch, now: datetime, footage: Iterable[Stretch]) -> Iterator[Stretch]:
    place: ZoneInfo = zone(life.timezone)
    moments = {*day, now}
    moments |= {moment for stretch in (*footage, *life.recorded) for moment in stretch}
    moments |= {moment for gap in life.gaps for moment in (gap.start, gap.end)}
    for one in life.schedules:
        moments |= {one.since, one.until}
        opened = windows(one.rule, place, Interval(start=day[0] - timedelta(days=3), end=day[1] + timedelta(days=1)))
        moments |= {moment for window in opened for moment in (window.start, window.end)}
    return itertools.pairwise(sorted(moment for moment in moments if day[0] <= moment <= day[1]))
