"""Signs of life: what the recorder says of itself, and what it learns from the answer."""

import asyncio
import os
import platform
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog

from camfleet_contract.chains import MOST_HEADS, ChainHead
from camfleet_contract.heartbeats import (
    Backlog,
    CameraState,
    Disk,
    FetchProgress,
    FootageAtRisk,
    Heartbeat,
    Problem,
    Uplink,
)
from recorder.backoff import Backoff
from recorder.clock import Clock
from recorder.clock_error import ClockError
from recorder.control_plane import ControlPlane
from recorder.errors import ControlPlaneError, TokenRefused

log = structlog.get_logger(__name__)

TOKEN_REFUSED_PAUSE = timedelta(minutes=5)
GIB = 1024**3
EARLY = timedelta(seconds=5)
"""How soon after the heartbeat before news may go out early, at first, and over how long a fleet is spread: schedules
begin in the same second everywhere."""


class Pace:
    """How far apart heartbeats with news are at least: a camera that comes and goes must not call all the time."""

    def __init__(self, shortest: timedelta, longest: timedelta) -> None:
        self._shortest, self._longest = min(shortest, longest), longest
        self.distance = self._shortest

    def hurried(self) -> None:
        """One went out early; the next must wait longer."""
        self.distance = min(2 * self.distance, self._longest)

    def rested(self) -> None:
        """A whole interval was quiet."""
        self.distance = self._shortest


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
    uplink: Uplink | None = None
    at_risk: FootageAtRisk | None = None
    fetches: tuple[FetchProgress, ...] = ()
    chain_heads: tuple[ChainHead, ...] = ()


class Heartbeats:
    """One a period, sooner with news, and after a failure, so that a control plane that returns is told at once."""

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
        early: timedelta = EARLY,
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
        self._news = asyncio.Event()
        self._spread = early
        self._pace = Pace(early, interval)

    def soon(self) -> None:
        """There is something that shouldn't wait for the next heartbeat."""
        self._news.set()

    async def run(self) -> None:
        """Until cancelled."""
        failures = 0
        while True:
            self._news.clear()
            try:
                await self.beat()
                failures = 0
                await self._rest()
                continue
            except TokenRefused:
                pause = TOKEN_REFUSED_PAUSE
            except ControlPlaneError as error:
                failures += 1
                pause = min(self._backoff.wait(failures), self._interval)
                log.debug("heartbeat_failed", reason=str(error))
            await asyncio.sleep(pause.total_seconds())

    async def _rest(self) -> None:
        """An interval, or less if there is news."""
        loop = asyncio.get_running_loop()
        began, interval = loop.time(), self._interval.total_seconds()
        try:
            async with asyncio.timeout(interval):
                await self._news.wait()
        except TimeoutError:
            self._pace.rested()
            return
        spread = random.random() * self._spread.total_seconds()  # noqa: S311  # spreads recorders only
        due = max(began + self._pace.distance.total_seconds(), loop.time() + spread)
        await asyncio.sleep(min(due, began + interval) - loop.time())
        self._pace.hurried()

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
            chain_heads=list(vitals.chain_heads)[:MOST_HEADS],
            uplink=vitals.uplink,
            at_risk=vitals.at_risk,
            fetches=list(vitals.fetches),
        )


def system_info() -> dict[str, Any]:
    """The machine, in the words of the predecessor."""
    return {"platform": platform.platform(), "python_version": platform.python_version(), "cpu_count": os.cpu_count()}
