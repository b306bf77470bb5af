"""What the last run of the recorder left, and what this one leaves for the next."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from camfleet_contract.configuration import RecorderConfig
from camfleet_contract.gaps import GapCause
from camfleet_contract.messages import Interval
from recorder.coverage import SMALLEST
from recorder.errors import DiskFailed
from recorder.manual import ByHand
from recorder.outages import boot_id, outages, why_down
from recorder.recovery import recover
from recorder.spool import MissedFootage, Recording, Spool


@dataclass(frozen=True, slots=True)
class HeldUp:
    """Since when the recorder was up and could not use its folder, and why."""

    since: datetime
    failure: DiskFailed


class LastRun:
    """Put in order once, before anything is recorded."""

    def __init__(self, spool: Spool, held_up: HeldUp | None = None, by_hand: ByHand | None = None) -> None:
        self._spool = spool
        self._by_hand = by_hand if by_hand is not None and by_hand.is_known else None
        self._held_up = held_up
        self._cause = why_down(spool.last_boot(), boot_id())
        self._interrupted: list[Recording] = []
        self.is_recovered = self._is_accounted = False
        self._began: datetime | None = None
        self._has_noted = True  # by the last run, perhaps
        self._told_until = spool.gaps.told_until()
        """By the last run."""

    def put_in_order(self, config: RecorderConfig, now: datetime) -> None:
        """Recover what is on the disk and account for the time until the first call.

        One of `DISK_ERRORS` if that isn't possible yet; from the first call on the cameras account for themselves.
        """
        self._began = self._began or now
        if not self.is_recovered:
            self._interrupted = self._interrupted or self._spool.recordings.open()
            recover(self._spool, self._cause)
            self.is_recovered = True
        if not self._is_accounted:
            self._spool.mark_boot(boot_id())
            self._account(config, self._began)
            self._is_accounted = True

    def mark_alive(self, now: datetime) -> None:
        """All until now is accounted for."""
        if self._is_accounted:
            self._spool.mark_alive(now)

    def note(self, missing: Iterable[MissedFootage]) -> None:
        """What is missing now and not yet accounted for. Costs nothing while nothing is."""
        noted = list(missing)
        if noted or self._has_noted:
            self._spool.gaps.note(noted)
            self._has_noted = bool(noted)

    def mark_ended(self) -> None:
        """This run ends in order."""
        if self.is_recovered:
            self._spool.mark_boot("")

    def _account(self, config: RecorderConfig, began: datetime) -> None:
        alive = self._spool.last_alive()
        if alive is not None and alive < began:
            known = self._known_until()
            self._add_noted(known, began)
            since = began if self._held_up is None else min(max(self._held_up.since, alive), began)
            if alive < since:
                down = Interval(start=alive, end=since)
                self._spool.gaps.add(self._outages(config, known, down, self._cause, ""))
            if self._held_up is not None and since < began:
                waited, failure = Interval(start=since, end=began), self._held_up.failure
                self._spool.gaps.add(self._outages(config, known, waited, failure.cause, str(failure)))
        self._spool.mark_alive(began)

    def _outages(
        self, config: RecorderConfig, known: dict[UUID, datetime], down: Interval, cause: GapCause, detail: str
    ) -> list[MissedFootage]:
        asked = self._by_hand
        return outages(
            config,
            self._interrupted,
            known,
            down,
            cause,
            detail,
            by_hand=asked.runs_of(config) if asked is not None else None,
            stopped=asked.ended if asked is not None else frozenset(),
        )

    def _add_noted(self, known: dict[UUID, datetime], began: datetime) -> None:
        """What was missing in the seconds before a kill has the cause that it had, and not that of the kill."""
        gaps = []
        for noted in self._spool.gaps.noted():
            start, end = max(noted.start, known.get(noted.camera_id, noted.start)), min(noted.end, began)
            if end - start >= SMALLEST:
                gaps.append(replace(noted, start=start, end=end))
                known[noted.camera_id] = end
        self._spool.gaps.add(gaps)

    def _known_until(self) -> dict[UUID, datetime]:
        """Per camera, the end of the last run's footage or of its last gap.

        Footage may have begun after that gap and be lost: then its time is missing, and no more.
        """
        known = self._spool.segments.last_footage()
        return known | {
            camera_id: max(until, known.get(camera_id, until)) for camera_id, until in self._told_until.items()
        }
