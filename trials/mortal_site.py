"""A site of which every process may be killed: recorder, control plane, database, and the bucket where there is one."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from uuid import UUID

from bench.processes import free_port
from control_plane.embedded import EmbeddedPostgres
from control_plane.embedded.grounds import discard
from control_plane.migration import migrate
from demo.cameras import Source, register
from demo.operator import operator
from demo.processes import call
from trials.bucket import objects_of
from trials.victims import Database, Victim, ours

CAMERAS = 2
BUCKET = "camfleet-tests"


class Way(StrEnum):
    """How the recorder reaches the store."""

    BROKERED = "brokered"
    FOLDER = "folder"


@dataclass
class MortalSite:
    """A site with all its processes, each of which may be killed."""

    folder: Path
    way: Way
    url: str
    recorder: Victim
    control_plane: Victim
    bucket: Victim | None
    server: EmbeddedPostgres
    cameras: Sequence[UUID]

    @property
    def base(self) -> Path:
        """The recorder's folder."""
        return self.folder / "recorder"

    @property
    def objects(self) -> Path:
        """Where the objects are."""
        return objects_of(self.folder / "bucket") if self.bucket else self.folder / "bucket"

    def victims(self, chance: random.Random) -> dict[str, Callable[[], Awaitable[None]]]:
        """What can be killed, by name; all are up again when the call returns, but the database takes a moment."""
        database = Database(self.server, chance)
        found: dict[str, Callable[[], Awaitable[None]]] = {
            "recorder": partial(_again, self.recorder),
            "control plane": partial(_again, self.control_plane, once=database.postmaster),
            "postmaster": database.kill_postmaster,
            "backend": database.kill_backend,
        }
        if self.bucket is not None:
            found["bucket"] = partial(_again, self.bucket)
        return found


@contextlib.asynccontextmanager
async def open_mortal_site(
    folder: Path, way: Way, recorder_env: dict[str, str] | None = None, database: dict[str, str] | None = None
) -> AsyncIterator[MortalSite]:
    """Everything but the recorder is up; the control plane knows it and its cameras, of which none is recorded."""
    server = EmbeddedPostgres(folder / "database", parameters=database)
    await server.start()
    up = asyncio.create_task(server.keep_running())
    opened: list[Victim] = []
    try:
        await migrate(server.url)
        (folder / "bucket").mkdir()
        bucket = _bucket(folder) if way is Way.BROKERED else None
        store = f"gs://{BUCKET}" if bucket else (folder / "bucket").as_uri()
        port, status_port = free_port(), free_port()
        env = {
            "DATABASE_URL": server.url,
            "SECRET_KEYS": (await call("control-plane", "create-secret-key", env={}, folder=folder)).strip(),
            "DATA_DIR": str(folder / "control-plane"),
            "STORAGE_URL": store,
            "PORT": str(port),
            "LOG_FORMAT": "json",
            **({"STORAGE_EMULATOR_HOST": f"http://{bucket.health}"} if bucket else {}),
        }
        key = await call("control-plane", "create-api-key", "trial", "--role", "admin", env=env, folder=folder)
        url = f"http://127.0.0.1:{port}"
        control_plane = Victim("control plane", ours("control-plane", "serve"), env, folder, f"{url}/health/ready")
        for one in (bucket, control_plane):
            if one is not None:
                await one.start()
                opened.append(one)
        async with operator(url, key.splitlines()[-1]) as chief:
            sources = [Source(f"Camera {n + 1}", {"rtsp_url": f"rtsp://127.0.0.1/{n}"}) for n in range(CAMERAS)]
            fleet, token = await register(chief, "trial", sources)
        settings = {
            "BACKEND_API_URL": url,
            "CLIENT_TOKEN": token,
            "RECORDING_BASE_DIR": str(folder / "recorder"),
            "STATUS_PORT": str(status_port),
            "LOG_FORMAT": "json",
            "MIN_FREE_GIB": "0",
            "MIN_FREE_PERCENT": "0",
            **({} if bucket else {"STORAGE_URL": store}),
            **(recorder_env or {}),
        }
        health = f"http://127.0.0.1:{status_port}/health"
        recorder = Victim("recorder", ours("recorder", "run"), settings, folder, health)
        opened.append(recorder)
        cameras = [UUID(camera.id) for camera in fleet]
        yield MortalSite(folder, way, server.url, recorder, control_plane, bucket, server, cameras)
    finally:
        for one in reversed(opened):
            await one.stop()
        up.cancel()
        await asyncio.gather(up, return_exceptions=True)
        await server.stop()
        discard(folder / "database")


def _bucket(folder: Path) -> Victim:
    port = free_port()
    command = ("-m", "trials.bucket", str(folder / "bucket"), str(port))
    root = Path(__file__).parent.parent
    return Victim("bucket", ours("python", *command), {"PYTHONPATH": str(root)}, folder, f"127.0.0.1:{port}")


async def _again(victim: Victim, once: Callable[[], Awaitable[object]] | None = None) -> None:
    """`once`: what it can't start without; a service manager would try again until then."""
    await victim.kill()
    if once is not None:
        await once()
    await victim.start()
