"""Schedules and their windows in the words of the examples: times as the site's clock shows them."""

from datetime import UTC, datetime
from typing import Any

from camfleet_contract.messages import Interval
from camfleet_contract.schedules import ScheduleRule, windows
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
