"""Which local files go, and when: by age, by what a camera may take, and when the disk is nearly full."""

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from camfleet_contract.gaps import GapCause
from recorder.clock import Clock
from recorder.errors import DiskMissing
from recorder.spool import MissedFootage, Segment, SegmentState, Spool

log = structlog.get_logger(__name__)

GIB = 1024**3
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
    total_files: int = 0
    """Of how many files it can hold the names (inodes); 0 where the file system sets no limit."""
    free_files: int = 0


@dataclass(frozen=True, slots=True)
class Reserve:
    """The free space below which files must go."""

    free_bytes: int = GIB
    free_fraction: float = 0.02

    def is_short(self, disk: DiskSpace) -> bool:
        """Whether the disk has less than both the bytes and the share ask for, or less than the share of its inodes."""
        is_short_of_files = disk.free_files < disk.total_files * self.free_fraction
        return is_short_of_files or disk.free_bytes < self.bytes_of(disk)

    def bytes_of(self, disk: DiskSpace) -> float:
        """The larger of both."""
        return max(self.free_bytes, disk.total_bytes * self.free_fraction)


def disk_space(folder: Path) -> DiskSpace:
    """What the disk under a folder has for this user; OSError if it is gone."""
    usage, found = shutil.disk_usage(folder), os.statvfs(folder)
    return DiskSpace(usage.total, usage.free, found.f_files, found.f_favail)


@dataclass(frozen=True, slots=True)
class ToldHolds:
    """What the control plane holds of this recorder's recordings."""

    recordings: frozenset[UUID]
    is_all: bool
    """False while that may be out of date: then nothing is released for not being among them."""


class Retention:
    """Deletes through the spool only, which deletes the file first and the row after, and nothing that is held.

    Proven footage goes first, then what is uploaded and not yet proven, then the rest; each oldest first.
    """

    def __init__(
        self,
        spool: Spool,
        *,
        clock: Clock,
        keep: timedelta,
        reserve: Reserve,
        measure: Callable[[], DiskSpace],
        on_gap: Callable[[], None],
        keep_unproven: timedelta | None = None,
        bytes_per_camera: int | None = None,
        told_holds: Callable[[], ToldHolds | None] = lambda: None,
        poll: timedelta = POLL,
    ) -> None:
        """`keep` counts for proven footage, `keep_unproven` for all other; None keeps it as long as there is room."""
        self._spool = spool
        self._clock = clock
        self._keep = keep
        self._keep_unproven = keep_unproven
        self._bytes_per_camera = bytes_per_camera
        self._reserve = reserve
        self._measure = measure
        self._told_holds = told_holds
        self._on_gap = on_gap
        self._poll = poll
        self._woken = asyncio.Event()
        self.is_short = False
        """Whether the disk is nearly full, as of the last sweep."""
        self.error = ""
        """Why the last sweep failed; empty when it didn't."""

    def wake(self) -> None:
        """Segments were proven, or held or released."""
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
        now = self._clock.now()
        told = self._told_holds()
        if told is not None:
            self._spool.holds.converge(told.recordings, now, is_all=told.is_all)
        self._spool.check_disk()
        before = now - self._keep if self._keep else now + _ANY_AGE
        while len(self._spool.removals.delete_stored(before, BATCH)) == BATCH:
            pass
        given_up = self._drop_aged(now) + self._drop_above_share(now) + self._make_room(now)
        self._spool.recordings.forget_finished()
        self._spool.tidy()
        return given_up

    def _drop_aged(self, now: datetime) -> int:
        if self._keep_unproven is None:
            return 0
        days = self._keep_unproven / timedelta(days=1)
        reason = f"it was older than {days:g} days (KEEP_UNPROVEN_DAYS)"
        given_up = 0
        while oldest := self._unproven(now - self._keep_unproven, BATCH):
            went = sum(self._give_up(segment, reason) for segment in oldest)
            given_up += went
            if not went:
                break  # held meanwhile; the next sweep won't even see them
        return given_up

    def _drop_above_share(self, now: datetime) -> int:
        if self._bytes_per_camera is None:
            return 0
        given_up = 0
        for camera in self._spool.removals.occupied():
            excess = camera.size_bytes - self._bytes_per_camera
            reason = (
                f"the camera's footage took {_gib(camera.size_bytes)} of this disk,"
                f" {_gib(self._bytes_per_camera)} are allowed (MAX_GIB_PER_CAMERA)"
            )
            while excess > 0:
                gone = self._spool.removals.delete_stored(now + _ANY_AGE, 1, camera.camera_id)
                if not gone:
                    gone = self._unproven(now + _ANY_AGE, 1, camera.camera_id)
                    if not gone or not self._give_up(gone[0], reason):
                        break  # the rest is held
                    given_up += 1
                excess -= sum(_size(segment) for segment in gone)
        return given_up

    def _make_room(self, now: datetime) -> int:
        given_up = 0
        while self._reserve.is_short(disk := self._measure()):
            self._say_once()
            if self._spool.removals.delete_stored(now + _ANY_AGE, BATCH_UNDER_PRESSURE):
                continue
            oldest = self._unproven(now + _ANY_AGE, BATCH_UNDER_PRESSURE)
            if not oldest:
                return given_up
            for segment in oldest:
                reason = (
                    f"the disk was nearly full, {_gib(disk.free_bytes)} of {_gib(disk.total_bytes)} were free and"
                    f" {_gib(self._reserve.bytes_of(disk))} are to be (MIN_FREE_GIB, MIN_FREE_PERCENT)"
                )
                given_up += self._give_up(segment, reason)
                if not self._reserve.is_short(disk := self._measure()):
                    break
        self.is_short = False
        return given_up

    def _unproven(self, before: datetime, limit: int, camera_id: UUID | None = None) -> list[Segment]:
        oldest = self._spool.removals.oldest
        return oldest(SegmentState.UPLOADED, before, limit, camera_id) or oldest(
            SegmentState.SEALED, before, limit, camera_id
        )

    def _give_up(self, segment: Segment, reason: str) -> bool:
        gone = self._spool.removals.give_up(segment, _gap(segment, reason))
        if gone:
            log.warning("segment_given_up", segment_id=segment.id, camera_id=segment.camera_id, reason=reason)
        return gone

    def _say_once(self) -> None:
        if not self.is_short:
            log.warning("disk_nearly_full", held=self._spool.removals.held_note() or None)
        self.is_short = True


def _gap(segment: Segment, reason: str) -> MissedFootage:
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
        detail=f"recorded, then deleted before it was proven to be uploaded: {reason}",
    )


def _size(segment: Segment) -> int:
    return segment.sealed.size_bytes if segment.sealed else 0


def _gib(size_bytes: float) -> str:
    return f"{size_bytes / GIB:.3g} GiB"
