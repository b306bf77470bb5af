"""What the last run of the recorder left, and what this one leaves for the next."""

from datetime import datetime

import structlog

from camfleet_contract.configuration import RecorderConfig
from camfleet_contract.messages import Interval
from recorder.errors import SpoolError
from recorder.outages import boot_id, outages, why_down
from recorder.recovery import recover
from recorder.spool import Recording, Spool

log = structlog.get_logger(__name__)


class LastRun:
    """Put in order once, before anything is recorded."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._cause = why_down(spool.last_boot(), boot_id())
        self._interrupted: list[Recording] = []
        self._is_recovered = self._is_accounted = False
        self._obstacle = ""

    def obstacle(self, config: RecorderConfig, now: datetime) -> str:
        """Recover what is on the disk and account for the time between; why that isn't possible yet."""
        if not self._is_recovered:
            try:
                self._interrupted = self._spool.recordings.open()
                recover(self._spool, self._cause)
            except (SpoolError, OSError) as error:
                if self._obstacle != str(error):
                    log.error("spool_unusable", reason=str(error))  # noqa: TRY400  # the reason says it all
                self._obstacle = str(error)
                return self._obstacle
            self._is_recovered = True
            self._spool.mark_boot(boot_id())
        if not self._is_accounted:
            self._account(config, now)
            self._is_accounted = True
        return ""

    def mark_alive(self, now: datetime) -> None:
        """All until now is accounted for."""
        if self._is_accounted:
            self._spool.mark_alive(now)

    def mark_ended(self) -> None:
        """This run ends in order."""
        if self._is_recovered:
            self._spool.mark_boot("")

    def _account(self, config: RecorderConfig, now: datetime) -> None:
        alive = self._spool.last_alive()
        if alive is not None and alive < now:
            footage = self._spool.segments.last_footage()
            down = Interval(start=alive, end=now)
            self._spool.gaps.add(outages(config, self._interrupted, footage, down, self._cause))
        self._spool.mark_alive(now)
