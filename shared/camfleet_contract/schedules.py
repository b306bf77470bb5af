"""Which windows a schedule opens, in the site's time zone. Pure: `now` is always an argument."""

from datetime import date
from enum import StrEnum

from camfleet_contract.messages import Interval, Message, WallTime


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


class ScheduleRule(Message):
    """When to record, in wall-clock time of the site."""

    schedule_type: ScheduleType
    start_time: WallTime
    end_time: WallTime
    start_date: date | None = None
    end_date: date | None = None
    days_of_week: list[Weekday] = []
    is_active: bool = True


class Window(Interval):
    """One concrete stretch that a schedule opens."""
