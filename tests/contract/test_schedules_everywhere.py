"""The rules of schedules, for any rule in zones with odd clocks, against a slow oracle that reads the clock."""

import itertools
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from camfleet_contract.messages import Interval
from camfleet_contract.schedules import (
    ScheduleRule,
    ScheduleType,
    Weekday,
    Window,
    current_window,
    is_due,
    next_change,
    problems,
    windows,
)
from camfleet_contract.zones import zone

from .oracle import DAY, MINUTE, expected_windows

ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",  # changes by half an hour
    "Africa/Casablanca",  # goes back for Ramadan
    "Africa/Cairo",  # jumps over midnight
    "America/Havana",  # repeats the hour after midnight
    "Asia/Beirut",  # repeats the hour before midnight
    "America/St_Johns",  # changed at 00:01 until 2011
    "Antarctica/Troll",  # changes by two hours
    "Pacific/Apia",  # skipped a day
]

WORTH_TRYING = [time(hour, minute) for hour in (0, 1, 2, 3, 22, 23) for minute in (0, 1, 15, 30, 45, 59)]
CLOCK_TIMES = st.sampled_from(WORTH_TRYING) | st.builds(time, st.integers(0, 23), st.integers(0, 59))


@cache
def days_of_change(name: str) -> list[date]:
    """The days around which the zone's clock changed or will change; some day where it never does."""
    noons = [datetime(2005, 1, 1, 12, tzinfo=UTC) + number * DAY for number in range(30 * 365)]
    offsets = [(noon.date(), noon.astimezone(zone(name)).utcoffset()) for noon in noons]
    changes = [day for (day, before), (_, after) in itertools.pairwise(offsets) if before != after]
    return changes or [date(2026, 3, 29)]


@st.composite
def places(draw: st.DrawFn) -> tuple[ZoneInfo, date]:
    """A zone, and a day near a change of its clock."""
    name = draw(st.sampled_from(ZONES))
    return zone(name), draw(st.sampled_from(days_of_change(name))) + draw(st.integers(-1, 1)) * DAY


@st.composite
def rules(draw: st.DrawFn, middle: date) -> ScheduleRule:
    """A sensible rule that has something to do near `middle`."""
    kind = draw(st.sampled_from(ScheduleType))
    nearby = st.integers(-2, 2).map(lambda number: middle + number * DAY)
    start_time = draw(CLOCK_TIMES)
    # An end shortly before the start makes windows that nearly touch: a repeated hour pushes one into the next.
    shortly_before = (datetime.combine(middle, start_time) - draw(st.integers(1, 90)) * MINUTE).time()
    rule = ScheduleRule(
        schedule_type=kind,
        start_time=start_time,
        end_time=draw(CLOCK_TIMES | st.just(shortly_before)),
        start_date=draw(nearby if kind is ScheduleType.ONCE else st.none() | nearby),
        end_date=draw(st.none() | nearby),
        days_of_week=draw(st.lists(st.sampled_from(Weekday), min_size=1)) if kind is ScheduleType.WEEKLY else [],
    )
    assume(not problems(rule))
    return rule


def around(middle: date) -> Interval:
    noon = datetime.combine(middle, time(12), UTC)
    return Interval(start=noon - 2 * DAY, end=noon + 2 * DAY)


@settings(max_examples=200, deadline=None)
@given(st.data(), places())
def test_windows_are_what_the_clock_on_the_wall_says(data: st.DataObject, place: tuple[ZoneInfo, date]) -> None:
    site, middle = place
    rule = data.draw(rules(middle))
    between = around(middle)
    expected = [w for w in expected_windows(rule, site, middle) if w.start < between.end and w.end > between.start]
    assert list(windows(rule, site, between)) == expected
    moments = data.draw(
        st.lists(st.integers(0, 4 * 24 * 60 - 1).map(lambda n: between.start + n * MINUTE), min_size=5, max_size=20)
    )
    for now in moments:
        assert is_due(rule, site, now) == any(window.contains(now) for window in expected)


@settings(max_examples=150, deadline=None)
@given(st.data(), places())
def test_windows_are_ordered_and_never_overlap(data: st.DataObject, place: tuple[ZoneInfo, date]) -> None:
    site, middle = place
    rule = data.draw(rules(middle))
    found = list(windows(rule, site, around(middle)))
    assert all(window.start < window.end for window in found)
    assert all(earlier.end <= later.start for earlier, later in itertools.pairwise(found))


@settings(max_examples=150, deadline=None)
@given(st.data(), places())
def test_a_window_is_the_same_whoever_asks(data: st.DataObject, place: tuple[ZoneInfo, date]) -> None:
    site, middle = place
    rule = data.draw(rules(middle))
    between = around(middle)
    cut = between.start + data.draw(st.integers(1, 4 * 24 * 60 - 1)) * MINUTE
    before = list(windows(rule, site, Interval(start=between.start, end=cut)))
    after = list(windows(rule, site, Interval(start=cut, end=between.end)))
    shared = [window for window in before if window in after]
    assert len(shared) <= 1
    assert before + [window for window in after if window not in shared] == list(windows(rule, site, between))


@settings(max_examples=150, deadline=None)
@given(st.data(), places())
def test_now_and_next_agree_with_the_windows(data: st.DataObject, place: tuple[ZoneInfo, date]) -> None:
    site, middle = place
    rule = data.draw(rules(middle))
    between = around(middle)
    # Two weeks more, for a weekly schedule that a change of the clock robs of its only window.
    known = list(windows(rule, site, Interval(start=between.start, end=between.end + 15 * DAY)))
    edges = [edge for window in known for edge in (window.start, window.end)]
    moments = [edge + step for edge in edges for step in (-timedelta(seconds=1), timedelta(0), timedelta(seconds=1))]
    for now in [moment for moment in moments if between.contains(moment)] + [between.start]:
        holding: Window | None = next((window for window in known if window.contains(now)), None)
        assert current_window(rule, site, now) == holding
        assert is_due(rule, site, now) == (holding is not None)
        assert next_change(rule, site, now) == min((edge for edge in edges if edge > now), default=None)


@pytest.mark.parametrize("name", ZONES)
def test_continuous_covers_every_second_of_thirty_years(name: str) -> None:
    always = ScheduleRule(schedule_type=ScheduleType.CONTINUOUS, start_time=time(0), end_time=time(0))
    years = Interval(start=datetime(2005, 1, 1, tzinfo=UTC), end=datetime(2035, 1, 1, tzinfo=UTC))
    days = list(windows(always, zone(name), years))
    assert days[0].start <= years.start
    assert days[-1].end >= years.end
    assert all(earlier.end == later.start for earlier, later in itertools.pairwise(days))
