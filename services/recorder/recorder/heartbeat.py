"""Signs of life: what the recorder says of itself, and what it learns from the answer."""

import asyncio
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog

from camfleet_contract.heartbeats import Backlog, CameraState, Disk, Heartbeat, Problem
from recorder.backoff import Backoff
from recorder.clock import Clock
from recorder.clock_error import ClockError
from recorder.control_plane import ControlPlane
from recorder.errors import ControlPlaneError, TokenRefused

log = structlog.get_logger(__name__)

TOKEN_REFUSED_PAUSE = timedelta(minutes=5)
GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Vitals:
    """What a heartbeat tells, gathered at one moment."""

    active_recordings: int
    cameras: tuple[CameraState, ...]
    backlog: Backlog
    disk: Disk | None
    last_upload: str | None
    upload_bytes_per_second: float
    config_revision: str | None
    problems: tuple[Problem, ...] = ()


class Heartbeats:
    """One a period; after a failure sooner, so that a control plane that returns sees the recorder at once."""

    def __init__(
        self,
        control_plane: ControlPlane,
        gather: Callable[[], Vitals],
        *,
        clock: Clock,
        clock_error: ClockError,
        interval: timedelta,
        version: str,
        boot_id: UUID,
        on_config_changed: Callable[[], None],
        on_answered: Callable[[], None] = lambda: None,
        backoff: Backoff | None = None,
    ) -> None:
        """`gather` may block."""
        self._control_plane = control_plane
        self._gather = gather
        self._clock = clock
        self._clock_error = clock_error
        self._interval = interval
        self._version = version
        self._boot_id = boot_id
        self._on_config_changed = on_config_changed
        self._on_answered = on_answered
        self._backoff = backoff or Backoff()
        self._system = system_info()
        self._sequence = 0

    async def run(self) -> None:
        """Until cancelled."""
        failures = 0
        while True:
            try:
                await self.beat()
                failures, pause = 0, self._interval
            except TokenRefused:
                pause = TOKEN_REFUSED_PAUSE
            except ControlPlaneError as error:
                failures += 1
                pause = min(self._backoff.wait(failures), self._interval)
                log.debug("heartbeat_failed", reason=str(error))
            await asyncio.sleep(pause.total_seconds())

    async def beat(self) -> None:
        """One heartbeat. Raises `ControlPlaneError`."""
        vitals = await asyncio.to_thread(self._gather)
        self._sequence += 1
        sent = self._clock.monotonic()
        answer = await self._control_plane.heartbeat(self._told(vitals))
        self._on_answered()
        self._clock_error.compare(answer.server_time, sent, self._clock.monotonic())
        if answer.config_changed:
            self._on_config_changed()

    def _told(self, vitals: Vitals) -> Heartbeat:
        disk = vitals.disk
        return Heartbeat(
            active_recordings=vitals.active_recordings,
            available_space_gb=round(disk.free_bytes / GIB, 2) if disk else None,
            last_upload=vitals.last_upload,
            system_info=self._system,
            version=self._version,
            boot_id=self._boot_id,
            sequence=self._sequence,
            clock=self._clock.now(),
            cameras=list(vitals.cameras)[:1000],
            backlog=vitals.backlog,
            disk=disk,
            upload_bytes_per_second=vitals.upload_bytes_per_second,
            config_revision=vitals.config_revision,
            problems=list(vitals.problems),
        )


def system_info() -> dict[str, Any]:
    """The machine, in the words of the predecessor."""
    return {"platform": platform.platform(), "python_version": platform.python_version(), "cpu_count": os.cpu_count()}
