"""One camera's recordings: begun and finished as runs come and go, their segments handed to the sealer."""

import errno
import threading
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from camfleet_contract.recordings import RecordingStatus
from recorder.clock import Anchor, Clock
from recorder.clock_error import ClockError
from recorder.coverage import SMALLEST, Coverage
from recorder.durability import Syncer
from recorder.errors import CameraError, DiskFailed, DiskFull
from recorder.losses import Losses
from recorder.paperwork import Paperwork
from recorder.recovery import recover_open_alone
from recorder.scenes.tally import Tally
from recorder.sealing import Job, Sealer
from recorder.segments import SegmentWriter
from recorder.spool import Recording, Segment, SegmentState, Spool
from recorder.wanted import Run

log = structlog.get_logger(__name__)


class Journal:
    """Lives as long as the camera is known: connections come and go, the recording goes on."""

    def __init__(
        self,
        camera_id: UUID,
        spool: Spool,
        clock: Clock,
        sealer: Sealer,
        coverage: Coverage,
        on_sealed: Callable[[], None],
        clock_error: ClockError,
        syncer: Syncer,
        tally: Tally | None = None,
    ) -> None:
        self.camera_id = camera_id
        self.spool = spool
        self.clock = clock
        self.coverage = coverage
        self.tally = tally
        """Where the sizes of frames are counted; None where nobody wants to know."""
        self.losses = Losses()
        self.run: Run | None = None
        self.recording: Recording | None = None
        self.error: CameraError | None = None
        """What last kept the camera from giving footage; None while it does."""
        self._lock = threading.RLock()
        """The camera's thread and the supervisor both begin and finish."""
        self._paperwork = Paperwork(camera_id, sealer, spool.check_disk)
        self._on_sealed = on_sealed
        self._clock_error = clock_error
        self._syncer = syncer

    def begin(self, run: Run, known_since: datetime) -> UUID:
        """The recording of this run, begun if it isn't; the one before is finished."""
        with self._lock:
            return self._begin(run, known_since)

    def _begin(self, run: Run, known_since: datetime) -> UUID:
        if self.run is not None and self.recording is not None and self.run.key == run.key:
            self.change(run)
            return self.recording.id
        self.finish(RecordingStatus.COMPLETED)
        recording = Recording(
            id=uuid7(),
            camera_id=run.camera_id,
            schedule_id=run.schedule_id,
            name=run.name,
            started_at=max(run.start, known_since),
            until=run.end,
        )
        self.spool.recordings.begin(recording)
        self.run, self.recording = run, recording
        self.coverage.begin(run, known_since, recording.id)
        log.info("recording_begun", camera_id=str(run.camera_id), recording_id=str(recording.id), until=str(run.end))
        return recording.id

    def change(self, run: Run) -> None:
        """The run that is on ends at another time now, or is called otherwise. Nothing if another is on, or none."""
        with self._lock:
            if self.run is None or self.recording is None or self.run.key != run.key:
                return
            if run.end != self.run.end:
                self.spool.recordings.extend(self.recording.id, run.end)
            self.run = run
            self.coverage.begin(run, run.start, self.recording.id)

    def footage_began(self, writer: SegmentWriter, start: datetime) -> None:
        """The camera gives footage (again), and this segment grows."""
        self._syncer.begin(writer.path)
        self.error = None
        self.coverage.footage(start)

    def seal(self, writer: SegmentWriter, start: datetime, end: datetime, anchor: Anchor) -> None:
        """Finish the segment, later and elsewhere. Its stamps were made from `anchor`."""
        clock_error = self._clock_error.of(anchor)

        def job() -> None:
            try:
                if self._syncer.is_doubtful(writer.path):
                    writer.discard()
                    raise OSError(errno.EIO, "A part of the segment didn't reach the disk; it is copied")
                segment = writer.seal(start, end, clock_error)
            finally:
                self._syncer.end(writer.path)
            if segment is not None:
                self._tell_sealed(segment)

        def again(failure: DiskFailed) -> Job:
            return lambda: self._salvage(writer.segment, start, end, failure)

        self._paperwork.submit(job, again=again)

    def catch_up(self) -> None:
        """Try again what the disk refused."""
        self._paperwork.catch_up()

    def _salvage(self, segment: Segment, start: datetime, end: datetime, failure: DiskFailed) -> None:
        """Seal what the disk holds of a segment; what it doesn't was counted as footage, and is missing after all."""
        found = self.spool.segments.get(segment.id)
        if found is not None and found.state is SegmentState.OPEN:
            recover_open_alone(self.spool, segment, failure.cause, end)
            found = self.spool.segments.get(segment.id)
        if found is not None and found.sealed is None:
            return  # set aside, together with its gap
        reached = found.sealed.end if found is not None and found.sealed is not None else start
        if end - reached >= SMALLEST:
            self.coverage.lost(reached, end, segment.recording_id, failure)
        if found is not None:
            self._tell_sealed(found)

    def _tell_sealed(self, segment: Segment) -> None:
        if segment.sealed is not None:
            log.info(
                "segment_sealed",
                camera_id=str(self.camera_id),
                segment_id=str(segment.id),
                seconds=round((segment.sealed.end - segment.sealed.start).total_seconds(), 3),
                size_bytes=segment.sealed.size_bytes,
            )
        self._on_sealed()

    def failed(self, error: CameraError) -> None:
        """The camera gives no footage for this reason."""
        self.error = error
        note = self.spool.removals.held_note() if isinstance(error, DiskFull) else ""
        self.coverage.missing(error.cause, f"{error} {note}".strip())

    def idle(self, now: datetime) -> None:
        """Nothing is due, so nothing is missing; what failed until now is no reason for what comes later."""
        with self._lock:
            if self.run is None:
                self.error = None
                self.coverage.over(now)

    def finish(self, status: RecordingStatus, code: str | None = None, message: str | None = None) -> None:
        """The run is over, if one is on. A recording without a single frame has failed, whatever was planned."""
        with self._lock:
            run, recording, error = self.run, self.recording, self.error
            self.run = self.recording = None
        if run is None or recording is None:
            return
        now = self.clock.now()
        ended_at = max(recording.started_at, min(now, run.end))
        self.coverage.over(now)

        def job() -> None:
            # After the last segment's job, so that the row's figures are complete.
            row = self.spool.recordings.get(recording.id)
            if row is not None and row.frames == 0 and error is not None:
                self.spool.recordings.finish(
                    recording.id,
                    RecordingStatus.FAILED,
                    ended_at,
                    error_code=error.cause,
                    error_message=str(error),
                )
            else:
                self.spool.recordings.finish(recording.id, status, ended_at, error_code=code, error_message=message)
            self._on_sealed()
            log.info("recording_finished", camera_id=str(self.camera_id), recording_id=str(recording.id))

        self._paperwork.submit(job)
