"""The examples that operators read are what the rules do."""

import re
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from camfleet_contract.messages import Interval
from camfleet_contract.schedules import ScheduleRule, problems, windows
from camfleet_contract.zones import zone

PAGE = Path(__file__).parents[2] / "docs" / "schedules.md"
SCHEDULE = re.compile(
    r"(?P<schedule_type>once|daily|weekly|continuous)"
    r"(?: on (?P<on>\S+))?(?: until (?P<end_date>\S+))?(?: (?P<start_time>\S+) to (?P<end_time>\S+))?"
)


def rows() -> list[list[str]]:
    table = PAGE.read_text("utf-8").partition("## Examples")[2].partition("\n## ")[0]
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("|")
    ]
    return cells[2:]


def rule(text: str) -> ScheduleRule:
    parsed = SCHEDULE.fullmatch(text)
    assert parsed, text
    on, fields = parsed["on"], {"start_time": "00:00:00", "end_time": "00:00:00"}
    fields |= {name: value for name, value in parsed.groupdict().items() if value and name != "on"}
    if on:
        key, value = ("start_date", on) if fields["schedule_type"] == "once" else ("days_of_week", [on])
        return ScheduleRule.model_validate(fields | {key: value})
    return ScheduleRule.model_validate(fields)


def test_the_page_has_examples_of_every_type() -> None:
    assert {row[0].split()[0] for row in rows()} == {"once", "daily", "weekly", "continuous"}


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row[0]} {row[1]} {row[2]}")
def test_every_example_of_the_page_is_true(row: list[str]) -> None:
    schedule, zone_name, start, end, hours, _ = row
    site = zone(zone_name)
    assert problems(rule(schedule)) == ()
    day = datetime.combine(datetime.fromisoformat(start.removeprefix("nothing on ")), time(0), site).astimezone(UTC)
    starting = [
        window
        for window in windows(rule(schedule), site, Interval(start=day, end=day + timedelta(hours=26)))
        if window.start.astimezone(site).date() == day.astimezone(site).date()
    ]
    if start.startswith("nothing"):
        assert starting == []
        return
    (window,) = starting
    shown = "%Y-%m-%d %H:%M:%S"
    assert (f"{window.start.astimezone(site):{shown}}", f"{window.end.astimezone(site):{shown}}") == (start, end)
    assert window.seconds / 3600 == pytest.approx(float(hours), abs=0.0001)
