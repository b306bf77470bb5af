"""What should be recorded when: pure rules over the configuration and a moment passed in."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from camfleet_contract.cameras import RtspTransport
from camfleet_contract.configuration import RecorderConfig, Schedule
from camfleet_contract.messages import Interval
from camfleet_contract.recordings import RecordingStatus
from camfleet_contract.schedules import Window, windows
from camfleet_contract.zones import zone

CONNECT_AHEAD = timedelta(seconds=5)
"""A stream is opened this long before its window, so that recording begins with the window."""
LINGER = timedelta(seconds=3)
"""A stream is read this much longer than its window: frames arrive later than they were taken."""
HORIZON = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Stream:
    """One input that should be open."""

    camera_id: UUID
    url: str
    transport: RtspTransport = RtspTransport.TCP
    name: str = field(default="", compare=False)
    """The camera's, for a person."""

    def __repr__(self) -> str:
        return f"Stream(camera_id={self.camera_id})"  # the URL holds a password


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of one camera's time that one recording is to cover."""

    camera_id: UUID
    schedule_id: UUID | None
    """None for a manual run."""
    opened: datetime
    """Start of the window; with the schedule it identifies the run while its other facts may be edited."""
    name: str
    start: datetime
    """Later than `opened` where another window owned the camera until then."""
    end: datetime
    segment_seconds: int
    ends_as: RecordingStatus = RecordingStatus.COMPLETED
    """What the recording is once `end` has come."""

    @property
    def key(self) -> tuple[UUID, UUID | None, datetime]:
        return self.camera_id, self.schedule_id, self.opened


def wanted(
    config: RecorderConfig, runs: Iterable[Run], now: datetime, transport: RtspTransport = RtspTransport.TCP
) -> set[Stream]:
    """The streams that should be open at `now`: those of runs that are on, or begin in a moment.

    `transport` is that of cameras that have none of their own.
    """
    streams = camera_streams(config, transport)
    return {
        streams[run.camera_id]
        for run in runs
        if run.camera_id in streams and run.start - CONNECT_AHEAD <= now < run.end + LINGER
    }


def runs_between(
    config: RecorderConfig, between: Interval, manual: Iterable[Run] = (), stopped: frozenset[object] = frozenset()
) -> dict[UUID, tuple[Run, ...]]:
    """Per camera, its runs that touch `between` (one that ends at its start doesn't), in order and never overlapping.

    `stopped` holds the keys of runs that an operator ended.
    """
    asked: dict[UUID, list[Run]] = {}
    for run in manual:
        asked.setdefault(run.camera_id, []).append(run)
    for schedule in config.schedules:
        for window in _windows(schedule, between):
            asked.setdefault(schedule.camera.id, []).append(
                Run(
                    camera_id=schedule.camera.id,
                    schedule_id=schedule.id,
                    opened=window.start,
                    name=schedule.name,
                    start=window.start,
                    end=window.end,
                    segment_seconds=schedule.segment_seconds,
                )
            )
    return {
        camera_id: tuple(_owned(run for run in runs if run.key not in stopped and run.end > between.start))
        for camera_id, runs in asked.items()
    }


def unknown_zones(config: RecorderConfig) -> dict[UUID, str]:
    """Schedules that open no window here since this machine doesn't know their zone, with the reason."""
    reasons = {}
    for schedule in config.schedules:
        try:
            zone(schedule.timezone)
        except ValueError as error:
            reasons[schedule.id] = str(error)
    return reasons


def next_boundary(runs: Iterable[Run], now: datetime) -> datetime | None:
    """When the set of wanted streams next changes by itself."""
    moments = (moment for run in runs for moment in (run.start - CONNECT_AHEAD, run.start, run.end + LINGER))
    return min((moment for moment in moments if moment > now), default=None)


def run_at(runs: Iterable[Run], moment: datetime) -> Run | None:
    """The run that owns the moment."""
    return next((run for run in runs if run.start <= moment < run.end), None)


def camera_streams(config: RecorderConfig, transport: RtspTransport = RtspTransport.TCP) -> dict[UUID, Stream]:
    """The stream of each camera. A schedule may bring a camera that the list doesn't have.

    `transport` is that of cameras that have none of their own.
    """
    due = {
        camera.id: Stream(camera.id, camera.rtsp_url, transport, camera.name)
        for camera in (schedule.camera for schedule in config.schedules)
    }
    return due | {
        camera.id: Stream(camera.id, camera.recorded_url, camera.rtsp_transport or transport, camera.name)
        for camera in config.cameras
    }


def _windows(schedule: Schedule, between: Interval) -> Iterable[Window]:
    try:
        return windows(schedule, zone(schedule.timezone), between)
    except ValueError:
        return ()  # `unknown_zones` tells; the other schedules go on


def _owned(runs: Iterable[Run]) -> Iterable[Run]:
    """Overlapping runs, cut so that the one that opened first owns the footage."""
    free_from: datetime | None = None
    for run in sorted(runs, key=lambda run: (run.opened, str(run.schedule_id))):
        start = run.start if free_from is None else max(run.start, free_from)
        if start < run.end:
            yield replace(run, start=start)
            free_from = run.end
