"""What the recorder does while its own folder can't be used: it says so everywhere, and tries again for ever."""

import asyncio
import socket
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import structlog

from camfleet_contract.heartbeats import Backlog, Problem
from recorder.api import waiting_api
from recorder.clock import Clock
from recorder.clock_error import ClockError
from recorder.control_plane import ControlPlane
from recorder.disk_failures import disk_failure
from recorder.errors import FolderUnusable
from recorder.heartbeat import Heartbeats, Vitals
from recorder.last_run import HeldUp
from recorder.local_server import LocalServer
from recorder.spool import Spool

RETRY = timedelta(seconds=5)

log = structlog.get_logger(__name__)


class Waiting:
    """For the folder."""

    def __init__(
        self,
        open_spool: Callable[[], Spool],
        *,
        clock: Clock,
        stop: asyncio.Event,
        version: str,
        allowed_hosts: tuple[str, ...],
        heartbeat_interval: timedelta,
        retry: timedelta = RETRY,
    ) -> None:
        """`open_spool` may block."""
        self._open_spool = open_spool
        self._clock = clock
        self._stop = stop
        self._version = version
        self._allowed_hosts = allowed_hosts
        self._heartbeat_interval = heartbeat_interval
        self._retry = retry
        self._reason = ""
        self.held_up: HeldUp | None = None
        """How it was, once it is over; None where the folder could be used at once."""

    async def opened(self, listener: socket.socket, control_plane: ControlPlane) -> Spool | None:
        """The spool, as soon as it can be had; None if the recorder is stopped before.

        SpoolError where waiting would not help.
        """
        spool = await self._try()
        if spool is not None:
            return spool
        heartbeats = Heartbeats(
            control_plane,
            self._vitals,
            clock=self._clock,
            clock_error=ClockError(self._clock),
            interval=self._heartbeat_interval,
            version=self._version,
            boot_id=uuid4(),
            on_config_changed=lambda: None,
        )
        api = waiting_api(self._document, allowed_hosts=self._allowed_hosts, version=self._version)
        # The server closes the socket that it is given.
        telling = [asyncio.create_task(part.run()) for part in (heartbeats, LocalServer(api, listener.dup()))]
        try:
            while spool is None and not await self._is_stopped_within(self._retry):
                spool = await self._try()
        finally:
            for task in telling:
                task.cancel()
            await asyncio.gather(*telling, return_exceptions=True)
        if spool is not None:
            log.info("folder_usable_again")
        return spool

    async def _try(self) -> Spool | None:
        try:
            return await asyncio.to_thread(self._open_spool)
        except FolderUnusable as error:
            cause = error.__cause__
            before, failure = self.held_up, disk_failure(cause if isinstance(cause, Exception) else error)
            self._reason = str(error)
            if before is None or str(before.failure) != str(failure):
                log.warning("folder_unusable", reason=str(error))
            self.held_up = HeldUp(before.since if before else self._clock.now(), failure)
            return None

    async def _is_stopped_within(self, wait: timedelta) -> bool:
        try:
            async with asyncio.timeout(wait.total_seconds()):
                await self._stop.wait()
        except TimeoutError:
            return False
        return True

    def _problem(self) -> Problem:
        since = self.held_up.since if self.held_up else self._clock.now()
        return Problem(code="folder_unusable", text=f"nothing is recorded: {self._reason}", since=since)

    def _vitals(self) -> Vitals:
        return Vitals(
            active_recordings=0,
            cameras=(),
            backlog=Backlog(segments=0, bytes=0, oldest=None),
            disk=None,
            last_upload=None,
            upload_bytes_per_second=0,
            config_revision=None,
            problems=(self._problem(),),
        )

    def _document(self) -> dict[str, Any]:
        return {
            "status": "degraded",
            "active_recordings": 0,
            "problems": [self._problem().text],
            "version": self._version,
            "now": self._clock.now(),
        }
