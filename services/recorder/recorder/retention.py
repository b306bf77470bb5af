"""Which local files go, and when: proven ones by age, and whatever must when the disk is nearly full."""

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from uuid_utils.compat import uuid7

from camfleet_contract.gaps import GapCause
from recorder.clock import Clock
from recorder.errors import DiskMissing
from recorder.spool import MissedFootage, Segment, Spool

log = structlog.get_logger(__name__)

POLL = timedelta(seconds=10)
BATCH = 500
# Small, so that no more goes than must.
BATCH_UNDER_PRESSURE = 10
# Footage may end a little ahead of a clock that was set back.
_ANY_AGE = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """The data disk."""

    total_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True)
class Reserve:
    """The free space below which files must go."""

    free_bytes: int = 1024**3
    free_fraction: float = 0.02

    def is_short(self, disk: DiskSpace) -> bool:
        """Whether the disk has less than both the bytes and the share ask for."""
        return disk.free_bytes < max(self.free_bytes, disk.total_bytes * self.free_fraction)


def disk_space(folder: Path) -> DiskSpace:
    """What the disk under a folder has for this user; OSError if it is gone."""
    usage = shutil.disk_usage(folder)
    return DiskSpace(usage.total, usage.free)


class Retention:
    """Deletes through the spool only, which deletes the file first and the row after."""

    def __init__(
        self,
        spool: Spool,
        *,
        clock: Clock,
        keep: timedelta,
        reserve: Reserve,
        measure: Callable[[], DiskSpace],
        on_gap: Callable[[], None],
        poll: timedelta = POLL,
    ) -> None:
        self._spool = spool
        self._clock = clock
        self._keep = keep
        self._reserve = reserve
        self._measure = measure
        self._on_gap = on_gap
        self._poll = poll
        self._woken = asyncio.Event()
        self.is_short = False
        """Whether the disk is nearly full, as of the last sweep."""
        self.error = ""
        """Why the last sweep failed; empty when it didn't."""

    def wake(self) -> None:
        """Segments were proven."""
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._woken.clear()
            try:
                given_up = await asyncio.to_thread(self.sweep)
                self.error = ""
            except DiskMissing:
                given_up = 0  # the cameras say so; with the disk away, nothing is pruned
            except (OSError, sqlite3.Error) as error:
                given_up = 0
                if self.error != str(error):
                    log.warning("retention_failed", reason=str(error))
                self.error = str(error)
            if given_up:
                self._on_gap()
            try:
                async with asyncio.timeout(self._poll.total_seconds()):
                    await self._woken.wait()
            except TimeoutError:
                continue

    def sweep(self) -> int:
        """Deletes what may or must go; how many segments went unproven. Blocks."""
        self._spool.check_disk()
        now = self._clock.now()
        before = now - self._keep if self._keep else now + _ANY_AGE
        while len(self._spool.segments.delete_stored(before, BATCH)) == BATCH:
            pass
        given_up = self._make_room(now)
        self._spool.recordings.forget_finished()
        return given_up

    def _make_room(self, now: datetime) -> int:
        given_up = 0
        while self._reserve.is_short(self._measure()):
            self._say_once()
            if self._spool.segments.delete_stored(now + _ANY_AGE, BATCH_UNDER_PRESSURE):
                continue
            oldest = self._spool.segments.to_offer(now + _ANY_AGE, newest_first=False, limit=BATCH_UNDER_PRESSURE)
            if not oldest:
                return given_up
            for segment in oldest:
                self._spool.segments.give_up(segment, _gap(segment))
                given_up += 1
                log.warning("segment_given_up", segment_id=segment.id, camera_id=segment.camera_id, reason="disk full")
                if not self._reserve.is_short(self._measure()):
                    break
        self.is_short = False
        return given_up

    def _say_once(self) -> None:
        if not self.is_short:
            log.warning("disk_nearly_full")
        self.is_short = True


def _gap(segment: Segment) -> MissedFootage:
    sealed = segment.sealed
    start = sealed.start if sealed else segment.opened_at
    end = sealed.end if sealed else segment.opened_at
    return MissedFootage(
        id=uuid7(),
        camera_id=segment.camera_id,
        schedule_id=None,
        recording_id=segment.recording_id,
        start=start,
        end=end,
        cause=GapCause.RETENTION,
        detail="recorded, then deleted before it could be uploaded: the disk was nearly full",
    )
