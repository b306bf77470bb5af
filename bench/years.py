"""What years of footage leave behind in the spool's own file: its size, its log, and how long it takes to ask it."""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from uuid_utils.compat import uuid7

from bench.results import Result, compared
from camfleet_contract.gaps import GapCause
from camfleet_contract.recordings import RecordingStatus
from recorder.retention import DiskSpace, Reserve, Retention
from recorder.spool import MissedFootage, Recording, Sealed, Segment, Spool

YEARS = 10
FLAT = 1.25
"""The last year may be so much above the second one: the first still fills what is kept."""
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own in it
_ASKED = 20


@dataclass(frozen=True, slots=True)
class Pace:
    """How much happens. A year of fewer days than it has is the same life with coarser steps."""

    days_a_year: int = 36
    cameras: int = 10
    segments_a_day: int = 12
    """Of each camera."""
    dark_days: int = 6
    """So many days of each year nothing can be uploaded or reported, and all of it afterwards."""


@dataclass(frozen=True, slots=True)
class Year:
    """The spool at the end of one."""

    file_bytes: int
    log_bytes: int
    rows: int
    ask_seconds: float
    """For what the recorder asks all the time: the backlog, what to upload, what to tell, what may go."""


async def years(folder: Path) -> list[Result]:
    """Ten years, in memory where there is some to be had: a hundred thousand fsyncs would prove nothing here."""
    lived = await asyncio.to_thread(lived_in_memory, folder, YEARS, Pace())
    early, late = lived[1], lived[-1]
    return [
        compared("recorder.spool_file.10_years", late.file_bytes / 1e6, "MB", early.file_bytes / 1e6, FLAT),
        compared("recorder.spool_log.10_years", late.log_bytes / 1e6, "MB", max(early.log_bytes, 1) / 1e6, FLAT),
        compared("recorder.spool_queries.10_years", late.ask_seconds * 1e3, "ms", early.ask_seconds * 1e3),
    ]


def lived_in_memory(otherwise: Path, count: int, pace: Pace) -> list[Year]:
    """As `live`, in a folder that goes again."""
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else otherwise) as base:
        return list(live(Path(base), count, pace))


def live(base: Path, count: int, pace: Pace) -> Iterator[Year]:
    """So many years of begun, sealed, uploaded, proven and deleted segments with their recordings and gaps."""
    spool = Spool.open(base)
    clock = _Days(_BEGIN)
    retention = Retention(
        spool,
        clock=clock,
        keep=timedelta(days=1),
        reserve=Reserve(0, 0),
        measure=lambda: DiskSpace(10**12, 10**12),
        on_gap=lambda: None,
    )
    cameras = [uuid7() for _ in range(pace.cameras)]
    for _ in range(count):
        for day in range(pace.days_a_year):
            for camera_id in cameras:
                _record(spool, camera_id, clock.now(), pace.segments_a_day)
            clock.time += timedelta(days=365 / pace.days_a_year)
            if day >= pace.dark_days:
                _report(spool, clock.now())
            retention.sweep()
        yield _measured(spool, clock.now())
    spool.close()


class _Days:
    """A clock that is moved."""

    def __init__(self, begin: datetime) -> None:
        self.time = begin

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return (self.time - _BEGIN).total_seconds()


def _record(spool: Spool, camera_id: UUID, day: datetime, segments: int) -> None:
    recording = Recording(uuid7(), camera_id, None, "Always", day, until=day + timedelta(days=1))
    spool.recordings.begin(recording)
    for number in range(segments):
        start = day + timedelta(minutes=number)
        segment = spool.segments.begin(uuid7(), recording.id, camera_id, start)
        file = spool.segments.file(segment)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        end = start + timedelta(minutes=1)
        spool.segments.seal(segment.id, Sealed(start, end, 1, "AAAAAA==", segment.id.hex * 2, "h264", 1500))
    spool.recordings.finish(recording.id, RecordingStatus.COMPLETED, day + timedelta(days=1))
    gap = MissedFootage(
        uuid7(), camera_id, None, recording.id, day, day + timedelta(seconds=9), GapCause.STREAM_STALLED, "nothing came"
    )
    spool.gaps.add([gap])


def _report(spool: Spool, now: datetime) -> None:
    """What the control plane's side does, until nothing is left to do."""
    while recordings := spool.recordings.to_register(now):
        for recording in recordings:
            spool.recordings.mark_registered(recording.id)
    while recordings := spool.recordings.to_report(now):
        for recording in recordings:
            spool.recordings.mark_reported(recording.id, recording.status)
    while segments := spool.segments.to_upload(now):
        _prove(spool, segments)
    spool.gaps.mark_reported(spool.gaps.to_report(now, limit=100_000))


def _prove(spool: Spool, segments: list[Segment]) -> None:
    for segment in segments:
        spool.segments.mark_uploaded(segment.id, f"cameras/{segment.id}", 1)
    spool.segments.mark_stored([segment.id for segment in segments])


def _measured(spool: Spool, now: datetime) -> Year:
    began = time.perf_counter()
    for _ in range(_ASKED):
        spool.segments.backlog()
        spool.segments.to_upload(now)
        spool.segments.uploaded(now)
        spool.recordings.to_register(now)
        spool.recordings.to_report(now)
        spool.gaps.to_report(now)
        spool.removals.occupied()
    asked = (time.perf_counter() - began) / _ASKED
    files = spool.base / "spool.sqlite3"
    return Year(files.stat().st_size, spool.log_bytes(), sum(spool.segments.counts().values()), asked)
