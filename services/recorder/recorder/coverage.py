"""Which due time of one camera has no footage, and why: every second of it becomes a gap in the spool."""

import threading
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

from camfleet_contract.gaps import GapCause
from recorder.errors import CameraError
from recorder.spool import MissedFootage
from recorder.spool.gaps import Gaps
from recorder.wanted import Run

SMALLEST = timedelta(milliseconds=250)
"""Shorter holes are not worth a row: the distance of two frames is one."""

SILENT = timedelta(seconds=0.5)
"""A camera from which nothing came for so long is no longer between two pictures."""
_LONGEST = timedelta(days=1)
"""A gap of weeks is told day by day: who looks for gaps needn't look back for ever."""
_EARLY = timedelta(seconds=6)
"""By so much stamps may be ahead of the clock when the frame that ends a run comes."""
_NO_REASON = (GapCause.CAMERA_UNREACHABLE, "The camera had not sent its first picture yet.")


class Coverage:
    """One camera's account. Threads of the camera and the supervisor call it."""

    def __init__(self, camera_id: UUID, gaps: Gaps, last_footage: datetime | None = None) -> None:
        self._camera_id = camera_id
        self._gaps = gaps
        self._lock = threading.Lock()
        self._run: Run | None = None
        self._over: object = None
        """The key of the run that ended last: nobody begins it again."""
        self._recording_id: UUID | None = None
        self._missing_since: datetime | None = None
        self._written: MissedFootage | None = None
        """The gap that was written last, which may go on."""
        self._cause, self._detail = _NO_REASON
        self.last_footage = last_footage

    def begin(self, run: Run, known_since: datetime, recording_id: UUID | None = None) -> None:
        """The run is on. Its time is missing until footage comes; what was before it was known doesn't count."""
        with self._lock:
            if self._over == run.key:
                return
            if self._run is None or self._run.key != run.key:
                self._write(run.start, last=True)
                self._recording_id = None
                self._missing_since = max(run.start, known_since, self.last_footage or run.start)
            self._run = run
            self._recording_id = recording_id or self._recording_id

    def footage(self, start: datetime) -> None:
        """A segment begins."""
        with self._lock:
            self._write(start, last=True)
            self._missing_since = None
            self.last_footage = start  # also when the clock was set back: what is missing next counts from here

    def footage_until(self, end: datetime) -> None:
        """The newest frame ends here."""
        with self._lock:
            self.last_footage = end if self.last_footage is None else max(self.last_footage, end)

    def missing(self, cause: GapCause, detail: str) -> None:
        """Footage stopped, or doesn't come. The first reason of a gap stands; later ones are its consequences."""
        with self._lock:
            if self._run is not None and self._missing_since is None:
                self._missing_since = max(self._run.start, self.last_footage or self._run.start)
            if (self._cause, self._detail) == _NO_REASON:
                self._cause, self._detail = cause, detail

    def unread(self, until: datetime) -> None:
        """No more is read. What came last may be a while before `until`, though nobody called it a stall yet."""
        with self._lock:
            if self._run is None or self._missing_since is not None:
                return
            since = max(self._run.start, self.last_footage or self._run.start)
            silent = min(until, self._run.end) - since
            if silent >= SILENT:
                told = f"The camera had sent nothing for {silent.total_seconds():.1f} s when it was read no more."
                self._missing_since, self._cause, self._detail = since, GapCause.STREAM_STALLED, told

    def lost(self, start: datetime, end: datetime, recording_id: UUID, error: CameraError) -> None:
        """Footage that came and was counted, and didn't reach the disk."""
        missed = MissedFootage(uuid7(), self._camera_id, None, recording_id, start, end, error.cause, str(error))
        self._gaps.add([missed])

    def reason(self) -> str:
        """Why nothing comes just now; empty while footage does, or isn't due."""
        # Without the lock, which is held while a row is written: who asks must not wait for the disk.
        return "" if self._missing_since is None else self._detail

    def flush(self, now: datetime, at_least: timedelta = SMALLEST) -> None:
        """Write down what is missing until now, if that is long enough; the gap stays open."""
        with self._lock:
            if self._missing_since is not None and now - self._missing_since >= at_least:
                self._write(now, last=False)

    def over(self, now: datetime) -> None:
        """The run has ended, in time or before: so does its gap."""
        with self._lock:
            if self._run is not None:
                self._write(now, last=True)
                if now > self._run.end - _EARLY:
                    self._over = self._run.key
            self._run = self._recording_id = self._missing_since = None
            self._cause, self._detail = _NO_REASON

    def unwritten(self, now: datetime) -> MissedFootage | None:
        """What is missing by now and not written down yet."""
        with self._lock:
            return self._missed(now)

    def _missed(self, until: datetime) -> MissedFootage | None:
        if self._run is None or self._missing_since is None:
            return None
        start, end = self._missing_since, min(until, self._run.end)
        if end - start < SMALLEST:
            return None
        return MissedFootage(
            id=uuid7(),
            camera_id=self._camera_id,
            schedule_id=self._run.schedule_id,
            recording_id=self._recording_id,
            start=start,
            end=end,
            cause=self._cause,
            detail=self._detail,
        )

    def _write(self, until: datetime, *, last: bool) -> None:
        if self._run is None or self._missing_since is None:
            return
        missed = self._missed(until)
        if missed is not None:
            # A row a minute would be a million for a hundred cameras and a week without network, here as there.
            before = self._written
            if before is not None and _goes_on(before, missed) and missed.end - before.start <= _LONGEST:
                self._written = self._gaps.go_on(before, missed.end)
            else:
                self._gaps.add([missed])
                self._written = missed
            self._missing_since = missed.end
        if last:
            self._cause, self._detail = _NO_REASON


def _goes_on(before: MissedFootage, gap: MissedFootage) -> bool:
    """Whether both are one gap: without a moment between, of the same recording, for the same reason."""
    return before.end == gap.start and before == replace(gap, id=before.id, start=before.start, end=before.end)
