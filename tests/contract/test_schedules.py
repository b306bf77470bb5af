"""The rules of schedules, by example."""

import itertools
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from camfleet_contract.messages import Interval
from camfleet_contract.schedules import (
    ScheduleRule,
    Weekday,
    Window,
    current_window,
    is_due,
    next_change,
    problems,
    windows,
)
from camfleet_contract.zones import zone

BERLIN = zone("Europe/Berlin")


def rule(schedule_type: str, start: str = "08:00:00", end: str = "10:00:00", **more: Any) -> ScheduleRule:
    return ScheduleRule.model_validate({"schedule_type": schedule_type, "start_time": start, "end_time": end, **more})


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(schedule: ScheduleRule, first: str, last: str, zone_name: str = "UTC") -> list[tuple[str, str]]:
    """Start and end of every window that touches `[first, last)` UTC, as the site's clock shows them."""
    found = windows(schedule, zone(zone_name), Interval(start=utc(first), end=utc(last)))
    shown = "%m-%d %H:%M:%S%z"
    return [
        (f"{w.start.astimezone(zone(zone_name)):{shown}}", f"{w.end.astimezone(zone(zone_name)):{shown}}")
        for w in found
    ]


def hours(schedule: ScheduleRule, first: str, last: str, zone_name: str) -> list[float]:
    return [w.seconds / 3600 for w in windows(schedule, zone(zone_name), Interval(start=utc(first), end=utc(last)))]


# --- The four types ---------------------------------------------------------------------------------------------------


def test_a_daily_schedule_opens_one_window_a_day() -> None:
    assert local(rule("daily"), "2026-06-01", "2026-06-03", "Europe/Berlin") == [
        ("06-01 08:00:00+0200", "06-01 10:00:00+0200"),
        ("06-02 08:00:00+0200", "06-02 10:00:00+0200"),
    ]


def test_a_window_that_ends_at_or_before_its_start_time_crosses_midnight() -> None:
    assert local(rule("daily", "22:00:00", "06:00:00"), "2026-06-01T12:00", "2026-06-02T12:00") == [
        ("06-01 22:00:00+0000", "06-02 06:00:00+0000"),
    ]


def test_windows_are_whole_even_where_the_question_touches_only_a_second_of_them() -> None:
    night = rule("daily", "22:00:00", "06:00:00")
    whole = [("06-01 22:00:00+0000", "06-02 06:00:00+0000")]
    assert local(night, "2026-06-02T05:59:59", "2026-06-02T06:00:00") == whole
    assert local(night, "2026-06-01T22:00:00", "2026-06-01T22:00:01") == whole
    assert local(night, "2026-06-02T06:00:00", "2026-06-02T22:00:00") == []


def test_start_and_end_date_bound_the_day_on_which_windows_start() -> None:
    night = rule("daily", "22:00:00", "06:00:00", start_date="2026-06-01", end_date="2026-06-02")
    assert local(night, "2026-05-01", "2026-07-01") == [
        ("06-01 22:00:00+0000", "06-02 06:00:00+0000"),
        ("06-02 22:00:00+0000", "06-03 06:00:00+0000"),
    ]


def test_midnight_as_the_end_means_the_end_of_the_day_and_one_second_before_is_meant_literally() -> None:
    assert local(rule("daily", "20:00:00", "00:00:00"), "2026-06-01T12:00", "2026-06-02T12:00") == [
        ("06-01 20:00:00+0000", "06-02 00:00:00+0000"),
    ]
    assert local(rule("daily", "20:00:00", "23:59:59"), "2026-06-01T12:00", "2026-06-02T12:00") == [
        ("06-01 20:00:00+0000", "06-01 23:59:59+0000"),
    ]


def test_daily_from_midnight_to_midnight_is_the_whole_day() -> None:
    assert local(rule("daily", "00:00:00", "00:00:00"), "2026-06-01", "2026-06-02") == [
        ("06-01 00:00:00+0000", "06-02 00:00:00+0000"),
    ]


def test_a_weekly_schedule_names_the_days_of_the_start() -> None:
    friday_night = rule("weekly", "22:00:00", "06:00:00", days_of_week=["friday"])
    assert local(friday_night, "2026-06-01", "2026-06-15") == [
        ("06-05 22:00:00+0000", "06-06 06:00:00+0000"),
        ("06-12 22:00:00+0000", "06-13 06:00:00+0000"),
    ]
    assert is_due(friday_night, BERLIN, utc("2026-06-06T03:00"))  # Saturday 05:00, still Friday's window
    assert not is_due(friday_night, BERLIN, utc("2026-06-05T03:00"))


