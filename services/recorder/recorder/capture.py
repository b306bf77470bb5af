"""One camera's thread: connects, reads, hands over, and tries again for ever."""

import random
import sqlite3
import threading
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import datetime
from functools import partial

import structlog

from camfleet_contract.gaps import GapCause
from camfleet_contract.heartbeats import CameraCondition
from recorder.absence import returned
from recorder.audio import AudioPolicy
from recorder.disk_failures import DISK_ERRORS, disk_failure
from recorder.errors import CameraError, CameraUnreachable, StreamEnded, StreamStalled
from recorder.journal import Journal
from recorder.plain_stream import PlainStream
from recorder.reader import Reader
from recorder.retries import LAST_RETRY_SECONDS, failures_in_a_row, retry_seconds
from recorder.samples import Sample
from recorder.sights import Lookout
from recorder.sources import open_stream
from recorder.stream import OPEN_SECONDS, READ_SECONDS, CameraStream, Transport
from recorder.take import Plan, Take

_LEAVING_SECONDS = 60.0
"""Longer than libav may sit in an open or a read."""
_AT_EASE = frozenset({CameraCondition.IDLE, CameraCondition.RECORDING})

log = structlog.get_logger(__name__)


class Capture:
    """Reads one camera on a thread of its own until it is stopped."""

    def __init__(
        self,
        url: str,
        journal: Journal,
        plan: Plan,
        *,
        name: str = "",
        policy: AudioPolicy = AudioPolicy.COPY,
        transport: Transport = Transport.TCP,
        open_seconds: float = OPEN_SECONDS,
        read_seconds: float = READ_SECONDS,
        reader: Reader | None = None,
        after: threading.Event | None = None,
        on_condition: Callable[[], None] = lambda: None,
    ) -> None:
        """Connects when `after` is set, the `gone` of this camera's capture before: one connection per stream.

        Without a `reader` all is left to libav. `on_condition` is called from other threads when the condition changes.
        """
        self.plan = plan
        """May be replaced at any time, by any thread."""
        self.name = name
        """The camera's, for the log. May be replaced likewise."""
        self.gone = threading.Event()
        """Set when nothing is connected any more and never will be."""
        self._url = url
        self._journal = journal
        self._policy = policy
        self._transport = transport
        self._timeouts = (open_seconds, read_seconds)
        self._reader = reader
        self._on_condition = on_condition
        self._stream: PlainStream | CameraStream | None = None
        self._lock = threading.Lock()
        """Held while a packet is handed over: whoever holds it may seal."""
        self._take: Take | None = None
        self._lookouts: list[Lookout] = []
        self.failure: CameraError | None = None
        """The newest; it may be long past."""
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._condition = CameraCondition.CONNECTING
        self._since = journal.clock.now()
        self._became = journal.clock.monotonic()
        self._reason = ""
        self._told = ""
        """The failure that the log has; empty once the camera is at ease again."""
        self._failing_since = 0.0
        # A daemon: libav may sit in a read for seconds, after the segment has long been sealed from outside.
        self._thread = threading.Thread(
            target=self._live, args=(after,), name=f"camera-{journal.camera_id}", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        return self._url

    def redirect(self, url: str) -> None:
        """The camera is elsewhere now, or has another password: connect there at once."""
        self._url = url
        self._interrupt()

    def stop(self) -> None:
        """Seal what is open and let the thread go, which may end a little later by itself."""
        self._stopping.set()
        self._interrupt()
        with self._lock:
            if self._take is not None:
                self._take.end(self.plan)

    def cut(self) -> None:
        """Seal what is open; the stream goes on."""
        with self._lock:
            if self._take is not None:
                self._take.cut()

    def buffered_since(self, moment: datetime) -> datetime | None:
        """When a recording would begin that is to hold `moment`; None if no packet is kept."""
        with self._lock:
            return self._take.buffered_since(moment) if self._take is not None else None

    def show(self, lookout: Lookout) -> bool:
        """Let it see what comes from now on, or once it is connected; False where that isn't about to be."""
        with self._lock:
            if self._take is not None:
                lookout.begin(self._take.tracks)
            elif self._condition is not CameraCondition.CONNECTING or self._stopping.is_set():
                return False
            self._lookouts.append(lookout)
            return True

    def state(self) -> tuple[CameraCondition, datetime, str]:
        """Condition, since when, and why."""
        return self._condition, self._since, self._reason

    def _interrupt(self) -> None:
        self._wake.set()
        stream = self._stream
        if stream is not None:
            stream.interrupt()

    def _live(self, after: threading.Event | None) -> None:
        try:
            if after is not None and not after.wait(_LEAVING_SECONDS):
                log.warning("camera_still_connected", **self._whom())
            while not self._stopping.is_set():
                try:
                    self._run()
                except Exception:
                    # Not even telling what failed may end this for good: nobody would read the camera any more.
                    log.exception("camera_thread_failed", **self._whom())
                    self._wake.wait(LAST_RETRY_SECONDS)
        finally:
            self._disappoint(StreamEnded("The recorder has stopped reading the camera."))
            self.gone.set()

    def _run(self) -> None:
        failures = 0
        url = self._url
        while not self._stopping.is_set():
            self._wake.clear()
            if url != self._url:
                failures, url = 0, self._url
                self._journal.coverage.missing(GapCause.CAMERA_UNREACHABLE, "Its address was changed.")
                self._told = ""
                self._become(CameraCondition.CONNECTING, "")
            try:
                self._run_once(url)
                continue
            except DISK_ERRORS as error:
                failure: Exception = disk_failure(error)
            except CameraError as error:
                failure = error
            except Exception as error:
                # Whatever one camera brings about must not stop the others.
                log.exception("camera_run_failed", **self._whom())
                failure = error
            if self._stopping.is_set():
                return
            if url != self._url:
                continue
            failures = failures_in_a_row(failures, self._recorded_seconds())
            self._failed(failure)
            if self._waited(url, failure, failures):
                failures = 0

    def _waited(self, url: str, failure: Exception, failures: int) -> bool:
        """Leave the camera alone; whether it has come back meanwhile, which ends the wait."""
        seconds = retry_seconds(failures, failure, random.random())  # noqa: S311  # spreads retries only
        if isinstance(failure, (CameraUnreachable, StreamEnded, StreamStalled)):
            away = partial(self._away, failure)
            return returned(url, seconds, self._wake, longest_seconds=LAST_RETRY_SECONDS, on_away=away)
        self._wake.wait(seconds)
        return False

    def _away(self, failure: CameraError) -> None:
        self._begin_due_run()  # a window may open meanwhile
        self._journal.failed(failure)
        if self._condition is not CameraCondition.UNREACHABLE:
            self._become(CameraCondition.UNREACHABLE, "The camera does not answer any more.")

    def _run_once(self, url: str) -> None:
        """One connection, until it fails, moves or is stopped."""
        if self._condition in _AT_EASE:
            self._become(CameraCondition.CONNECTING, "")
        open_seconds, read_seconds = self._timeouts
        stream = open_stream(
            url,
            self._reader,
            with_audio=self._policy is not AudioPolicy.NONE,
            transport=self._transport,
            open_seconds=open_seconds,
            read_seconds=read_seconds,
            is_wanted=lambda: self._wants(url),
            on_playing=self._is_playing,
        )
        monotonic = self._journal.clock.monotonic
        with closing(stream):
            take = Take(self._journal, stream.tracks(self._policy), monotonic())
            with self._lock:
                if self._stopping.is_set():
                    return
                self._take, self._stream = take, stream
                for lookout in self._lookouts:
                    lookout.begin(take.tracks)
            if isinstance(stream, PlainStream):
                self._journal.losses.connected(lambda: stream.damaged)
            try:
                stream.read(partial(self._feed, url, take), lambda: take.is_settled(monotonic()))
            finally:
                with self._lock:
                    take.end(self.plan)
                    self._take = self._stream = None
                self._journal.losses.disconnected()

    def _is_playing(self) -> None:
        """Its first keyframe may be a minute away. A stall is over only when something comes."""
        if self._condition not in {CameraCondition.CONNECTING, CameraCondition.STALLED}:
            self._become(CameraCondition.CONNECTING, "")

    def _feed(self, url: str, take: Take, samples: Iterable[Sample], arrival: float) -> bool:
        """What came at once, on whichever thread reads this connection; False when no more is wanted of it."""
        if not self._wants(url):
            return False
        with self._lock:
            for sample in samples:
                if self._lookouts:  # first, since a segment has times of its own
                    self._lookouts = [lookout for lookout in self._lookouts if lookout.feed(sample, arrival)]
                take.feed(sample, arrival, self.plan)
                if self._stopping.is_set():  # who stops it waits for the lock, and each may take a slow disk long
                    return False
            take.pause()
        condition = _flowing(take, self.plan, self._condition)
        if condition is not self._condition:
            self._become(condition, "")
        return True

    def _wants(self, url: str) -> bool:
        """Whether a connection to there is still wanted."""
        return not self._stopping.is_set() and url == self._url

    def _recorded_seconds(self) -> float:
        """For how long the connection that just ended had been giving footage."""
        is_recording = self._condition is CameraCondition.RECORDING
        return self._journal.clock.monotonic() - self._became if is_recording else 0.0

    def _failed(self, failure: Exception) -> None:
        error = failure if isinstance(failure, CameraError) else CameraError("The recorder failed; see its log.")
        self.failure = error
        self._begin_due_run()
        self._journal.failed(error)
        if not self._told:
            self._failing_since = self._journal.clock.monotonic()
        if self._told != str(error):
            self._told = str(error)
            log.warning(
                "camera_failed", **self._whom(), kind=type(error).__name__, reason=str(error), advice=error.advice
            )
        self._become(error.condition, str(error))
        self._disappoint(error)

    def _disappoint(self, error: CameraError) -> None:
        """Whoever looks won't see anything, for this reason."""
        with self._lock:
            lookouts, self._lookouts = self._lookouts, []
        for lookout in lookouts:
            lookout.lost(error)

    def _begin_due_run(self) -> None:
        """A recording that is due exists, and fails visibly, also when the camera gives nothing."""
        plan = self.plan
        run = plan.at(self._journal.clock.now())
        if run is None:
            return
        try:
            with self._lock:
                if not self._stopping.is_set():  # else it was finished, and nobody would finish it again
                    self._journal.begin(run, plan.known_since(run))
        except sqlite3.Error as error:
            # The failure itself is told by its camera's condition; the recording begins when rows can be written.
            log.debug("recording_not_begun", camera_id=str(self._journal.camera_id), reason=str(error))

    def _become(self, condition: CameraCondition, reason: str) -> None:
        is_news = condition is not self._condition
        if is_news:
            self._since, self._became = self._journal.clock.now(), self._journal.clock.monotonic()
        self._condition, self._reason = condition, reason
        if is_news:
            self._on_condition()
        if self._told and condition in _AT_EASE:
            seconds = round(self._journal.clock.monotonic() - self._failing_since, 1)
            log.info("camera_recovered", **self._whom(), condition=str(condition), seconds=seconds, was=self._told)
            self._told = ""

    def _whom(self) -> dict[str, str]:
        return {"camera": self.name, "camera_id": str(self._journal.camera_id)}


def _flowing(take: Take, plan: Plan, condition: CameraCondition) -> CameraCondition:
    """What a camera is doing whose packets come: its first keyframe may be a minute away."""
    if take.is_recording:
        return CameraCondition.RECORDING
    return CameraCondition.CONNECTING if plan.is_due and condition not in _AT_EASE else CameraCondition.IDLE
