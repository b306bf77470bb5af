"""The hours in which a recorder may upload, as people write them and as the clocks of a site show them."""

from datetime import UTC, datetime, time, timedelta

import pytest
from pydantic import ValidationError

from camfleet_contract.configuration import RecorderConfig
from camfleet_contract.messages import Interval
from camfleet_contract.uploading import MOST_HOURS, UploadHours, both, openings, read_hours, written
from camfleet_contract.zones import zone

BERLIN = zone("Europe/Berlin")
NIGHT = read_hours("22:00-06:00")


def open_at(text: str, *moments: datetime) -> list[bool]:
    hours = read_hours(text)
    found = []
    for moment in moments:
        between = Interval(start=moment, end=moment + timedelta(seconds=1))
        found.append(any(window.contains(moment) for window in openings(hours, BERLIN, between)))
    return found


def shown(start: datetime, days: int, text: str = "22:00-06:00") -> list[tuple[str, str]]:
    between = Interval(start=start, end=start + timedelta(days=days))
    return [
        (f"{window.start:%d %H:%M}", f"{window.end:%d %H:%M}") for window in openings(read_hours(text), BERLIN, between)
    ]


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("22:00-06:00", "22:00-06:00"),
        (" 9:05 - 17:00 ,22:30:15\u201324:00", "09:05-17:00, 22:30:15-00:00"),
        ("0:00-24:00", "00:00-00:00"),
        ("", ""),
        (" , ", ""),
    ],
)
def test_hours_are_read_as_people_write_them(text: str, normal: str) -> None:
    assert written(read_hours(text)) == normal
    assert read_hours(normal) == read_hours(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("22-6", "of the form 22:00-06:00"),
        ("22:00", "of the form"),
        ("25:00-06:00", "names a time that no clock shows"),
        ("24:00-06:00", "names a time"),
        ("22:00-06:61", "names a time"),
        ("12:00-12:00", "has no length"),
        ("\u0661\u0662:00-13:00", "of the form"),
        ("10:00-11:00," * (MOST_HOURS + 1), f"at most {MOST_HOURS}"),
        ("x" * 10_000, "of the form"),
    ],
)
def test_what_makes_no_sense_is_told(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told) as raised:
        read_hours(text)
    assert len(str(raised.value)) < 150


def test_hours_without_a_length_are_refused_on_the_wire_too() -> None:
    with pytest.raises(ValidationError, match="must differ"):
        UploadHours(start_time=time(12), end_time=time(12))


def test_no_hours_mean_always() -> None:
    assert open_at("", datetime(2026, 3, 1, tzinfo=UTC)) == [True]
    assert shown(datetime(2026, 3, 1, tzinfo=UTC), 1, "00:00-24:00") == [("01 00:00", "02 00:00")]


def test_a_night_crosses_midnight() -> None:
    local = datetime(2026, 3, 1, tzinfo=BERLIN)
    moments = [local.replace(hour=hour, minute=minute) for hour, minute in ((5, 59), (6, 0), (21, 59), (22, 0))]
    assert open_at("22:00-06:00", *moments) == [True, False, False, True]
    assert shown(datetime(2026, 3, 1, 12, tzinfo=UTC), 2) == [("01 21:00", "02 05:00"), ("02 21:00", "03 05:00")]


def test_when_clocks_go_forward_the_hours_end_on_time_and_are_shorter() -> None:
    assert shown(datetime(2026, 3, 28, 12, tzinfo=UTC), 2) == [("28 21:00", "29 04:00"), ("29 20:00", "30 04:00")]


def test_when_clocks_go_back_the_hours_end_on_time_and_are_longer() -> None:
    assert shown(datetime(2026, 10, 24, 12, tzinfo=UTC), 2) == [("24 20:00", "25 05:00"), ("25 21:00", "26 05:00")]


def test_hours_in_the_gap_of_a_clock_change_are_not_there_that_day() -> None:
    assert shown(datetime(2026, 3, 28, 0, tzinfo=UTC), 3, "02:00-03:00") == [
        ("28 01:00", "28 02:00"),
        ("30 00:00", "30 01:00"),
    ]


def test_hours_that_overlap_or_touch_are_one_stretch() -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    assert shown(start, 1, "10:00-12:00, 11:00-13:00, 13:00-14:00") == [("01 09:00", "01 13:00")]


def test_both_is_where_two_lists_overlap() -> None:
    between = Interval(start=datetime(2026, 3, 1, 12, tzinfo=UTC), end=datetime(2026, 3, 2, 12, tzinfo=UTC))
    found = both(openings(NIGHT, BERLIN, between), openings(read_hours("23:00-24:00, 05:00-08:00"), BERLIN, between))
    assert [(f"{w.start:%H:%M}", f"{w.end:%H:%M}") for w in found] == [("22:00", "23:00"), ("04:00", "05:00")]


def test_rules_that_this_version_cannot_read_are_set_aside() -> None:
    document = {"revision": "1", "client_id": "7d2f5b1e-93c4-4c1a-b5e8-6a0f4d3c2b19", "client_name": "Gatehouse"}
    assert RecorderConfig.model_validate(document).uploading is None
    strange = RecorderConfig.model_validate(document | {"uploading": {"hours": "at night"}})
    assert strange.uploading is None
    assert len(strange.unreadable) == 1
    known = RecorderConfig.model_validate(document | {"uploading": {"limit_kbit": 2000, "shape": "soft"}})
    assert known.uploading is not None
    assert known.uploading.limit_kbit == 2000
    assert known.unreadable == ()
