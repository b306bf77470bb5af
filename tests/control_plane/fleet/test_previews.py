"""What a schedule opens in the next 14 days, told with the clock that its site has."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest

from camfleet_contract.messages import Interval
from camfleet_contract.schedules import ScheduleRule
from camfleet_contract.zones import zone
from control_plane.fleet.previews import AHEAD, clock_changes, effect, outlook

BERLIN = zone("Europe/Berlin")
HOUR = timedelta(hours=1)


def rule(schedule_type: str, start: str = "00:00:00", end: str = "00:00:00", **more: object) -> ScheduleRule:
    return ScheduleRule.model_validate({"schedule_type": schedule_type, "start_time": start, "end_time": end, **more})


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def longer(schedule: ScheduleRule, now: str, zone_name: str = "Europe/Berlin") -> dict[str, float]:
    """The windows that a change of the clock made longer or shorter: hours, by the day on which they start."""
    place = zone(zone_name)
    return {
        f"{one.window.start.astimezone(place):%m-%d %H:%M}": one.longer_by / HOUR
        for one in outlook(schedule, place, utc(now)).openings
        if one.longer_by
    }


@pytest.mark.parametrize(
    ("schedule", "now", "zone_name", "expected"),
    [
        (rule("daily", "22:00:00", "06:00:00"), "2026-03-20", "Europe/Berlin", {"03-28 22:00": -1}),
        (rule("daily", "22:00:00", "06:00:00"), "2026-10-20", "Europe/Berlin", {"10-24 22:00": 1}),
        (rule("daily", "08:00:00", "10:00:00"), "2026-10-20", "Europe/Berlin", {}),
        (rule("continuous"), "2026-03-20", "Europe/Berlin", {"03-29 00:00": -1}),
        (rule("daily", "02:30:00", "04:00:00"), "2026-03-20", "Europe/Berlin", {"03-29 03:00": -0.5}),
        (rule("daily", "22:00:00", "06:00:00"), "2026-10-01", "Australia/Lord_Howe", {"10-03 22:00": -0.5}),
        (rule("continuous"), "2026-04-20", "Africa/Cairo", {"04-24 01:00": -1}),
        (
            rule("once", "22:00:00", "06:00:00", start_date="2026-10-24", end_date="2026-10-26"),
            "2026-10-20",
            "Europe/Berlin",
            {"10-24 22:00": 1},
        ),
        (rule("daily", "22:00:00", "06:00:00"), "2026-10-20", "Asia/Kolkata", {}),
    ],
)
def test_windows_that_the_clock_makes_longer_or_shorter_are_marked(
    schedule: ScheduleRule, now: str, zone_name: str, expected: dict[str, float]
) -> None:
    assert longer(schedule, now, zone_name) == expected


def test_a_day_whose_window_the_clock_jumps_over_is_named() -> None:
    found = outlook(rule("daily", "02:00:00", "02:45:00"), BERLIN, utc("2026-03-20T12:00:00"))
    assert list(found.skipped) == [date(2026, 3, 29)]
    assert len(found.openings) == 13
    assert list(outlook(rule("daily", "02:00:00", "03:45:00"), BERLIN, utc("2026-03-20T12:00:00")).skipped) == []
    weekly = rule("weekly", "02:00:00", "02:45:00", days_of_week=["monday"])
    assert list(outlook(weekly, BERLIN, utc("2026-03-20T12:00:00")).skipped) == []


@pytest.mark.parametrize(
    ("zone_name", "now", "at", "hours"),
    [
        ("Europe/Berlin", "2026-03-20T07:13:05.123456", "2026-03-29T01:00:00", 1),
        ("Europe/Berlin", "2026-10-25T00:59:59.999999", "2026-10-25T01:00:00", -1),
        ("Europe/Berlin", "2026-03-15T01:00:00.500000", "2026-03-29T01:00:00", 1),
        ("Australia/Lord_Howe", "2026-10-01T00:00:00", "2026-10-03T15:30:00", 0.5),
        ("America/Havana", "2026-10-25T00:00:00", "2026-11-01T05:00:00", -1),
    ],
)
def test_when_the_clock_changes_is_found_to_the_second(zone_name: str, now: str, at: str, hours: float) -> None:
    start = utc(now)
    (change,) = clock_changes(zone(zone_name), Interval(start=start, end=start + AHEAD))
    assert change.at == utc(at)
    assert (change.after - change.before) / HOUR == hours
    assert (change.shown_after.replace(tzinfo=None) - change.shown_before.replace(tzinfo=None)) / HOUR == hours


def test_a_clock_that_never_changes_has_no_changes() -> None:
    start = utc("2026-01-01")
    assert list(clock_changes(zone("Asia/Kolkata"), Interval(start=start, end=start + AHEAD))) == []
    passed = utc("2026-03-29T01:00:00")
    assert list(clock_changes(BERLIN, Interval(start=passed, end=passed + AHEAD))) == []


def test_what_another_schedule_wants_anyway_neither_stops_nor_starts() -> None:
    now = utc("2026-06-01T12:00:00")
    night, evening = rule("daily", "22:00:00", "06:00:00"), rule("daily", "20:00:00", "23:00:00")
    without_it = effect(uuid4(), [night, evening], [evening], BERLIN, now)
    assert without_it.starts == []
    assert len(without_it.stops) == 14
    assert without_it.stops[0] == (utc("2026-06-01T21:00:00"), utc("2026-06-02T04:00:00"))
    later = effect(uuid4(), [evening], [rule("daily", "21:00:00", "23:30:00")], BERLIN, now)
    assert later.stops[0] == (utc("2026-06-01T18:00:00"), utc("2026-06-01T19:00:00"))
    assert later.starts[0] == (utc("2026-06-01T21:00:00"), utc("2026-06-01T21:30:00"))


def test_a_window_that_is_open_stops_from_now_on() -> None:
    now = utc("2026-06-01T21:30:00")
    stopped = effect(uuid4(), [rule("daily", "22:00:00", "06:00:00")], [], BERLIN, now)
    assert stopped.stops[0] == (now, utc("2026-06-02T04:00:00"))
