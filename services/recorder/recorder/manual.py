"""What people asked for by hand: recordings begun now, and runs ended before their time."""

from dataclasses import replace
from datetime import datetime, timedelta

from camfleet_contract.recordings import RecordingStatus
from recorder.wanted import LINGER, Run


class ByHand:
    """Manual runs, and runs that an operator ended. Used by one thread at a time."""

    def __init__(self, post_roll: timedelta) -> None:
        self._post_roll = post_roll
        self.runs: tuple[Run, ...] = ()
        self._ended: dict[object, datetime] = {}
        """Runs that an operator ended, until their windows end: they aren't begun again."""

    @property
    def ended(self) -> frozenset[object]:
        return frozenset(self._ended)

    def begin(self, run: Run) -> None:
        """Record this manual run."""
        self.runs = (*self.runs, run)

    def cancel(self, run: Run) -> None:
        """The manual run was never on."""
        self.runs = tuple(other for other in self.runs if other.key != run.key)

    def end(self, run: Run, now: datetime) -> datetime:
        """When the run ends, now that an operator wants it to: a manual one after the post-roll, the first time."""
        until = min(run.end, now + self._post_roll)
        if run.schedule_id is None and self._post_roll and run.ends_as is not RecordingStatus.STOPPED:
            shorter = replace(run, end=until, ends_as=RecordingStatus.STOPPED)
            self.runs = tuple(shorter if other.key == run.key else other for other in self.runs)
            return until
        self._ended[run.key] = run.end
        return now

    def forget(self, now: datetime) -> None:
        """Drop what is long over."""
        self.runs = tuple(run for run in self.runs if run.end > now - LINGER)
        self._ended = {key: end for key, end in self._ended.items() if end > now - LINGER}
