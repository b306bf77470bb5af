"""What people asked for by hand: recordings begun now, and runs ended before their time."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from pydantic import TypeAdapter, ValidationError

from camfleet_contract.configuration import RecorderConfig
from camfleet_contract.recordings import RecordingStatus
from recorder.disk_failures import DISK_ERRORS, disk_failure
from recorder.spool import Spool
from recorder.wanted import LINGER, Run, camera_streams

log = structlog.get_logger(__name__)

_Key = tuple[UUID, UUID | None, datetime]


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a restart must not forget."""

    runs: tuple[Run, ...] = ()
    ended: tuple[tuple[_Key, datetime], ...] = ()


_KEPT = TypeAdapter(_Kept)


class ByHand:
    """Manual runs, and runs that an operator ended, as the spool keeps them. Used by one thread at a time."""

    def __init__(self, spool: Spool, post_roll: timedelta) -> None:
        self._spool = spool
        self._post_roll = post_roll
        text = spool.by_hand()
        self.is_known = text is not None
        """False in a spool of a version that kept nothing of this."""
        kept = _read(text)
        self.runs = kept.runs
        self._ended = dict(kept.ended)
        """Runs that an operator ended, until their windows end: they aren't begun again."""

    def runs_of(self, config: RecorderConfig) -> list[Run]:
        """Those of cameras that are still this recorder's."""
        cameras = camera_streams(config)
        return [run for run in self.runs if run.camera_id in cameras]

    @property
    def ended(self) -> frozenset[object]:
        return frozenset(self._ended)

    def begin(self, run: Run) -> None:
        """Record this manual run."""
        self._change((*self.runs, run), self._ended)

    def cancel(self, run: Run) -> None:
        """The manual run was never on."""
        self._change(tuple(other for other in self.runs if other.key != run.key), self._ended)

    def end(self, run: Run, now: datetime) -> datetime:
        """When the run ends, now that an operator wants it to: a manual one after the post-roll, the first time."""
        until = min(run.end, now + self._post_roll)
        if run.schedule_id is None and self._post_roll and run.ends_as is not RecordingStatus.STOPPED:
            shorter = replace(run, end=until, ends_as=RecordingStatus.STOPPED)
            self._change(tuple(shorter if other.key == run.key else other for other in self.runs), self._ended)
            return until
        self._change(self.runs, self._ended | {run.key: run.end})
        return now

    def forget(self, now: datetime) -> None:
        """Drop what is long over."""
        runs = tuple(run for run in self.runs if run.end > now - LINGER)
        ended = {key: end for key, end in self._ended.items() if end > now - LINGER}
        if (len(runs), len(ended)) != (len(self.runs), len(self._ended)):
            self._change(runs, ended)

    def _change(self, runs: tuple[Run, ...], ended: dict[_Key, datetime]) -> None:
        self.runs, self._ended = runs, ended
        try:
            self._spool.keep_by_hand(_KEPT.dump_json(_Kept(runs, tuple(ended.items()))).decode())
        except DISK_ERRORS as error:
            # It is done all the same, and only a restart would forget it.
            log.warning("by_hand_not_kept", reason=str(disk_failure(error)))


def _read(text: str | None) -> _Kept:
    try:
        return _KEPT.validate_json(text) if text else _Kept()
    except ValidationError as error:
        log.warning("by_hand_unreadable", problems=error.error_count())
        return _Kept()
