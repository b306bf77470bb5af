"""What schedules do when the clock of the site changes, by example."""

import itertools

from camfleet_contract.messages import Interval
from camfleet_contract.schedules import (
    Window,
    current_window,
    is_due,
    next_change,
    windows,
)
from camfleet_contract.zones import zone

from .site_time import BERLIN, hours, local, rule, utc


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


def test_a_window_of_the_day_before_yesterday_may_still_be_open() -> None:
    # St. John's again: at 00:00:30 of Sunday, Saturday's 23:30 is yet to come a second time.
    long = rule("weekly", "23:45:00", "23:30:00", days_of_week=["friday"])
    assert is_due(long, zone("America/St_Johns"), utc("2010-11-07T02:30:30"))


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
