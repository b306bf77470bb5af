"""The rules of schedules, by example."""

from datetime import UTC, date, datetime, time, timedelta
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

from .site_time import BERLIN, local, rule, utc

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
