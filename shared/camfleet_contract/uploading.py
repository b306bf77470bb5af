"""When and how fast a recorder may upload, and what it is to upload first. Pure: `now` is always an argument."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, time, timedelta
from typing import Annotated, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from camfleet_contract.messages import Interval, Message, Utc, WallTime
from camfleet_contract.schedules import ScheduleRule, ScheduleType, Window, windows

SLOWEST_KBIT, FASTEST_KBIT = 64, 100_000_000
MOST_HOURS = 10
MOST_FETCHES = 100

_MIDNIGHT = time(0)
_HOURS: JsonDict = {"start_time": "22:00:00", "end_time": "06:00:00"}
_FETCH: JsonDict = {
    "id": "0198f0d9-3b00-7d44-8c21-4f7a9e0b6c12",
    "camera_id": "0b1d6a52-77a5-4f0e-9d0a-3a1c8f5d2e61",
    "start": "2026-03-01T19:15:00Z",
    "end": "2026-03-01T19:30:00Z",
    "expires_at": "2026-03-08T20:02:00Z",
}
UPLOADING_EXAMPLE: JsonDict = {"limit_kbit": 2000, "hours": [_HOURS], "fetches": [_FETCH]}

_TEXT = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d))?\s*[-\u2013]\s*(\d{1,2}):(\d\d)(?::(\d\d))?", re.ASCII)


class UploadHours(Message):
    """A stretch of every day, in wall-clock time of the recorder's site."""

    model_config = ConfigDict(json_schema_extra={"examples": [_HOURS]})

    start_time: WallTime
    end_time: WallTime
    """Before `start_time` it is meant on the next day; midnight is the end of the day."""

    @model_validator(mode="after")
    def _has_a_length(self) -> Self:
        if self.start_time == self.end_time != _MIDNIGHT:
            raise ValueError("the end must differ from the start; to upload all day, give no hours")
        return self

    def __str__(self) -> str:
        return f"{_short(self.start_time)}-{_short(self.end_time)}"


class Fetch(Interval):
    """One interval of one camera whose footage is to be uploaded before all other."""

    model_config = ConfigDict(json_schema_extra={"examples": [_FETCH]})

    id: UUID
    camera_id: UUID
    expires_at: Utc
    """From then on the footage waits for its turn like all other."""


class Uploading(Message):
    """How a recorder is to upload."""

    model_config = ConfigDict(json_schema_extra={"examples": [UPLOADING_EXAMPLE]})

    limit_kbit: Annotated[int, Field(ge=SLOWEST_KBIT)] | None = None
    """What all uploads together may take of the uplink, in units of 1,000 bits per second; null: all there is."""
    hours: list[UploadHours] = []
    """When footage may be uploaded; none: at any time."""
    fetches: list[Fetch] = []


def read_hours(text: str) -> list[UploadHours]:
    """As people write them: `22:00-06:00, 12:30-13:30`. Raises ValueError with a message for them."""
    found = [_read(part.strip()) for part in text.split(",") if part.strip()]
    if len(found) > MOST_HOURS:
        raise ValueError(f"must be at most {MOST_HOURS} stretches")
    return found


def written(hours: Iterable[UploadHours]) -> str:
    """As `read_hours` reads them."""
    return ", ".join(map(str, hours))


def openings(hours: Sequence[UploadHours], zone: ZoneInfo, between: Interval) -> list[Window]:
    """When uploads are open within `between`, in order, apart from each other."""
    if not hours:
        return [Window(start=between.start, end=between.end)]
    every = sorted(
        (window for one in hours for window in windows(_rule(one), zone, between)), key=lambda window: window.start
    )
    return [
        Window(start=max(window.start, between.start), end=min(window.end, between.end))
        for window in _joined(every)
        if window.end > between.start and window.start < between.end
    ]


def both(first: Sequence[Window], second: Sequence[Window]) -> list[Window]:
    """Where two lists of windows overlap; each in order and apart."""
    found = []
    for one in first:
        for other in second:
            start, end = max(one.start, other.start), min(one.end, other.end)
            if end - start > timedelta(0):
                found.append(Window(start=start, end=end))
    return found


def is_open_at(windows_: Iterable[Window], moment: datetime) -> bool:
    """Whether one of them contains the moment."""
    return any(window.contains(moment) for window in windows_)


def _joined(ordered: Iterable[Window]) -> Iterator[Window]:
    before: Window | None = None
    for window in ordered:
        if before is not None and window.start <= before.end:
            before = Window(start=before.start, end=max(before.end, window.end))
            continue
        if before is not None:
            yield before
        before = window
    if before is not None:
        yield before


def _rule(hours: UploadHours) -> ScheduleRule:
    return ScheduleRule(schedule_type=ScheduleType.DAILY, start_time=hours.start_time, end_time=hours.end_time)


def _read(part: str) -> UploadHours:
    match = _TEXT.fullmatch(part)
    if match is None:
        raise ValueError(f"{part[:40]!r} must be of the form 22:00-06:00; several are separated by commas")
    numbers = [int(number or 0) for number in match.groups()]
    try:
        start, end = _time(*numbers[:3]), _time(*numbers[3:], is_end=True)
    except ValueError:
        raise ValueError(f"{part[:40]!r} names a time that no clock shows") from None
    if start == end != _MIDNIGHT:
        raise ValueError(f"{part[:40]!r} has no length; to upload all day, give no hours")
    return UploadHours(start_time=start, end_time=end)


def _time(hour: int, minute: int, second: int, *, is_end: bool = False) -> time:
    return _MIDNIGHT if is_end and (hour, minute, second) == (24, 0, 0) else time(hour, minute, second)


def _short(moment: time) -> str:
    return f"{moment:%H:%M:%S}" if moment.second else f"{moment:%H:%M}"
