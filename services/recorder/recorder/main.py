"""The recorder, top-down: what it is made of, how it starts, and how it stops."""

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import structlog
from uuid_utils.compat import uuid7

from camfleet_contract.configuration import RecorderConfig
from recorder.api import local_api
from recorder.audio import AudioPolicy
from recorder.cameras import Cameras
from recorder.capacity import chosen, this_machine
from recorder.capturing import Capturing
from recorder.clock import SystemClock
from recorder.clock_error import ClockError
from recorder.commands import Commands
from recorder.config import ConfigSync
from recorder.config_cache import ConfigCache
from recorder.control_plane import connected
from recorder.deeds import Deeds
from recorder.ending import Ending, first_process, is_started_again
from recorder.errors import ControlPlaneError
from recorder.heartbeat import Heartbeats
from recorder.held_up import Waiting
from recorder.link import Link
from recorder.local_server import LocalServer, listening
from recorder.looks import Looks
from recorder.memory import keep_for_good, trimming
from recorder.offers import Offers
from recorder.problems import Problems
from recorder.pulse import Pulse
from recorder.reports import Reports
from recorder.retention import Reserve, Retention, disk_space
from recorder.risk import Risk
from recorder.scenes.rules import Rules
from recorder.settings import Settings, UploadOrder
from recorder.site_holds import SiteHolds
from recorder.sources import RtspClient
from recorder.spool import Spool
from recorder.spool.spool import unusable
from recorder.status import Status
from recorder.stock import Stock
from recorder.stocktaking import Stocktaking
from recorder.storage.choice import chosen_store
from recorder.stream import Transport
from recorder.tokens import kept_tokens
from recorder.turns import Turns
from recorder.uplink import Uplink
from recorder.uploads import Uploads
from recorder.vault import Vault

log = structlog.get_logger(__name__)

VERSION = version("camfleet-recorder")
GIB = 1024**3
CAMERAS_STOP_SECONDS = 8.2
LAST_REPORTS_SECONDS = 1.0
_THREADS = 32
SESSIONS_AHEAD = 4
"""Brokered upload sessions that are asked for ahead, for each upload at a time."""


async def run(settings: Settings) -> bool:
    """The whole program, until SIGTERM or SIGINT, or until it is to be started again: then True.

    Raises `SpoolError` or `PortTaken` if it can't start.
    """
    ending, clock, vault = Ending(), SystemClock(), Vault(settings.secrets_key or settings.client_token)
    ending.on_signals()
    link, base, tokens = Link(clock.now), settings.recording_base_dir, kept_tokens(settings)
    hosts = (*settings.status_allowed_hosts, settings.status_host)
    # More than the loop's few: what waits for a disk that stands still must not keep the signs of life waiting. An
    # upload never has more than one of them.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS + settings.upload_parallel, "work"))
    await asyncio.to_thread(tokens.read)
    with listening(settings.status_host, settings.status_port) as listener:
        async with (
            connected(settings.backend_api_url, tokens, link) as control_plane,
            chosen_store(settings) as store,
            contextlib.AsyncExitStack() as opened,
        ):
            waiting = Waiting(
                partial(_spool, base),
                clock=clock,
                stop=ending.asked,
                version=VERSION,
                allowed_hosts=hosts,
                heartbeat_interval=timedelta(seconds=settings.heartbeat_interval_seconds),
            )
            spool = await waiting.opened(listener, control_plane)
            if spool is None:
                return False
            opened.callback(spool.close)
            if waiting.held_up is not None:
                await asyncio.to_thread(tokens.read)  # they lie in the same folder
            clock_error, capturing = ClockError(clock), _capturing(settings)
            newest_first, wake, news = settings.upload_order is UploadOrder.NEWEST, _Wake(), _Wake()
            cameras = Cameras(
                spool,
                clock=clock,
                capturing=capturing,
                on_change=wake.from_a_thread,
                on_condition=news.from_a_thread,
                clock_error=clock_error,
                held_up=waiting.held_up,
            )
            deeds = Deeds(
                cameras,
                Looks(cameras, capturing, clock, spool),
                tokens,
                restart=partial(ending.ask, restart=True),
                is_started_again=is_started_again(os.environ, os.getpid(), os.getppid(), first_process()),
            )
            commands = Commands(control_plane, spool, deeds, clock=clock)
            config = ConfigSync(
                control_plane,
                ConfigCache(base / "cache", vault),
                wake.on_config,
                clock=clock,
                interval=timedelta(seconds=settings.sync_interval_seconds),
                client_id=settings.client_id,
                on_confirmed=commands.take,
            )
            reserve = Reserve(int(settings.min_free_gib * GIB), settings.min_free_percent / 100)
            retention = Retention(
                spool,
                clock=clock,
                keep=settings.keep_after_stored,
                reserve=reserve,
                measure=partial(disk_space, base / "recordings"),
                on_gap=wake,
                keep_unproven=settings.keep_unproven,
                bytes_per_camera=settings.bytes_per_camera,
                told_holds=config.told_holds,
            )
            uplink = Uplink(clock, settings.site_uploading)
            turns = Turns(spool, uplink, clock=clock, newest_first=newest_first)
            ahead = SESSIONS_AHEAD * settings.upload_parallel
            uploads = Uploads(
                spool,
                store,
                vault,
                clock=clock,
                uplink=uplink,
                turns=turns,
                parallel=settings.upload_parallel,
                ahead=ahead,
                on_uploaded=wake,
            )
            offers = Offers(
                control_plane,
                spool,
                vault,
                clock=clock,
                next_up=partial(turns.upcoming, ahead) if store.needs_session else None,
                newest_first=newest_first,
                on_session=uploads.wake,
                on_stored=retention.wake,
            )
            reports = Reports(control_plane, spool, offers, clock=clock)
            wake.whom = (reports.wake, uploads.wake)
            uplink.on_opening = wake
            # What is to go first is known when those who upload it wake.
            wake.applied = (
                lambda config: spool.know_client(config.client_id),
                cameras.apply,
                uplink.apply,
                lambda _: retention.wake(),
                lambda _: wake(),
            )
            shown = settings.store or "brokered"
            stock = Stock(spool, clock, uplink.fetches)
            risk = Risk(
                spool,
                stock,
                uplink,
                clock=clock,
                reserve=reserve,
                newest_first=newest_first,
                keep_unproven=settings.keep_unproven,
                bytes_per_camera=settings.bytes_per_camera,
                on_news=news,
            )
            problems = Problems(clock, stock, link, config, cameras, uploads, retention, clock_error, lambda: risk.told)
            pulse = Pulse()
            recorder_id, now = spool.recorder_id, clock.now()
            status = Status(
                VERSION,
                now,
                clock,
                recorder_id,
                stock,
                link,
                config,
                cameras,
                uploads,
                problems,
                shown,
                pulse,
                uplink,
                risk,
            )
            heartbeats = Heartbeats(
                control_plane,
                status.vitals,
                clock=clock,
                clock_error=clock_error,
                interval=timedelta(seconds=settings.heartbeat_interval_seconds),
                version=VERSION,
                boot_id=uuid7(),
                on_config_changed=config.poke,
                on_answered=pulse.beat,
            )
            news.whom = (heartbeats.soon,)
            holds = SiteHolds(spool, clock, retention.wake)
            api = local_api(status, cameras, holds, allowed_hosts=hosts, version=VERSION)
            log.info("recorder_started", version=VERSION, store=shown, folder=str(base), pid=os.getpid())
            await config.start_from_cache()
            stocktaking = Stocktaking(spool, cameras.is_recovered)
            others = (
                config,
                commands,
                heartbeats,
                pulse,
                uplink,
                uploads,
                retention,
                risk,
                stocktaking,
                LocalServer(api, listener),
            )
            keep_for_good()
            await _run_all(cameras.run(), reports, [*(part.run() for part in others), trimming()], ending.asked)
    log.info("recorder_stopped", is_restart=ending.is_restart)
    return ending.is_restart


