"""How long a recorder takes from its start to its first recorded picture, with half a million segments on its disk."""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx
from pydantic import SecretStr
from uuid_utils.compat import uuid7

from bench.processes import free_port
from bench.results import Result, limited
from camera_simulator import CameraSimulator, CameraSpec
from camfleet_contract.cameras import Camera
from camfleet_contract.configuration import RecorderConfig
from camfleet_contract.schedules import ScheduleType
from recorder.config_cache import ConfigCache
from recorder.spool import Recording, Spool
from recorder.spool.database import to_column
from recorder.vault import Vault

GOAL_SECONDS = 5.0
CAMERAS = 50
MINUTES_A_DAY = 1440
TOKEN = "cfr_bench"  # noqa: S105 - nobody checks it: the control plane is away
_SHOW = {"sealed": 3, "uploaded": 1, "stored": 1}
"""Of so many segments each are in this state."""


async def start_up(folder: Path, segments: int) -> list[Result]:
    """A recorder starts by its cached configuration: with an empty spool, then with a full one."""
    async with CameraSimulator([CameraSpec(name="yard")]) as simulator:
        empty = await _started(folder / "empty", simulator.url("yard"))
        await asyncio.to_thread(fill, folder / "full", segments)
        full = await _started(folder / "full", simulator.url("yard"))
    return [limited(f"recorder.start_up.{segments}", full, "s", GOAL_SECONDS, empty)]


async def _started(base: Path, camera_url: str) -> float:
    """Seconds from the start of the process until the camera is being recorded."""
    await asyncio.to_thread(_cache_configuration, base, camera_url)
    port = free_port()
    began = time.monotonic()
    async with _running(base, port), httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        while True:
            with contextlib.suppress(httpx.TransportError):
                status = (await client.get("/status")).json()
                if any(state["condition"] == "recording" for state in status["camera_states"]):
                    return time.monotonic() - began
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def _running(base: Path, port: int) -> AsyncIterator[None]:
    variables = {
        "PATH": os.environ["PATH"],
        "BACKEND_API_URL": "http://127.0.0.1:9",
        "CLIENT_TOKEN": TOKEN,
        "RECORDING_BASE_DIR": str(base),
        "STATUS_PORT": str(port),
        "MIN_FREE_GIB": "0",
        "MIN_FREE_PERCENT": "0",
        "CLEANUP_AFTER_UPLOAD": "false",
        "KEEP_LOCAL_DAYS": "365",
    }
    with (base / "output.log").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name("recorder"), "run", cwd=base, env=variables, stdout=output, stderr=output
        )
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


def _cache_configuration(base: Path, camera_url: str) -> None:
    camera = Camera(id=uuid7(), name="Yard", rtsp_url=camera_url)
    schedule = {
        "id": str(uuid7()),
        "name": "Always",
        "schedule_type": ScheduleType.CONTINUOUS,
        "start_time": "00:00:00",
        "end_time": "00:00:00",
        "camera": camera.model_dump(mode="json"),
    }
    document = RecorderConfig.model_validate(
        {"revision": "1", "client_id": str(uuid7()), "client_name": "Box", "cameras": [camera], "schedules": [schedule]}
    )
    base.mkdir(parents=True, exist_ok=True)
    ConfigCache(base / "cache", Vault(SecretStr(TOKEN))).save(document.model_dump_json().encode(), None)


def fill(base: Path, segments: int) -> None:
    """A spool with so many segments of many cameras, a minute each, in the real folders, with files (of one byte)."""
    spool = Spool.open(base)
    newest = datetime.now(UTC) - timedelta(hours=1)
    per_camera = -(-segments // CAMERAS)
    states = [state for state, count in _SHOW.items() for _ in range(count)]
    left = segments
    for _ in range(CAMERAS):
        camera_id = uuid7()
        for day in range(0, min(per_camera, left), MINUTES_A_DAY):
            count = min(MINUTES_A_DAY, per_camera - day, left - day)
            _fill_day(spool, camera_id, newest - timedelta(minutes=day), count, states)
        left -= min(per_camera, left)
    spool.mark_alive(datetime.now(UTC))
    spool.close()
    descriptor = os.open(base / "spool.sqlite3", os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)  # as after a boot
    os.close(descriptor)


def _fill_day(spool: Spool, camera_id: UUID, newest: datetime, count: int, states: list[str]) -> None:
    recording = Recording(uuid7(), camera_id, None, "Always", newest - timedelta(days=1), until=newest)
    spool.recordings.begin(recording)
    rows = []
    for number in range(count):
        start, segment_id = newest - timedelta(minutes=number), uuid7()
        path = f"recordings/{camera_id}/{start:%Y-%m-%d}/{segment_id}.mp4"
        file = spool.base / path
        if number == 0 or not file.parent.is_dir():
            file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"\0")
        begun, ended = to_column(start), to_column(start + timedelta(minutes=1))
        state, sha256 = states[number % len(states)], segment_id.hex * 2
        ids = (str(segment_id), str(recording.id), str(camera_id))
        rows.append((*ids, state, path, begun, begun, ended, sha256))
    with spool._database.transaction() as db:  # noqa: SLF001 - half a million calls of its own take an hour
        db.executemany(
            "INSERT INTO segments (id, recording_id, camera_id, state, path, opened_at, start_at, end_at, size_bytes,"
            " crc32c, sha256, codec, packets) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, 'AAAAAA==', ?, 'h264', 1500)",
            rows,
        )
        db.execute(
            "UPDATE recordings SET ended_at = until, status = 'completed', registered = 1 WHERE id = ?",
            (str(recording.id),),
        )