def test_weekly_days_are_the_sites_days_not_those_of_utc() -> None:
    monday_morning = rule("weekly", "07:00:00", "08:00:00", days_of_week=["monday"])
    # 1 June 2026 is a Monday; in Auckland it is 07:00 then while UTC still has Sunday.
    assert is_due(monday_morning, zone("Pacific/Auckland"), utc("2026-05-31T19:30"))


def test_once_runs_on_its_start_date_until_its_end_time() -> None:
    once = rule("once", start_date="2026-06-01")
    assert local(once, "2000-01-01", "2100-01-01") == [("06-01 08:00:00+0000", "06-01 10:00:00+0000")]


def test_once_overnight_needs_no_end_date() -> None:
    once = rule("once", "22:00:00", "06:00:00", start_date="2026-06-01")
    assert local(once, "2000-01-01", "2100-01-01") == [("06-01 22:00:00+0000", "06-02 06:00:00+0000")]


def test_once_with_an_end_date_is_one_window_over_days() -> None:
    once = rule("once", "22:00:00", "06:00:00", start_date="2026-06-01", end_date="2026-06-04")
    assert local(once, "2000-01-01", "2100-01-01") == [("06-01 22:00:00+0000", "06-04 06:00:00+0000")]


def test_once_until_midnight_ends_with_its_only_day_and_at_the_beginning_of_a_later_one() -> None:
    same_day = rule("once", "20:00:00", "00:00:00", start_date="2026-06-01", end_date="2026-06-01")
    assert local(same_day, "2000-01-01", "2100-01-01") == [("06-01 20:00:00+0000", "06-02 00:00:00+0000")]
    next_day = rule("once", "20:00:00", "00:00:00", start_date="2026-06-01", end_date="2026-06-02")
    assert local(next_day, "2000-01-01", "2100-01-01") == [("06-01 20:00:00+0000", "06-02 00:00:00+0000")]


def test_continuous_opens_one_window_a_local_day_between_its_dates_and_ignores_times() -> None:
    always = rule("continuous", "08:00:00", "08:00:00", start_date="2026-06-01", end_date="2026-06-02")
    assert local(always, "2026-05-01", "2026-07-01", "Europe/Berlin") == [
        ("06-01 00:00:00+0200", "06-02 00:00:00+0200"),
        ("06-02 00:00:00+0200", "06-03 00:00:00+0200"),
    ]


def test_continuous_without_dates_is_always_due() -> None:
    assert is_due(rule("continuous"), BERLIN, utc("1990-02-03T04:05"))
    assert is_due(rule("continuous"), BERLIN, utc("2400-02-03T04:05"))


def test_leap_days_are_days() -> None:
    leap = rule("daily", start_date="2028-02-29", end_date="2028-02-29")
    assert local(leap, "2028-01-01", "2028-12-31") == [("02-29 08:00:00+0000", "02-29 10:00:00+0000")]
    assert local(rule("daily", "23:00:00", "01:00:00"), "2028-02-28T12:00", "2028-03-01T12:00") == [
        ("02-28 23:00:00+0000", "02-29 01:00:00+0000"),
        ("02-29 23:00:00+0000", "03-01 01:00:00+0000"),
    ]
    assert local(rule("daily", "23:00:00", "01:00:00"), "2100-02-28T12:00", "2100-03-01T12:00") == [  # not a leap year
        ("02-28 23:00:00+0000", "03-01 01:00:00+0000"),
    ]
    once = rule("once", "23:00:00", "01:00:00", start_date="2028-02-28")
    assert local(once, "2028-01-01", "2029-01-01") == [("02-28 23:00:00+0000", "02-29 01:00:00+0000")]


def test_an_inactive_schedule_opens_nothing() -> None:
    off = rule("continuous", is_active=False)
    assert local(off, "2026-06-01", "2026-06-10") == []
    assert not is_due(off, BERLIN, utc("2026-06-01"))
    assert next_change(off, BERLIN, utc("2026-06-01")) is None


# --- Clocks that change -----------------------------------------------------------------------------------------------


