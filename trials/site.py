"""A site under trial: a real control plane, and a recorder that is started and killed at will."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy.engine import make_url

from bench.processes import free_port
from camera_simulator import CameraSimulator
from demo.cameras import Source, register
from demo.operator import Operator, operator
from demo.processes import Child, DemoError, call, start
from demo.ready import recorder_status, wait_until_healthy
from recorder.spool import Spool

_DRAIN_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class SiteCamera:
    """A camera of the site; `name` is the simulator's, `id` the control plane's."""

    name: str
    id: str


@dataclass(slots=True)
class Site:
    """Everything but the recorder runs as long as the site is open."""

    folder: Path
    store: Path
    chief: Operator
    database: str
    cameras: list[SiteCamera]
    settings: Mapping[str, str]
    """The recorder's."""
    status_url: str
    schedules: list[str] = field(default_factory=list)
    _recorder: Child | None = None

    @property
    def base(self) -> Path:
        """The recorder's folder."""
        return Path(self.settings["RECORDING_BASE_DIR"])

    async def record_always(self, segment_seconds: int) -> None:
        """Every camera, from now on."""
        for camera in self.cameras:
            self.schedules.append(await self.chief.record_always(camera.id, segment_seconds=segment_seconds))

    async def record_no_more(self) -> None:
        """Ends every schedule."""
        for schedule_id in self.schedules:
            await self.chief.change("schedules", schedule_id, is_active=False)

    async def start_recorder(self) -> None:
        """As a site does it: `recorder run`."""
        self._recorder = await start("recorder", "recorder", "run", env=self.settings, folder=self.folder)

    async def wait_until_recorded(self, seconds: float) -> None:
        """Until the recorder says that it records every camera. DemoError."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            conditions = list((await recorder_status(self.status_url)).conditions.values())
            if conditions.count("recording") == len(self.cameras):
                return
            await asyncio.sleep(0.1)
        raise DemoError(f"not all cameras were recorded within {seconds:.0f} s; see {self.folder}")

    def kill_recorder(self) -> None:
        """`kill -9`, at once: nothing else of this program runs before it."""
        self._running.process.kill()

    async def wait_for_end(self) -> None:
        """Until the killed recorder is gone."""
        await self._running.process.wait()
        self._recorder = None

    async def stop_recorder(self) -> None:
        """SIGTERM, and 15 s."""
        if self._recorder is not None:
            await self._recorder.end(seconds=15)
        self._recorder = None

    async def drain(self) -> None:
        """The recorder, which records no more, delivers all that it has, and is stopped.

        DemoError if it doesn't get that far.
        """
        limit = time.monotonic() + _DRAIN_SECONDS
        while time.monotonic() < limit:
            if self._recorder is None:
                await self.start_recorder()
            while not (await recorder_status(self.status_url)).is_idle and time.monotonic() < limit:
                self._running.raise_if_ended()
                await asyncio.sleep(0.5)
            await self.stop_recorder()
            if await asyncio.to_thread(self._is_all_told):
                return
        raise DemoError(f"the recorder did not deliver everything within {_DRAIN_SECONDS:.0f} s; see {self.folder}")

    def _is_all_told(self) -> bool:
        with contextlib.closing(Spool.open(self.base)) as spool:
            is_delivered = spool.segments.backlog().segments == 0
            # At the end of time no gap is postponed.
            return is_delivered and not spool.gaps.to_report(datetime.max.replace(tzinfo=UTC))

    async def segments(self, camera: SiteCamera) -> list[dict[str, Any]]:
        """All that the control plane knows of, oldest first."""
        query = (
            "SELECT id, started_at, ended_at, state, object_name, size_bytes, packets, sha256, crc32c, codec"
            " FROM segments WHERE camera_id = $1 ORDER BY started_at"
        )
        return await self._rows(query, camera.id)

    async def gaps(self, camera: SiteCamera) -> list[dict[str, Any]]:
        """All that the control plane knows of, oldest first."""
        query = "SELECT started_at, ended_at, cause, detail FROM gaps WHERE camera_id = $1 ORDER BY started_at"
        return await self._rows(query, camera.id)

    async def _rows(self, query: str, camera_id: str) -> list[dict[str, Any]]:
        url = make_url(self.database)
        connection = await asyncpg.connect(
            user=url.username, password=url.password, host=url.host, port=url.port, database=url.database, ssl=False
        )
        try:
            return [dict(row) for row in await connection.fetch(query, camera_id)]
        finally:
            await connection.close(timeout=5)

    @property
    def _running(self) -> Child:
        if self._recorder is None:
            raise DemoError("the recorder is not running")
        return self._recorder


@contextlib.asynccontextmanager
async def open_site(folder: Path, database: str, simulator: CameraSimulator) -> AsyncIterator[Site]:
    """The control plane is up and knows all cameras and one recorder, which is not started yet."""
    port, status_port = free_port(), free_port()
    store = folder / "bucket"
    store.mkdir()
    settings = {
        "DATABASE_URL": database,
        "SECRET_KEYS": (await call("control-plane", "create-secret-key", env={}, folder=folder)).strip(),
        "DATA_DIR": str(folder / "control-plane"),
        "STORAGE_URL": store.as_uri(),
        "PORT": str(port),
    }
    key = await call("control-plane", "create-api-key", "trial", "--role", "admin", env=settings, folder=folder)
    url = f"http://127.0.0.1:{port}"
    child = await start("control plane", "control-plane", "serve", env=settings, folder=folder)
    try:
        await wait_until_healthy(f"{url}/health/ready", child, asyncio.Event(), seconds=120)
        async with operator(url, key.splitlines()[-1]) as chief:
            sources = [Source(camera.name, {"rtsp_url": simulator.url(camera.name)}) for camera in simulator.cameras]
            fleet, token = await register(chief, "trial", sources)
            recorder = {
                "BACKEND_API_URL": url,
                "CLIENT_TOKEN": token,
                "RECORDING_BASE_DIR": str(folder / "recorder"),
                "STORAGE_URL": store.as_uri(),
                "STATUS_PORT": str(status_port),
                "LOG_FORMAT": "json",
                "MIN_FREE_GIB": "0",
                "MIN_FREE_PERCENT": "0",
            }
            cameras = [SiteCamera(camera.name, camera.id) for camera in fleet]
            site = Site(folder, store, chief, database, cameras, recorder, f"http://127.0.0.1:{status_port}")
            try:
                yield site
            finally:
                await site.stop_recorder()
    finally:
        await child.end(seconds=20)
