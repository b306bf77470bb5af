"""Which windows a schedule opens, in the site's time zone. Pure: `now` is always an argument."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import takewhile
from zoneinfo import ZoneInfo

from pydantic import ConfigDict, Field

from camfleet_contract.messages import Interval, Message, WallDate, WallTime
from camfleet_contract.zones import first_instant, last_instant

EARLIEST_YEAR, LATEST_YEAR = 2000, 2100

_MIDNIGHT = time(0)
_DAY = timedelta(days=1)
# As far as a datetime can be converted to any zone, with a few days to spare.
_EARLIEST, _LATEST = datetime.min.replace(tzinfo=UTC) + 7 * _DAY, datetime.max.replace(tzinfo=UTC) - 7 * _DAY


class ScheduleType(StrEnum):
    """How a schedule repeats."""

    ONCE = "once"
    DAILY = "daily"
    WEEKLY = "weekly"
    CONTINUOUS = "continuous"


class Weekday(StrEnum):
    """Days as the wire names them, in the order of `date.weekday()`."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


_WEEK = tuple(Weekday)


class ScheduleRule(Message):
    """When to record, in wall-clock time of the site. It may make no sense: `problems` tells."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "schedule_type": "weekly",
                    "start_time": "22:00:00",
                    "end_time": "06:00:00",
                    "start_date": "2026-03-01",
                    "end_date": None,
                    "days_of_week": ["friday", "saturday"],
                    "is_active": True,
                }
            ]
        }
    )

    schedule_type: ScheduleType
    start_time: WallTime
    end_time: WallTime
    """At or before `start_time` it is meant on the next day."""
    start_date: WallDate | None = None
    """The day of `once`; for the others the first day on which a window may start."""
    end_date: WallDate | None = None
    """The day on which `once` ends; for the others the last day on which a window may start."""
    days_of_week: list[Weekday] = Field(default=[], max_length=50)
    """For `weekly`: the days on which windows start."""
    is_active: bool = True


class Window(Interval):
    """One concrete stretch that a schedule opens."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"start": "2026-03-06T21:00:00Z", "end": "2026-03-07T05:00:00Z"}]}
    )


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a schedule makes no sense, told to the person who wrote it."""

    field: str
    """The field of the rule that it belongs to."""
    message: str


def problems(rule: ScheduleRule) -> tuple[Problem, ...]:
    """Everything about the rule that makes no sense or would surprise; empty for a good one."""
    return tuple(_date_problems(rule)) + tuple(_day_problems(rule)) + tuple(_time_problems(rule))


def windows(rule: ScheduleRule, zone: ZoneInfo, between: Interval) -> Iterator[Window]:
    """The windows that touch `between`, whole, in order, never overlapping. A rule with problems opens none."""
    return takewhile(lambda window: window.start < between.end, _windows_after(rule, zone, between.start))


def current_window(rule: ScheduleRule, zone: ZoneInfo, now: datetime) -> Window | None:
    """The window that is open at `now` (aware)."""
    window = next(_windows_after(rule, zone, now), None)
    return window if window and window.start <= now else None


def is_due(rule: ScheduleRule, zone: ZoneInfo, now: datetime) -> bool:
    """Whether the rule wants footage of `now` (aware)."""
    return current_window(rule, zone, now) is not None


def next_change(rule: ScheduleRule, zone: ZoneInfo, now: datetime) -> datetime | None:
    """When a window next starts or ends after `now` (aware), in UTC; None if none ever does."""
    window = next(_windows_after(rule, zone, now), None)
    if window is None:
        return None
    return window.start if window.start > now else window.end


def _date_problems(rule: ScheduleRule) -> Iterator[Problem]:
    dates = {"start_date": rule.start_date, "end_date": rule.end_date}
    for field, day in dates.items():
        if day is not None and not EARLIEST_YEAR <= day.year <= LATEST_YEAR:
            yield Problem(field, f"must lie in the years {EARLIEST_YEAR} to {LATEST_YEAR}")
    if rule.schedule_type is ScheduleType.ONCE and rule.start_date is None:
        yield Problem("start_date", "is needed: a schedule that runs once must say on which day it starts")
    if rule.start_date and rule.end_date and rule.end_date < rule.start_date:
        yield Problem("end_date", f"must not be before the start date, {rule.start_date}")


def _day_problems(rule: ScheduleRule) -> Iterator[Problem]:
    if rule.schedule_type is ScheduleType.WEEKLY:
        if not rule.days_of_week:
            yield Problem("days_of_week", "must name at least one day on which the weekly schedule starts")
    elif rule.days_of_week and set(rule.days_of_week) != set(Weekday):
        # All seven change nothing. Anything less looks as if it did.
        yield Problem(
            "days_of_week",
            f"only a weekly schedule has days: choose weekly, or clear the days of this {rule.schedule_type} schedule",
        )


def _time_problems(rule: ScheduleRule) -> Iterator[Problem]:
    match rule.schedule_type:
        case ScheduleType.DAILY | ScheduleType.WEEKLY if rule.start_time == rule.end_time != _MIDNIGHT:
            yield Problem(
                "end_time",
                "must differ from the start time. To record all day, choose continuous, or 00:00:00 to 00:00:00",
            )
        case ScheduleType.ONCE if rule.start_date and rule.start_date == rule.end_date:
            if rule.end_time <= rule.start_time and rule.end_time != _MIDNIGHT:
                yield Problem(
                    "end_time",
                    f"must be after the start, {rule.start_time} on {rule.start_date}. If it is meant on the next day, "
                    f"clear the end date or move it",
                )


def _windows_after(rule: ScheduleRule, zone: ZoneInfo, moment: datetime) -> Iterator[Window]:
    """The windows that end after `moment`, each cut by the start of the next.

    They overlap only where the wall clock repeats itself: 00:30 on that night may come after 01:00 did.
    """
    if not rule.is_active or problems(rule):
        return
    opened: datetime | None = None
    closes = moment
    for next_opens, next_closes in _uncut_windows(rule, zone, moment):
        end = min(closes, next_opens)
        if opened and end > moment:
            yield Window(start=opened, end=end)
        opened, closes = next_opens, next_closes
    if opened and closes > moment:
        yield Window(start=opened, end=closes)


def _uncut_windows(rule: ScheduleRule, zone: ZoneInfo, moment: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Start and end of each window by itself, in UTC, from some before `moment` on."""
    for start, end in _wall_spans(rule, zone, moment):
        opens, closes = first_instant(start, zone), last_instant(end, zone)
        if opens < closes:  # else the clock jumps over all of it
            yield opens, closes


