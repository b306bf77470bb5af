"""One camera as its supervisor has it: what is written of it, and what reads it while that is wanted."""

import threading
from collections.abc import Callable
from datetime import datetime

from camfleet_contract.gaps import GapCause
from camfleet_contract.heartbeats import CameraCondition, CameraState
from camfleet_contract.recordings import RecordingStatus
from recorder.capture import Capture
from recorder.capturing import Capturing
from recorder.journal import Journal
from recorder.reader import Reader
from recorder.stream import Transport
from recorder.take import Plan
from recorder.wanted import Run, Stream


class SupervisedCamera:
    """Lives as long as the program; captures come and go."""

    def __init__(
        self, journal: Journal, capturing: Capturing, reader: Reader | None, on_condition: Callable[[], None]
    ) -> None:
        """`on_condition` is called from other threads when the camera's condition is another one."""
        self.journal = journal
        self.capture: Capture | None = None
        self._capturing = capturing
        self._reader = reader
        self._on_condition = on_condition
        self._transport = Transport.TCP
        """The capture's."""
        self._gone: threading.Event | None = None
        """Set when the capture that was stopped last has let go of the camera."""

    def state(self, now: datetime) -> CameraState:
        """For the heartbeat and `/status`."""
        condition, since, reason = CameraCondition.IDLE, now, ""
        if self.capture is not None:
            condition, since, reason = self.capture.state()
        elif reason := self.journal.coverage.reason():
            condition = CameraCondition.STALLED  # due, and not even tried
        return CameraState(
            camera_id=self.journal.camera_id,
            condition=condition,
            since=since,
            reason=reason,
            last_footage_at=self.journal.coverage.last_footage,
        )

    def keep(self, stream: Stream, plan: Plan, now: datetime) -> None:
        """It is to be read, there and by this plan."""
        if self.capture is not None and self._transport is not stream.transport:
            self._disconnect()
            self.journal.coverage.missing(GapCause.CAMERA_UNREACHABLE, "Its transport was changed.")
        if self.capture is None:
            self._transport = stream.transport
            self.capture = Capture(
                stream.url,
                self.journal,
                plan,
                name=stream.name,
                policy=self._capturing.policy,
                transport=stream.transport,
                open_seconds=self._capturing.open_seconds,
                read_seconds=self._capturing.read_seconds,
                reader=self._reader,
                after=self._gone,
                on_condition=self._on_condition,
            )
            return
        self.capture.plan, self.capture.name = plan, stream.name
        if self.capture.url != stream.url:
            self.capture.redirect(stream.url)
        run = self.journal.run
        if run is not None:
            planned = next((planned for planned in plan.runs if planned.key == run.key), None)
            if planned is None:
                # Stopped by an operator while the camera is still read, or over while nothing comes.
                self.capture.cut()
                self._finish(run)
            elif planned != run:
                self.journal.change(planned)
        if not plan.is_due:
            self.journal.idle(now)

    def release(self, run: Run | None, now: datetime) -> None:
        """It isn't to be read any more, though perhaps it should be for `run`."""
        self._disconnect()
        if (current := self.journal.run) is not None:
            if now >= current.end:
                self.journal.coverage.unread(current.end)
            self._finish(current)
        if run is None:
            self.journal.coverage.over(now)

    def _disconnect(self) -> None:
        if self.capture is not None:
            self.capture.stop()
            self._gone, self.capture = self.capture.gone, None

    def _finish(self, run: Run) -> None:
        is_over = self.journal.clock.now() >= run.end
        self.journal.finish(run.ends_as if is_over else RecordingStatus.STOPPED)