def test_a_start_that_the_clock_jumps_over_is_the_jump() -> None:
    # Berlin, 29 March 2026: 02:00 becomes 03:00.
    assert local(rule("daily", "02:30:00", "04:00:00"), "2026-03-29", "2026-03-29T12:00", "Europe/Berlin") == [
        ("03-29 03:00:00+0200", "03-29 04:00:00+0200"),
    ]


def test_an_end_that_the_clock_jumps_over_is_the_jump() -> None:
    assert local(rule("daily", "01:00:00", "02:30:00"), "2026-03-29", "2026-03-29T12:00", "Europe/Berlin") == [
        ("03-29 01:00:00+0100", "03-29 03:00:00+0200"),
    ]


def test_a_window_that_the_clock_jumps_over_does_not_exist() -> None:
    inside = rule("daily", "02:00:00", "02:59:59")
    assert local(inside, "2026-03-28T12:00", "2026-03-30T12:00", "Europe/Berlin") == [
        ("03-30 02:00:00+0200", "03-30 02:59:59+0200"),
    ]
    assert next_change(inside, BERLIN, utc("2026-03-28T12:00")) == utc("2026-03-30T00:00")


def test_a_repeated_hour_is_recorded_twice_in_one_window() -> None:
    # Berlin, 25 October 2026: 03:00 becomes 02:00.
    assert local(rule("daily", "02:00:00", "02:30:00"), "2026-10-25", "2026-10-25T12:00", "Europe/Berlin") == [
        ("10-25 02:00:00+0200", "10-25 02:30:00+0100"),
    ]


def test_a_night_is_as_long_as_the_night() -> None:
    night = rule("daily", "22:00:00", "06:00:00")
    assert hours(night, "2026-03-28T12:00", "2026-03-29T12:00", "Europe/Berlin") == [7]
    assert hours(night, "2026-10-24T12:00", "2026-10-25T12:00", "Europe/Berlin") == [9]
    assert hours(night, "2026-10-24T12:00", "2026-10-25T12:00", "Asia/Kolkata") == [8]
    assert hours(night, "2026-10-03T10:00", "2026-10-04T00:00", "Australia/Lord_Howe") == [7.5]
    assert hours(night, "2026-04-04T10:00", "2026-04-05T00:00", "Australia/Lord_Howe") == [8.5]


def test_a_window_that_would_reach_into_the_next_one_is_cut_by_it() -> None:
    # New York, 1 November 2026: 02:00 becomes 01:00. 01:15 comes a second time after the next window began at 01:30.
    nearly_always = rule("daily", "01:30:00", "01:15:00")
    assert local(nearly_always, "2026-10-31T12:00", "2026-11-01T12:00", "America/New_York") == [
        ("10-31 01:30:00-0400", "11-01 01:30:00-0400"),
        ("11-01 01:30:00-0400", "11-02 01:15:00-0500"),
    ]


def test_a_window_is_not_cut_by_a_day_on_which_the_schedule_does_not_start() -> None:
    saturday = rule("weekly", "01:30:00", "01:15:00", days_of_week=["saturday"])
    assert local(saturday, "2026-10-31T12:00", "2026-11-01T12:00", "America/New_York") == [
        ("10-31 01:30:00-0400", "11-01 01:15:00-0500"),
    ]


def test_continuous_days_have_23_or_25_hours_where_the_clock_changes_and_leave_no_second_out() -> None:
    always = rule("continuous")
    assert hours(always, "2026-03-28T12:00", "2026-03-30T12:00", "Europe/Berlin") == [24, 23, 24]
    assert hours(always, "2026-10-24T12:00", "2026-10-26T12:00", "Europe/Berlin") == [24, 25, 24]
    days = list(windows(always, BERLIN, Interval(start=utc("2026-01-01"), end=utc("2027-01-01"))))
    assert all(earlier.end == later.start for earlier, later in itertools.pairwise(days))


def test_a_day_without_midnight_begins_when_its_clock_does() -> None:
    # Cairo, 24 April 2026: 00:00 becomes 01:00.
    assert local(rule("continuous"), "2026-04-23T12:00", "2026-04-24T12:00", "Africa/Cairo") == [
        ("04-23 00:00:00+0200", "04-24 01:00:00+0300"),
        ("04-24 01:00:00+0300", "04-25 00:00:00+0300"),
    ]