def _wall_spans(rule: ScheduleRule, zone: ZoneInfo, moment: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The rule's stretches on the wall clock (naive), beginning with the last that could reach beyond `moment`."""
    if rule.schedule_type is ScheduleType.ONCE:
        if rule.start_date:
            yield _wall_span(rule.start_date, rule.end_date or rule.start_date, rule.start_time, rule.end_time)
        return
    all_day = rule.schedule_type is ScheduleType.CONTINUOUS
    start_time, end_time = (_MIDNIGHT, _MIDNIGHT) if all_day else (rule.start_time, rule.end_time)
    for day in _start_days(rule, zone, moment):
        yield _wall_span(day, day, start_time, end_time)


def _wall_span(first: date, last: date, start_time: time, end_time: time) -> tuple[datetime, datetime]:
    start, end = datetime.combine(first, start_time), datetime.combine(last, end_time)
    return start, end if end > start else end + _DAY


def _start_days(rule: ScheduleRule, zone: ZoneInfo, moment: datetime) -> Iterator[date]:
    """The days on which windows start, from early enough before `moment` to miss none that is open then."""
    today = min(max(moment, _EARLIEST), _LATEST).astimezone(zone).date()
    # A window reaches into the day after its own, and a clock set back at midnight shows yesterday once more.
    day = max(rule.start_date or date.min, today - 2 * _DAY)
    last = min(rule.end_date or date.max, _LATEST.date())
    while day <= last:
        if rule.schedule_type is not ScheduleType.WEEKLY or _WEEK[day.weekday()] in rule.days_of_week:
            yield day
        day += _DAY