async def _run_all(
    capture: Coroutine[Any, Any, None], reports: Reports, others: list[Coroutine[Any, Any, None]], stop: asyncio.Event
) -> None:
    """Everything at once. On a stop the cameras seal first, and what they sealed is told as far as time allows."""
    async with asyncio.TaskGroup() as tasks:
        recording = tasks.create_task(capture, name="cameras")
        telling = tasks.create_task(reports.run(), name="reports")
        rest = [tasks.create_task(part) for part in others]
        await stop.wait()
        log.info("recorder_stopping")
        recording.cancel()
        await asyncio.wait([recording], timeout=CAMERAS_STOP_SECONDS)
        telling.cancel()
        await asyncio.wait([telling], timeout=LAST_REPORTS_SECONDS)
        with contextlib.suppress(ControlPlaneError, TimeoutError, sqlite3.Error):
            async with asyncio.timeout(LAST_REPORTS_SECONDS):
                await reports.drain()
        for task in rest:
            task.cancel()


class _Wake:
    """Wakes who has something to tell or to upload."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.whom: tuple[Any, ...] = ()
        self.applied: tuple[Callable[[RecorderConfig], None], ...] = ()

    def __call__(self) -> None:
        for wake in self.whom:
            wake()

    def on_config(self, config: RecorderConfig) -> None:
        """Whoever records or deletes by the configuration hears of it."""
        for apply in self.applied:
            apply(config)

    def from_a_thread(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended: the next start finds the rows
            self._loop.call_soon_threadsafe(self)


def _spool(base: Path) -> Spool:
    spool = Spool.open(base)
    try:
        for folder in ("cache", "pending_uploads"):
            (base / folder).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        spool.close()
        raise unusable(base, error) from error
    _close_to_others(base)
    return spool


def _close_to_others(base: Path) -> None:
    """What an earlier version made readable for everybody. An owner's group keeps its rights."""
    for path in (base / "recordings", base / "logs", *base.glob("spool.sqlite3*")):
        with contextlib.suppress(OSError):  # another's folder, or a disk whose file system knows no modes
            path.chmod(path.stat().st_mode & 0o7770)


def _capturing(settings: Settings) -> Capturing:
    capacity = chosen(settings.max_concurrent_recordings, this_machine())
    return Capturing(
        policy=AudioPolicy(settings.audio),
        transport=Transport(settings.rtsp_transport),
        client=RtspClient(settings.rtsp_client),
        max_concurrent=capacity.cameras,
        limit_reason=capacity.reason,
        pre_roll=timedelta(seconds=settings.pre_roll_seconds),
        pre_roll_bytes=settings.pre_roll_mib << 20,
        post_roll=timedelta(seconds=settings.post_roll_seconds),
        scene_rules=Rules() if settings.scene_signals else None,
    )