def test_a_clock_set_back_over_midnight_shows_yesterday_again_and_every_instant_has_one_window() -> None:
    # St. John's, 7 November 2010: 00:01 became 23:01 of the 6th.
    assert local(rule("continuous"), "2010-11-06T12:00", "2010-11-07T12:00", "America/St_Johns") == [
        ("11-06 00:00:00-0230", "11-07 00:00:00-0230"),
        ("11-07 00:00:00-0230", "11-08 00:00:00-0330"),
    ]
    late = rule("weekly", "23:00:00", "23:30:00", days_of_week=["saturday"])
    assert is_due(late, zone("America/St_Johns"), utc("2010-11-07T02:45"))  # 23:15, the second time
    assert current_window(late, zone("America/St_Johns"), utc("2010-11-07T02:45")) == Window(
        start=utc("2010-11-07T01:30"), end=utc("2010-11-07T03:00")
    )


def test_the_day_that_samoa_skipped_has_no_windows() -> None:
    # Apia went from 29 to 31 December 2011.
    assert local(rule("daily"), "2011-12-29T12:00", "2011-12-31T12:00", "Pacific/Apia") == [
        ("12-29 08:00:00-1000", "12-29 10:00:00-1000"),
        ("12-31 08:00:00+1400", "12-31 10:00:00+1400"),
    ]
    assert local(rule("continuous"), "2011-12-29T12:00", "2011-12-31T00:00", "Pacific/Apia") == [
        ("12-29 00:00:00-1000", "12-31 00:00:00+1400"),
        ("12-31 00:00:00+1400", "01-01 00:00:00+1400"),
    ]
    once = rule("once", start_date="2011-12-30")
    assert local(once, "2011-01-01", "2013-01-01", "Pacific/Apia") == []


def test_ramadan_in_casablanca() -> None:
    # The clock goes back an hour on 15 February 2026 (03:00 becomes 02:00), and forth on 22 March.
    night = rule("daily", "22:00:00", "06:00:00")
    assert hours(night, "2026-02-14T12:00", "2026-02-15T12:00", "Africa/Casablanca") == [9]
    assert hours(night, "2026-03-21T12:00", "2026-03-22T12:00", "Africa/Casablanca") == [7]


# --- now --------------------------------------------------------------------------------------------------------------


def test_a_window_includes_its_start_and_not_its_end() -> None:
    daily = rule("daily")
    assert not is_due(daily, BERLIN, utc("2026-06-01T05:59:59"))
    assert is_due(daily, BERLIN, utc("2026-06-01T06:00:00"))
    assert is_due(daily, BERLIN, utc("2026-06-01T07:59:59"))
    assert not is_due(daily, BERLIN, utc("2026-06-01T08:00:00"))


def test_the_next_change_is_a_start_or_an_end_after_now() -> None:
    daily = rule("daily", end_date="2026-06-01")
    assert next_change(daily, BERLIN, utc("2026-06-01T05:00")) == utc("2026-06-01T06:00")
    assert next_change(daily, BERLIN, utc("2026-06-01T06:00")) == utc("2026-06-01T08:00")
    assert next_change(daily, BERLIN, utc("2026-06-01T08:00")) is None


def test_the_next_change_is_found_years_ahead() -> None:
    far = rule("weekly", start_date="2099-12-31", days_of_week=["monday"])
    assert next_change(far, zone("UTC"), utc("2026-06-01")) == utc("2100-01-04T08:00")
    assert next_change(rule("once", start_date="2100-02-28"), zone("UTC"), utc("2000-01-01")) == utc("2100-02-28T08:00")


def test_now_may_have_any_offset() -> None:
    now = datetime(2026, 6, 1, 8, 30, tzinfo=BERLIN)
    assert current_window(rule("daily"), BERLIN, now) == Window(
        start=utc("2026-06-01T06:00"), end=utc("2026-06-01T08:00")
    )


