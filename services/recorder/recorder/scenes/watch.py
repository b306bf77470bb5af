"""Looks at what the cameras' tallies have counted, about once a second, and keeps what it finds in the spool."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from recorder.clock import Clock
from recorder.disk_failures import DISK_ERRORS
from recorder.scenes.rules import Began, Change, Rules, Scene, Signal, fade, observe
from recorder.scenes.tally import Tally
from recorder.spool import SceneEvent, Spool

EVERY_SECONDS = 1.0
_KEPT = 1000
"""Events that wait while the disk can't be written; the oldest goes."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Watched:
    """One camera."""

    tally: Tally = field(default_factory=Tally)
    scene: Scene = field(default_factory=Scene)
    open: dict[Signal, SceneEvent] = field(default_factory=dict)


class SceneWatch:
    """One thread for all cameras. What it misses costs an event, never a frame."""

    def __init__(
        self,
        spool: Spool,
        clock: Clock,
        on_event: Callable[[], None],
        rules: Rules | None = None,
        every_seconds: float = EVERY_SECONDS,
    ) -> None:
        self._spool = spool
        self._seen_until: datetime | None = None
        """Until when the last run may have seen what it left on; None once that is written down."""
        self._clock = clock
        self._on_event = on_event
        self._rules = rules or Rules()
        self._every_seconds = every_seconds
        self._cameras: dict[UUID, _Watched] = {}
        self._unkept: list[SceneEvent] = []
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scenes", daemon=True)
        self._thread.start()

    def tally(self, camera_id: UUID) -> Tally:
        """Where this camera's frames are counted. From one thread."""
        watched = self._cameras.get(camera_id)
        if watched is None:
            watched = self._cameras[camera_id] = _Watched()
        return watched.tally

    def on(self) -> list[SceneEvent]:
        """The signals that are on, the oldest first."""
        found = [event for watched in list(self._cameras.values()) for event in list(watched.open.values())]
        return sorted(found, key=lambda event: event.begin)

    def close(self, seconds: float = 1.0) -> None:
        """Ends the thread, soon. What is on ends with what was last seen: nobody looks any more."""
        self._closed.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        self._seen_until = self._last_alive()
        failed = False
        while not self._closed.wait(self._every_seconds):
            failed = self._look(failed)
        self._look(failed)
        for camera_id, watched in list(self._cameras.items()):
            _, changes = fade(watched.scene, datetime.max.replace(tzinfo=self._clock.now().tzinfo), self._rules)
            self._note(camera_id, watched, changes)
        self._keep()

    def _last_alive(self) -> datetime:
        with suppress(*DISK_ERRORS):
            return self._spool.last_alive() or self._clock.now()
        return self._clock.now()

    def _look(self, failed: bool) -> bool:
        """One round; whether it failed. Nothing that a stream brings about may end the thread."""
        try:
            now = self._clock.now()
            for camera_id, watched in list(self._cameras.items()):
                for gop in watched.tally.taken():
                    watched.scene, changes = observe(watched.scene, gop, self._rules)
                    self._note(camera_id, watched, changes)
                watched.scene, changes = fade(watched.scene, now, self._rules)
                self._note(camera_id, watched, changes)
        except Exception:
            if not failed:
                log.exception("scenes_not_watched")
            return True
        self._keep()
        return False

    def _note(self, camera_id: UUID, watched: _Watched, changes: tuple[Change, ...]) -> None:
        for change in changes:
            if isinstance(change, Began):
                event = SceneEvent(uuid7(), camera_id, change.signal, change.at, None, change.usual, change.seen)
                watched.open[change.signal] = event
            else:
                begun = watched.open.pop(change.signal, None)
                if begun is None:
                    continue
                event = replace(begun, end=max(change.at, begun.begin))
            log.info(
                "scene_signal",
                camera_id=str(camera_id),
                signal=change.signal.value,
                is_on=event.end is None,
                usual=dict(event.usual),
                seen=dict(event.seen),
            )
            self._unkept = [*self._unkept, event][-_KEPT:]

    def _keep(self) -> None:
        try:
            if self._seen_until is not None:
                self._spool.events.end_all(self._seen_until)
                self._seen_until = None
            if not self._unkept:
                return
            self._spool.events.put(self._unkept)
        except DISK_ERRORS as error:
            log.debug("scene_events_wait", reason=str(error))
            return
        self._unkept = []
        self._on_event()
