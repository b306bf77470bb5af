"""What is done on disk for one camera behind its back: in order, and again where a disk failed and works again."""

from collections.abc import Callable
from uuid import UUID

import structlog

from recorder.disk_failures import DISK_ERRORS, disk_failure
from recorder.errors import DiskFailed
from recorder.sealing import Job, Sealer

log = structlog.get_logger(__name__)


class Paperwork:
    """Hands jobs to the sealer and keeps those that the disk refused, with those that count on them."""

    def __init__(self, camera_id: UUID, sealer: Sealer, check_disk: Callable[[], None]) -> None:
        """`check_disk` raises one of `DISK_ERRORS` while the disk isn't there."""
        self._camera_id = camera_id
        self._sealer = sealer
        self._check_disk = check_disk
        self._put_off: list[Job] = []
        """Touched on the sealer's thread of this camera only."""
        self._trouble = ""
        """What is wrong, as it was logged; empty when nothing is."""

    def submit(self, job: Job, again: Callable[[DiskFailed], Job] | None = None) -> None:
        """Do the job soon. If the disk refuses it, it is tried later, or what `again` makes of it.

        A job without `again` counts on all that were given before it.
        """

        def attempt() -> None:
            if again is None and self._put_off:
                self._put_off.append(job)
                return
            try:
                job()
            except DISK_ERRORS as error:
                failure = disk_failure(error)
                self._put_off.append(again(failure) if again is not None else job)
                self._refused(failure)
            else:
                self._try_again()  # the disk takes something

        self._sealer.submit(self._camera_id, attempt)

    def catch_up(self) -> None:
        """Try again what the disk refused, if there is something."""
        if self._put_off:
            self._sealer.submit(self._camera_id, self._try_again)

    def _try_again(self) -> None:
        while self._put_off:
            try:
                self._check_disk()
                self._put_off[0]()
            except DISK_ERRORS as error:
                self._refused(disk_failure(error))
                return
            self._put_off.pop(0)
        if self._trouble:
            self._trouble = ""
            log.info("disk_written_again", camera_id=str(self._camera_id))

    def _refused(self, failure: DiskFailed) -> None:
        if self._trouble != str(failure):
            self._trouble = str(failure)
            log.warning("disk_not_written", camera_id=str(self._camera_id), reason=self._trouble)