@pytest.mark.parametrize("zone_name", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_the_ends_of_time_are_no_error(zone_name: str) -> None:
    ages = Interval(start=datetime.min.replace(tzinfo=UTC), end=datetime.max.replace(tzinfo=UTC))
    first = next(windows(rule("daily"), zone(zone_name), ages))
    assert first.start.year == 1
    assert not is_due(rule("daily"), zone(zone_name), datetime.max.replace(tzinfo=UTC))
    assert next_change(rule("daily"), zone(zone_name), datetime.max.replace(tzinfo=UTC)) is None


def test_a_schedule_since_2000_is_not_counted_through_to_2100() -> None:
    asked: list[datetime | None] = []

    class Counting(ZoneInfo):
        def utcoffset(self, moment: datetime | None, /) -> timedelta | None:
            asked.append(moment)
            return super().utcoffset(moment)

    counting = Counting.no_cache("Europe/Berlin")
    since_2000 = rule("daily", start_date="2000-01-01")
    assert is_due(since_2000, counting, utc("2100-06-01T07:00"))
    assert next_change(since_2000, counting, utc("2100-06-01T07:00")) == utc("2100-06-01T08:00")
    assert 0 < len(asked) < 100


# --- What makes no sense ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "field", "part"),
    [
        (rule("weekly"), "days_of_week", "at least one day"),
        (rule("once"), "start_date", "on which day"),
        (rule("once", end_date="2026-06-01"), "start_date", "on which day"),
        (
            rule("daily", start_date="2026-06-02", end_date="2026-06-01"),
            "end_date",
            "before the start date, 2026-06-02",
        ),
        (rule("continuous", start_date="2026-06-02", end_date="2026-06-01"), "end_date", "before the start date"),
        (rule("once", start_date="2026-06-02", end_date="2026-06-01"), "end_date", "before the start date"),
        (rule("daily", "08:00:00", "08:00:00"), "end_time", "continuous"),
        (rule("weekly", "08:00:00", "08:00:00", days_of_week=["monday"]), "end_time", "continuous"),
        (
            rule("once", "22:00:00", "06:00:00", start_date="2026-06-01", end_date="2026-06-01"),
            "end_time",
            "after the start, 22:00:00 on 2026-06-01",
        ),
        (rule("daily", days_of_week=["monday"]), "days_of_week", "choose weekly"),
        (rule("continuous", days_of_week=["monday"]), "days_of_week", "choose weekly"),
        (rule("once", start_date="2026-06-01", days_of_week=["monday"]), "days_of_week", "choose weekly"),
        (rule("daily", start_date="1999-12-31"), "start_date", "2000 to 2100"),
        (rule("daily", start_date="0001-01-01"), "start_date", "2000 to 2100"),
        (rule("once", start_date="9999-12-31"), "start_date", "2000 to 2100"),
        (rule("daily", end_date="2101-01-01"), "end_date", "2000 to 2100"),
    ],
)
def test_what_makes_no_sense_is_told_at_its_field_and_opens_nothing(
    schedule: ScheduleRule, field: str, part: str
) -> None:
    (problem,) = problems(schedule)
    assert problem.field == field
    assert part in problem.message
    ages = Interval(start=datetime.min.replace(tzinfo=UTC), end=datetime.max.replace(tzinfo=UTC))
    assert list(windows(schedule, BERLIN, ages)) == []
    assert not is_due(schedule, BERLIN, utc("2026-06-01T07:00"))
    assert next_change(schedule, BERLIN, utc("2026-06-01T07:00")) is None


def test_every_problem_is_told_at_once() -> None:
    hopeless = rule("weekly", "08:00:00", "08:00:00", start_date="2026-06-02", end_date="1999-06-01")
    assert [problem.field for problem in problems(hopeless)] == ["end_date", "end_date", "days_of_week", "end_time"]


@pytest.mark.parametrize(
    "schedule",
    [
        rule("daily"),
        rule("daily", "00:00:00", "00:00:00"),
        rule("daily", days_of_week=list(Weekday)),
        rule("daily", "22:00:00", "06:00:00", start_date="2026-06-01", end_date="2026-06-01"),
        rule("weekly", days_of_week=["monday", "monday"]),
        rule("continuous", "08:00:00", "08:00:00"),
        rule("once", "08:00:00", "08:00:00", start_date="2026-06-01"),
        rule("once", "08:00:00", "00:00:00", start_date="2026-06-01", end_date="2026-06-01"),
        rule("daily", start_date=date(2000, 1, 1), end_date=date(2100, 12, 31)),
    ],
)
def test_what_makes_sense_is_let_through(schedule: ScheduleRule) -> None:
    assert problems(schedule) == ()
    assert next_change(schedule, BERLIN, utc("2026-05-31")) is not None


def test_times_of_python_are_taken_as_they_are() -> None:
    assert rule("daily").start_time == time(8)
