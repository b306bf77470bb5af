"""The recorder as a process of its own, as a site runs it."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from tests.children import bound

RECORDER = Path(sys.executable).with_name("recorder")
STOP_SECONDS = 60
"""For waiting, on whatever machine: what a stop may take is measured where it is promised."""
PASSWORD = "camera-s3cret"


@dataclass
class RunningRecorder:
    """A started recorder and what it has printed."""

    process: asyncio.subprocess.Process
    status_url: str

    async def stop(self) -> int:
        """SIGTERM; its exit code."""
        if self.process.returncode is None:
            self.process.terminate()
        return await asyncio.wait_for(self.process.wait(), STOP_SECONDS)


def environment(folder: Path, backend: str, token: str, port: int, **more: str) -> dict[str, str]:
    """Settings for one recorder; nothing of this machine's own."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return (
        kept
        | {
            "BACKEND_API_URL": backend,
            "CLIENT_TOKEN": token,
            "RECORDING_BASE_DIR": str(folder / "base"),
            "STATUS_PORT": str(port),
            "MIN_FREE_GIB": "0",
            "MIN_FREE_PERCENT": "0",
            "LOG_FORMAT": "json",
        }
        | more
    )


@contextlib.asynccontextmanager
async def recorder(
    folder: Path, variables: dict[str, str], *, is_service: bool = False
) -> AsyncIterator[RunningRecorder]:
    """Runs `recorder run`, as systemd does if `is_service`; its stderr is in `stderr.log`."""
    command: list[str | Path] = [RECORDER, "run"]
    if is_service:
        command = ["sh", "-c", 'SYSTEMD_EXEC_PID=$$ exec "$0" run', RECORDER]
    with (folder / "stderr.log").open("ab") as errors:
        process = await asyncio.create_subprocess_exec(*bound(*command), cwd=folder, env=variables, stderr=errors)
    running = RunningRecorder(process, f"http://127.0.0.1:{variables['STATUS_PORT']}")
    try:
        yield running
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def command(folder: Path, variables: dict[str, str], *arguments: str) -> tuple[int, str, str]:
    """Runs a command to its end: exit code, stdout, stderr."""
    process = await asyncio.create_subprocess_exec(
        RECORDER,
        *arguments,
        cwd=folder,
        env=variables,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(90):
        out, errors = await process.communicate()
    return process.returncode or 0, out.decode(), errors.decode()


def configuration(url: str, revision: str = "1", *, is_due: bool = True) -> bytes:
    """A configuration document with one camera that is always due, or never."""
    camera = {"id": str(uuid4()), "name": "Yard", "rtsp_url": url}
    schedule = {
        "id": str(uuid4()),
        "name": "Always",
        "schedule_type": "continuous",
        "start_time": "00:00:00",
        "end_time": "00:00:00",
        "segment_seconds": 2,
        "camera": camera,
    }
    return json.dumps(
        {
            "revision": revision,
            "client_id": str(uuid4()),
            "client_name": "Box",
            "cameras": [camera],
            "schedules": [schedule] if is_due else [],
        }
    ).encode()


async def answering(running: RunningRecorder, client: httpx.AsyncClient) -> None:
    """Waits until the local endpoints answer."""
    async with asyncio.timeout(90):
        while running.process.returncode is None:
            try:
                await client.get(f"{running.status_url}/health")
            except httpx.TransportError:
                await asyncio.sleep(0.05)
            else:
                return
    raise AssertionError("the recorder ended")


async def status_once(
    running: RunningRecorder, client: httpx.AsyncClient, condition: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """The first `/status` that meets the condition."""
    async with asyncio.timeout(90):
        while True:
            shown: dict[str, Any] = (await client.get(f"{running.status_url}/status")).json()
            if condition(shown):
                return shown
            await asyncio.sleep(0.05)  # another process: there is nothing to wait for
