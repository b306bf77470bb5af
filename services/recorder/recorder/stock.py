"""What the spool and its disk hold, for whoever asks: nobody who asks waits long for a disk."""

import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID

from camfleet_contract.uploading import Fetch
from recorder.clock import Clock
from recorder.errors import SpoolError
from recorder.retention import DiskSpace, disk_space
from recorder.spool import Backlog, Head, Hold, SegmentState, Spool
from recorder.spool.directory import RECORDINGS

PATIENCE_SECONDS = 2.0
"""How long somebody who asks waits before the last answer must do."""


@dataclass(frozen=True, slots=True)
class Holdings:
    """As it was at one moment."""

    backlog: Backlog = field(default_factory=lambda: Backlog(0, 0, None))
    counts: Mapping[SegmentState, int] = field(default_factory=lambda: dict.fromkeys(SegmentState, 0))
    refusals: Mapping[str, int] = field(default_factory=dict)
    holds: Sequence[Hold] = ()
    held_bytes: int = 0
    held_note: str = ""
    """What to tell of a full disk on which only held footage is left; empty while other footage could go."""
    fetches: Mapping[UUID, Backlog] = field(default_factory=dict)
    """What is left of each that was asked for."""
    unproven_bytes: Mapping[UUID, int] = field(default_factory=dict)
    """Of each camera."""
    sealed_bytes: Mapping[UUID, int] = field(default_factory=dict)
    """Of each camera, all that was ever sealed."""
    stored_bytes: int = 0
    """What may be deleted at any time."""
    heads: Sequence[Head] = ()
    """Of the cameras' chains."""
    log_bytes: int = 0
    """Of the database's write-ahead log."""
    space: DiskSpace | None = None
    """Of the data disk; None while it is away."""
    missing: str = ""
    """Why the data disk can't be used; empty when it can."""
    unreadable: str = ""
    """Why the database can't be read: then the figures are older."""
    late_seconds: float = 0.0
    """For how long the disk has kept a newer answer waiting."""


class Stock:
    """Reads on one thread of its own: a disk that stands still holds up that thread alone. Any thread may ask."""

    def __init__(self, spool: Spool, clock: Clock, fetches: Callable[[], Sequence[Fetch]] = lambda: ()) -> None:
        self._spool = spool
        self._clock = clock
        self._fetches = fetches
        self._folder: Path = spool.base / RECORDINGS
        self._lock = threading.Lock()
        self._reader = ThreadPoolExecutor(1, "stock")
        self._reading: Future[Holdings] | None = None
        self._began = 0.0
        self._last = Holdings()

    def holdings(self) -> Holdings:
        """As of now, or what was read last where the disk lets us wait; blocks for two seconds at most."""
        with self._lock:
            if self._reading is None or self._reading.done():
                self._began = self._clock.monotonic()
                self._reading = self._reader.submit(self._read)
            reading = self._reading
        try:
            return reading.result(PATIENCE_SECONDS)
        except TimeoutError:
            return replace(self._last, late_seconds=self._clock.monotonic() - self._began)

    def _read(self) -> Holdings:
        found = replace(self._last, missing="", unreadable="", space=None)
        try:
            self._spool.check_disk()
            found = replace(found, space=disk_space(self._folder))
        except (SpoolError, OSError) as error:
            found = replace(found, missing=str(error))
        segments = self._spool.segments
        try:
            found = replace(found, backlog=segments.backlog(), counts=segments.counts(), refusals=segments.refusals())
            removals = self._spool.removals
            held_bytes = sum(camera.held_bytes for camera in removals.occupied())
            found = replace(found, holds=self._spool.holds.all(), held_bytes=held_bytes, held_note=removals.held_note())
            found = replace(found, log_bytes=self._spool.log_bytes(), stored_bytes=removals.deletable_bytes())
            queue = self._spool.uploads
            left = {fetch.id: queue.left(fetch.camera_id, fetch.start, fetch.end) for fetch in self._fetches()}
            unproven, sealed = queue.unproven_bytes(), queue.sealed_bytes()
            found = replace(found, heads=self._spool.chains.heads())
            found = replace(found, fetches=left, unproven_bytes=unproven, sealed_bytes=sealed)
        except sqlite3.Error as error:
            found = replace(found, unreadable=str(error))
        self._last = found
        return found
