"""What schedules will open in the next days, and what a change of one would stop or start. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from uuid import UUID
from zoneinfo import ZoneInfo

from camfleet_contract.messages import Interval
from camfleet_contract.schedules import ScheduleRule, ScheduleType, Window, windows
from control_plane.coverage.spans import Span, union, within, without

AHEAD = timedelta(days=14)
_DAY, _HOUR, _SECOND = timedelta(days=1), timedelta(hours=1), timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class ClockChange:
    """The site's clock is put forward or back."""

    at: datetime
    before: timedelta
    """The offset from UTC until then."""
    after: timedelta

    @property
    def is_forward(self) -> bool:
        """Whether a stretch of the wall clock is left out; else one comes twice."""
        return self.after > self.before

    @property
    def shown_before(self) -> datetime:
        """What the clock would show at that moment if it were not changed."""
        return self.at.astimezone(timezone(self.before))

    @property
    def shown_after(self) -> datetime:
        """What it shows."""
        return self.at.astimezone(timezone(self.after))


@dataclass(frozen=True, slots=True)
class Opening:
    """One window to come."""

    window: Window
    by_the_clock: timedelta
    """How long it would be if no clock changed."""

    @property
    def longer_by(self) -> timedelta:
        """What a change of the clock adds to it or takes from it; mostly nothing."""
        return self.window.end - self.window.start - self.by_the_clock


@dataclass(frozen=True, slots=True)
class Outlook:
    """What one rule opens from `now` on, for as long as `AHEAD`."""

    between: Interval
    openings: Sequence[Opening]
    clock_changes: Sequence[ClockChange]
    skipped: Sequence[date]
    """Days on which the clock jumps over all that the rule wants."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change does to the recording of one camera, all its schedules together."""

    camera_id: UUID
    stops: Sequence[Span]
    """Recorded now, and not after the change."""
    starts: Sequence[Span]


def outlook(rule: ScheduleRule, zone: ZoneInfo, now: datetime) -> Outlook:
    """What the rule opens in the next 14 days; the first window may be open already."""
    between = Interval(start=now, end=now + AHEAD)
    found = [Opening(window, _by_the_clock(rule)) for window in windows(rule, zone, between)]
    return Outlook(between, found, list(clock_changes(zone, between)), _skipped(rule, zone, between))


def clock_changes(zone: ZoneInfo, between: Interval) -> Iterator[ClockChange]:
    """When the zone's clock changes, to the second. No zone changes twice within an hour."""
    earlier = between.start
    while earlier < between.end:
        later = min(earlier + _HOUR, between.end)
        if _offset(earlier, zone) != _offset(later, zone):
            first, last = earlier, later
            while last - first > _SECOND:
                middle = first + (last - first) / 2
                first, last = (middle, last) if _offset(middle, zone) == _offset(first, zone) else (first, middle)
            # Clocks change at whole seconds, whatever part of one `now` has.
            at = last.replace(microsecond=0)
            yield ClockChange(at, _offset(earlier, zone), _offset(at, zone))
        earlier = later


def effect(
    camera_id: UUID, before: Iterable[ScheduleRule], after: Iterable[ScheduleRule], zone: ZoneInfo, now: datetime
) -> Effect:
    """What differs for the camera when those rules are its schedules instead. What another one wants stays."""
    old, new = _wanted(before, zone, now), _wanted(after, zone, now)
    return Effect(camera_id, without(old, new), without(new, old))


def _wanted(rules: Iterable[ScheduleRule], zone: ZoneInfo, now: datetime) -> list[Span]:
    between = Interval(start=now, end=now + AHEAD)
    opened = ((window.start, window.end) for rule in rules for window in windows(rule, zone, between))
    return union(within(opened, (between.start, between.end)))


def _by_the_clock(rule: ScheduleRule) -> timedelta:
    if rule.schedule_type is ScheduleType.CONTINUOUS:
        return _DAY
    first = rule.start_date or date.min
    last = rule.end_date if rule.schedule_type is ScheduleType.ONCE and rule.end_date else first
    length = datetime.combine(last, rule.end_time) - datetime.combine(first, rule.start_time)
    return length if length > timedelta(0) else length + _DAY


def _skipped(rule: ScheduleRule, zone: ZoneInfo, between: Interval) -> list[date]:
    """The days of a clock that never changes, without those of the site's."""
    start, end = (moment.astimezone(zone).replace(tzinfo=UTC) for moment in (between.start, between.end))
    anyhow = {window.start.date() for window in windows(rule, ZoneInfo("UTC"), Interval(start=start, end=end))}
    around = Interval(start=between.start - 2 * _DAY, end=between.end + 2 * _DAY)
    opened = {window.start.astimezone(zone).date() for window in windows(rule, zone, around)}
    return sorted(anyhow - opened)


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta(0)
