"""What a person should look at, and since when."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from camfleet_contract.heartbeats import CameraCondition, FootageAtRisk, Problem
from recorder.cameras import Cameras
from recorder.clock import Clock
from recorder.clock_error import ClockError
from recorder.config import ConfigSync
from recorder.link import Link, LinkCondition
from recorder.retention import Retention
from recorder.risk import told_in_words
from recorder.stock import Holdings, Stock
from recorder.uploads import Uploads
from recorder.wanted import unknown_zones

HEALTHY = {CameraCondition.IDLE, CameraCondition.CONNECTING, CameraCondition.RECORDING}
CLOCK_TOLERANCE = timedelta(seconds=5)
LONG_LOG_BYTES = 64 << 20
_ITEMS = 10
"""Of one kind; more would say no more."""
_TEXT_CHARACTERS = 1000
_TOLD = 50


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong now. Nothing in it is a secret."""

    code: str
    text: str
    since: datetime | None = None
    """None where its place doesn't know: then it counts from when it was first seen."""
    key: str = ""
    """What stays the same while the text changes."""


class Problems:
    """Asks the parts of the recorder. Any thread may call; a call may take some seconds."""

    def __init__(
        self,
        clock: Clock,
        stock: Stock,
        link: Link,
        config: ConfigSync,
        cameras: Cameras,
        uploads: Uploads,
        retention: Retention,
        clock_error: ClockError,
        at_risk: Callable[[], FootageAtRisk | None],
    ) -> None:
        self._clock = clock
        self._stock = stock
        self._link = link
        self._config = config
        self._cameras = cameras
        self._uploads = uploads
        self._retention = retention
        self._clock_error = clock_error
        self._at_risk = at_risk
        self._seen: dict[tuple[str, str], datetime] = {}
        self._lock = threading.Lock()

    def all(self) -> list[str]:
        """A line each; empty when all is well."""
        own = [problem.text for problem in self.own()]
        return [*self._link_lines(), *own, *self._camera_lines()]

    def own(self) -> list[Problem]:
        """The recorder's own, for the heartbeat: that tells its cameras' troubles anyway, and the link's by coming."""
        now = self._clock.now()
        troubles = list(self._troubles())
        with self._lock:
            self._seen = {_key(one): self._seen.get(_key(one), now) for one in troubles}
            return [
                Problem(code=one.code, text=one.text[:_TEXT_CHARACTERS], since=one.since or self._seen[_key(one)])
                for one in troubles[:_TOLD]
            ]

    def _troubles(self) -> Iterator[Trouble]:
        """The gravest first."""
        held = self._stock.holdings()
        if held.missing:
            yield Trouble("disk_missing", held.missing)
        else:
            if self._cameras.trouble:
                yield Trouble("recording_hindered", self._cameras.trouble)
            if count := len(self._cameras.refused):
                waiting = "1 camera that is due is" if count == 1 else f"{count} cameras that are due are"
                text = f"{waiting} not recorded: the limit is {self._cameras.limit}; MAX_CONCURRENT_RECORDINGS sets it"
                yield Trouble("recorder_overloaded", text, key="-")
        if (risk := self._at_risk()) is not None:
            yield Trouble("footage_at_risk", told_in_words(risk, self._clock.now()), risk.since, key="-")
        yield from self._spool_troubles(held)
        yield from self._store_troubles(held)
        yield from self._config_troubles()
        off = self._clock_error.now()
        if off is not None and abs(off) > CLOCK_TOLERANCE:
            side = "ahead of" if off > timedelta(0) else "behind"
            seconds = abs(off).total_seconds()
            yield Trouble(
                "clock_wrong", f"this machine's clock is {seconds:.0f} s {side} the control plane's: check NTP", key="-"
            )

    def _spool_troubles(self, held: Holdings) -> Iterator[Trouble]:
        if self._retention.is_short and held.held_note:
            yield Trouble("disk_held", held.held_note, key="-")
        elif self._retention.is_short:
            yield Trouble(
                "disk_nearly_full", "the data disk is nearly full: proven files go, then the oldest that are not"
            )
        if held.log_bytes > LONG_LOG_BYTES:
            text = "another program has spool.sqlite3 open, so its log grows and grows: end that program"
            yield Trouble("spool_read_by_others", text)
        if self._retention.error:
            yield Trouble("retention_failed", f"local files can't be deleted: {self._retention.error}")
        if held.unreadable:
            yield Trouble("spool_unreadable", f"the recorder's own database can't be read: {held.unreadable}")
        if held.late_seconds:
            text = f"the recorder's disk has not answered for {held.late_seconds:.0f} s: some of this is older"
            yield Trouble("disk_slow", text, key="-")

    def _store_troubles(self, held: Holdings) -> Iterator[Trouble]:
        store = self._uploads.state
        if store.error:
            yield Trouble("store_unusable", f"uploads: {store.error}", store.since)
        for reason, count in held.refusals.items():
            if reason != store.error:
                waiting = "1 segment waits" if count == 1 else f"{count} segments wait"
                yield Trouble("segments_refused", f"{waiting}: {reason}", key=reason)

    def _config_troubles(self) -> Iterator[Trouble]:
        state = self._config.state
        if state.config is None:
            if state.error:  # else it has only just started, and asks
                text = f"no configuration, neither from the control plane nor cached: {state.error}"
                yield Trouble("no_config", text, key="-")
            return
        if state.error and self._link.state.condition is LinkCondition.CONNECTED:
            yield Trouble("config_not_synced", f"the configuration is not brought up to date: {state.error}")
        for line in state.config.unreadable[:_ITEMS]:
            yield Trouble("config_unreadable", f"ignored in the configuration: {line}")
        for schedule_id, reason in list(unknown_zones(state.config).items())[:_ITEMS]:
            yield Trouble("schedule_ignored", f"schedule {schedule_id} is ignored: {reason}")

    def _link_lines(self) -> list[str]:
        link = self._link.state
        is_down = link.condition in {LinkCondition.UNREACHABLE, LinkCondition.TOKEN_REFUSED}
        return [f"control plane: {link.reason}"] if is_down else []

    def _camera_lines(self) -> list[str]:
        config = self._config.state.config
        names = {camera.id: camera.name for camera in config.cameras} if config else {}
        return [
            f"camera {names.get(state.camera_id, '')} ({state.camera_id}): {state.condition.value}: {state.reason}"
            for state in self._cameras.states()
            if state.condition not in HEALTHY
        ]


def _key(trouble: Trouble) -> tuple[str, str]:
    return trouble.code, trouble.key or trouble.text
