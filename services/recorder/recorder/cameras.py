"""All cameras together: what runs is kept equal to what is wanted."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from camfleet_contract.configuration import RecorderConfig
from camfleet_contract.gaps import GapCause
from camfleet_contract.heartbeats import CameraCondition, CameraState
from camfleet_contract.messages import Interval
from recorder.admission import admitted
from recorder.capture import Capture
from recorder.capturing import Capturing
from recorder.clock import Clock, SystemClock
from recorder.clock_error import ClockError
from recorder.disk_failures import DISK_ERRORS, disk_failure
from recorder.durability import Syncer
from recorder.errors import AlreadyRecording, NoRoom, UnknownCamera
from recorder.last_run import HeldUp, LastRun
from recorder.manual import ByHand
from recorder.preroll import share_of
from recorder.spool import Recording, SceneEvent, Spool
from recorder.stopping import stop
from recorder.supervised import SupervisedCamera
from recorder.take import Plan
from recorder.wanted import (
    HORIZON,
    LINGER,
    Run,
    Stream,
    camera_streams,
    next_boundary,
    run_at,
    runs_between,
    unknown_zones,
    wanted,
)
from recorder.workers import Workers

_TICK = timedelta(seconds=15)
_HINDERED_TICK = timedelta(seconds=3)
"""Sooner, while a disk keeps cameras from being recorded that are due."""
_ACCOUNT_EVERY = timedelta(seconds=60)
"""Missing footage is written down at least this often, so that a crash forgets none."""

log = structlog.get_logger(__name__)


class Cameras:
    """Starts and stops captures. `run` is to be a task; the rest is called from the event loop."""

    def __init__(
        self,
        spool: Spool,
        *,
        clock: Clock | None = None,
        clock_error: ClockError | None = None,
        syncer: Syncer | None = None,
        capturing: Capturing | None = None,
        held_up: HeldUp | None = None,
        on_change: Callable[[], None] = lambda: None,
        on_condition: Callable[[], None] = lambda: None,
    ) -> None:
        """`held_up`: for how long the folder kept the recorder waiting when it was started.

        Both are called from other threads: `on_change` when the spool holds something new to upload or to report,
        `on_condition` when a camera's condition is another one.
        """
        self._clock = clock or SystemClock()
        self._capturing = capturing or Capturing()
        error = clock_error or ClockError(self._clock)
        self._on_condition = on_condition
        self._workers = Workers(spool, self._clock, error, syncer, self._capturing, on_change)
        self._config: RecorderConfig | None = None
        self._by_hand = ByHand(spool, self._capturing.post_roll)
        self._known: dict[object, datetime] = {}
        self._cameras: dict[UUID, SupervisedCamera] = {}
        self._last_run = LastRun(spool, held_up, self._by_hand)
        self._accounted_at: datetime | None = None
        self._changed = asyncio.Event()
        self.trouble = ""
        """What keeps all cameras from being recorded as they should; empty when nothing does."""
        self.refused: frozenset[UUID] = frozenset()
        """Cameras that are due and not recorded, since others use up what the machine may carry."""
        # One desk: convergence never runs twice at a time, and never on the event loop.
        self._desk = ThreadPoolExecutor(1, "cameras")

    def apply(self, config: RecorderConfig) -> None:
        """From now on record by this configuration."""
        for schedule_id, reason in unknown_zones(config).items():
            log.error("schedule_ignored", schedule_id=str(schedule_id), reason=reason)
        self._config = config
        self._changed.set()

    async def run(self) -> None:
        """Record until cancelled; then everything that is open is sealed within 10 s."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                self._changed.clear()
                next_change = await loop.run_in_executor(self._desk, self._converge)
                tick = _HINDERED_TICK if self.trouble else _TICK
                delay = min(tick, max(next_change - self._clock.now(), timedelta())) if next_change else tick
                try:
                    async with asyncio.timeout(delay.total_seconds()):
                        await self._changed.wait()
                except TimeoutError:
                    pass
        finally:
            await loop.run_in_executor(self._desk, self._stop)
            self._desk.shutdown(wait=False)

    async def start_manual(self, camera_id: UUID, duration: timedelta, name: str = "") -> Recording:
        """Record a camera now. UnknownCamera, AlreadyRecording, NoRoom, DiskFailed."""
        config = self._config
        if config is None or camera_id not in camera_streams(config):
            raise UnknownCamera(f"No camera {camera_id} is assigned to this recorder.")
        if any(recording.camera_id == camera_id for recording in self.active()):
            raise AlreadyRecording("A recording of this camera is on already: stop that first, or let it end.")
        now = self._clock.now()
        run = Run(camera_id, None, now, name or "Manual recording", now, now + duration, config.segment_seconds)
        try:
            recording = await asyncio.get_running_loop().run_in_executor(self._desk, self._begin, run)
        except DISK_ERRORS as error:
            raise disk_failure(error) from error
        self._changed.set()
        return recording

    async def stop_recording(self, camera_id: UUID) -> datetime | None:
        """End what records a camera now, which isn't begun again; when it ends. None if nothing is recorded.

        A manual recording goes on for the post-roll, unless it is stopped once more.
        """
        camera = self._cameras.get(camera_id)
        run = camera.journal.run if camera else None
        if run is None:
            return None
        ends_at = await asyncio.get_running_loop().run_in_executor(self._desk, self._end, run)
        self._changed.set()
        return ends_at

    def source(self, camera_id: UUID) -> tuple[Stream, Capture | None]:
        """Where a camera is to be read, and what reads it now. UnknownCamera."""
        streams = camera_streams(self._config, self._capturing.transport) if self._config is not None else {}
        if camera_id not in streams:
            raise UnknownCamera(f"No camera {camera_id} is assigned to this recorder.")
        camera = self._cameras.get(camera_id)
        return streams[camera_id], camera.capture if camera is not None else None

    @property
    def limit(self) -> str:
        """How many cameras are recorded at once, and why not more."""
        most = self._capturing.max_concurrent
        return f"{most} {'camera' if most == 1 else 'cameras'} ({self._capturing.limit_reason})"

    def active(self) -> list[Recording]:
        """The recordings that are on."""
        recordings = (camera.journal.recording for camera in list(self._cameras.values()))
        return [recording for recording in recordings if recording is not None]

    def states(self) -> list[CameraState]:
        """Every camera of the configuration, for the heartbeat and `/status`."""
        config, now = self._config, self._clock.now()
        return [self._state(camera_id, now) for camera_id in camera_streams(config)] if config else []

    def _state(self, camera_id: UUID, now: datetime) -> CameraState:
        camera = self._cameras.get(camera_id)
        if camera is None:
            return CameraState(camera_id=camera_id, condition=CameraCondition.IDLE, since=now)
        return camera.state(now)

    def scene_signals(self) -> list[SceneEvent]:
        """What is wrong with cameras' pictures just now."""
        return self._workers.scene_signals()

    def damaged(self) -> dict[UUID, int]:
        """Of each camera that our own client read, how many pictures and pieces of sound came incomplete so far."""
        counted = {camera_id: camera.journal.losses.total for camera_id, camera in list(self._cameras.items())}
        return {camera_id: total for camera_id, total in counted.items() if total is not None}

    def is_recovered(self) -> bool:
        """Whether what the last run left open is in order."""
        return self._last_run.is_recovered

    # Below: on the desk's thread.

    def _converge(self) -> datetime | None:
        """Close the difference between what is wanted and what runs; when to look again."""
        config, now = self._config, self._clock.now()
        if config is None:
            return None
        between = Interval(start=now - LINGER, end=now + HORIZON)
        runs = runs_between(config, between, self._by_hand.runs_of(config), self._by_hand.ended)
        every = [run for camera_runs in runs.values() for run in camera_runs]
        self._known = {run.key: self._known.get(run.key, now) for run in every}
        try:
            self._last_run.put_in_order(config, now)
            self._by_hand.forget(now)
            transport = self._capturing.transport
            due = {stream: runs[stream.camera_id][0].start for stream in wanted(config, every, now, transport)}
            running = {camera_id for camera_id, camera in self._cameras.items() if camera.capture is not None}
            ahead = list(camera_streams(config, transport).values()) if self._capturing.pre_roll else []
            chosen = admitted(due, ahead, running, self._capturing.max_concurrent)
            read = {stream.camera_id for stream in chosen.streams}
            self.refused = chosen.refused
            for camera_id in set(self._cameras) - read:
                self._cameras[camera_id].release(run_at(runs.get(camera_id, ()), now), now)
            share = self._capturing.pre_roll_bytes // max(1, len(read))
            for stream in chosen.streams:
                kept = share_of(self._capturing.pre_roll, share, is_due=stream in due)
                plan = Plan(runs.get(stream.camera_id, ()), self._known_since, kept, is_due=stream in due)
                self._camera(stream.camera_id).keep(stream, plan, now)
            detail = f"The recorder has no room for it: its limit is {self.limit}."
            self._account_missing(runs, read, GapCause.RECORDER_OVERLOADED, detail, now)
            self._account(now)
            self._hindered_by("")
        except DISK_ERRORS as error:
            # The captures that run go on by their plans; what is due besides is missing for this reason.
            failure = disk_failure(error)
            self._hindered_by(str(failure))
            capturing = {camera_id for camera_id, camera in self._cameras.items() if camera.capture is not None}
            with suppress(*DISK_ERRORS):
                self._account_missing(runs, capturing, failure.cause, str(failure), now)
        except Exception as error:
            trouble = f"the recorder can't follow its schedules ({type(error).__name__}); see its log"
            if self.trouble != trouble:
                log.exception("converging_failed")
            self.trouble = trouble
        return next_boundary(every, now)

    def _hindered_by(self, reason: str) -> None:
        if reason and self.trouble != reason:
            log.warning("recording_hindered", reason=reason)
        elif self.trouble and not reason:
            log.info("recording_hindered_no_more", reason=self.trouble)
        self.trouble = reason

    def _account_missing(
        self, runs: dict[UUID, tuple[Run, ...]], admitted: set[UUID], cause: GapCause, detail: str, now: datetime
    ) -> None:
        """Cameras that are due and not even tried."""
        for camera_id in set(runs) - admitted:
            run = run_at(runs[camera_id], now)
            if run is not None:
                coverage = self._camera(camera_id).journal.coverage
                coverage.begin(run, self._known_since(run))
                coverage.missing(cause, detail)

    def _account(self, now: datetime) -> None:
        journals = [camera.journal for camera in self._cameras.values()]
        if self._accounted_at is None or now - self._accounted_at >= _ACCOUNT_EVERY:
            for journal in journals:
                journal.coverage.flush(now)
                journal.catch_up()
            self._last_run.mark_alive(now)
            self._accounted_at = now
        self._last_run.note(missed for journal in journals if (missed := journal.coverage.unwritten(now)))

    def _begin(self, run: Run) -> Recording:
        camera = self._cameras.get(run.camera_id)
        if self._capturing.pre_roll and camera is not None and camera.capture is not None:
            kept_since = camera.capture.buffered_since(run.opened - self._capturing.pre_roll)
            run = replace(run, start=min(run.opened, kept_since or run.opened))
        self._by_hand.begin(run)
        self._known[run.key] = run.start
        self._converge()
        if run.camera_id in self.refused:
            self._by_hand.cancel(run)
            self._converge()
            raise NoRoom(f"The recorder has no room for it: its limit is {self.limit}.")
        journal = self._camera(run.camera_id).journal
        journal.begin(run, run.start)
        recording = journal.recording
        if recording is None:
            raise AlreadyRecording("The recording ended at once; see the log.")
        return recording

    def _end(self, run: Run) -> datetime:
        ends_at = self._by_hand.end(run, self._clock.now())
        self._converge()
        return ends_at

    def _camera(self, camera_id: UUID) -> SupervisedCamera:
        camera = self._cameras.get(camera_id)
        if camera is None:
            journal = self._workers.journal(camera_id)
            camera = SupervisedCamera(journal, self._capturing, self._workers.reader, self._on_condition)
            self._cameras[camera_id] = camera
        return camera

    def _known_since(self, run: Run) -> datetime:
        return self._known.get(run.key, run.start)

    def _stop(self) -> None:
        stop(self._cameras.values(), self._workers, self._last_run, self._clock.now)
