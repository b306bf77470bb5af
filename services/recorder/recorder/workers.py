"""Who works for all cameras at once: one reader of connections, one sealer, one syncer, one watch over scenes."""

from collections.abc import Callable
from uuid import UUID

from recorder.capturing import Capturing
from recorder.clock import Clock
from recorder.clock_error import ClockError
from recorder.coverage import Coverage
from recorder.durability import Syncer
from recorder.journal import Journal
from recorder.reader import Reader
from recorder.scenes.watch import SceneWatch
from recorder.sealing import Sealer
from recorder.sources import RtspClient
from recorder.spool import SceneEvent, Spool


class Workers:
    """Threads, all of them. Close it."""

    def __init__(
        self,
        spool: Spool,
        clock: Clock,
        clock_error: ClockError,
        syncer: Syncer | None,
        capturing: Capturing,
        on_change: Callable[[], None],
    ) -> None:
        """`on_change` is called when the spool holds something new to upload or to report."""
        self._spool = spool
        self._clock = clock
        self._clock_error = clock_error
        self._on_change = on_change
        self._sealer = Sealer()
        self.reader = Reader() if capturing.client is RtspClient.AUTO else None
        """None where all is left to libav."""
        self._syncer = syncer or Syncer(spool.sync)
        rules = capturing.scene_rules
        self._scenes = SceneWatch(spool, clock, on_change, rules) if rules is not None else None

    def journal(self, camera_id: UUID) -> Journal:
        """A camera's, whose paperwork they do."""
        return Journal(
            camera_id,
            self._spool,
            self._clock,
            self._sealer,
            Coverage(camera_id, self._spool.gaps, self._spool.segments.last_footage().get(camera_id)),
            self._on_change,
            self._clock_error,
            self._syncer,
            self._scenes.tally(camera_id) if self._scenes is not None else None,
        )

    def scene_signals(self) -> list[SceneEvent]:
        """What is wrong with cameras' pictures just now."""
        return self._scenes.on() if self._scenes is not None else []

    def close(self, seal_seconds: float) -> bool:
        """No camera is read any more; whether all segments could be sealed in time."""
        if self.reader is not None:
            self.reader.close()
        is_sealed = self._sealer.close(seal_seconds)
        self._syncer.close()
        if self._scenes is not None:
            self._scenes.close()
        return is_sealed
