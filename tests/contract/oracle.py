"""What a schedule wants, found the slow way: by reading the site's clock once a minute."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from camfleet_contract.schedules import ScheduleRule, ScheduleType, Window

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
REACH = 6
"""Days on each side of the middle that the clock is read for."""

Reading = tuple[datetime, datetime]
"""An instant in UTC and what the site's clock shows then."""


def expected_windows(rule: ScheduleRule, zone: ZoneInfo, middle: date) -> list[Window]:
    """The windows of a sensible rule around `middle`, pieced together from the minutes that belong to each.

    Rules must name whole minutes, and a `once` must start within three days of the middle and last two at most.
    """
    readings = clock(zone, middle)
    stretches = [stretch for start, end in spans(rule, middle) if (stretch := minutes_of(readings, start, end))]
    owners: dict[datetime, datetime] = {}  # minute -> opening of the window that has it
    for opening, closing in sorted(stretches):
        minute = opening
        while minute < closing:
            owners[minute] = opening  # a window that opens later takes the minute over
            minute += MINUTE
    by_opening: dict[datetime, list[datetime]] = {}
    for minute, opening in owners.items():
        by_opening.setdefault(opening, []).append(minute)
    return [Window(start=min(minutes), end=max(minutes) + MINUTE) for _, minutes in sorted(by_opening.items())]


@lru_cache(maxsize=64)
def clock(zone: ZoneInfo, middle: date) -> list[Reading]:
    """What the site's clock shows, minute by minute."""
    first = datetime.combine(middle, time(0), UTC) - REACH * DAY
    instants = (first + number * MINUTE for number in range(2 * REACH * 24 * 60))
    return [(instant, instant.astimezone(zone).replace(tzinfo=None)) for instant in instants]


def spans(rule: ScheduleRule, middle: date) -> Iterator[tuple[datetime, datetime]]:
    """From when to when the rule wants footage, in readings of the clock."""
    for number in range(-REACH + 2, REACH - 2):
        day = middle + number * DAY
        if rule.schedule_type is ScheduleType.ONCE:
            if day != rule.start_date:
                continue
        elif (rule.start_date and day < rule.start_date) or (rule.end_date and day > rule.end_date):
            continue
        if rule.schedule_type is ScheduleType.WEEKLY and f"{day:%A}".lower() not in rule.days_of_week:
            continue
        if rule.schedule_type is ScheduleType.CONTINUOUS:
            yield datetime.combine(day, time(0)), datetime.combine(day + DAY, time(0))
            continue
        last = rule.end_date if rule.schedule_type is ScheduleType.ONCE and rule.end_date else day
        start, end = datetime.combine(day, rule.start_time), datetime.combine(last, rule.end_time)
        if end <= start:
            end = datetime.combine(last + DAY, rule.end_time)
        yield start, end


def minutes_of(readings: list[Reading], start: datetime, end: datetime) -> tuple[datetime, datetime] | None:
    """The first minute of a stretch and the first after it; None if the clock never shows any of it."""
    opening = next((instant for instant, shown in readings if shown == start), None) or jump_over(readings, start)
    closing = next((instant for instant, shown in reversed(readings) if shown == end), None) or jump_over(readings, end)
    return (opening, closing) if opening < closing else None


def jump_over(readings: list[Reading], wall: datetime) -> datetime:
    """The first minute at which the clock is past a reading that it never shows."""
    return next(instant for instant, shown in readings if shown > wall)
