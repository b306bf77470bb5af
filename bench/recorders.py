"""What is measured: the recorder, and what the well-known recorders do."""

import asyncio
import contextlib
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench.processes import free_port
from demo.cameras import Source
from demo.cameras import register as register_cameras
from demo.operator import operator
from demo.processes import Child, DemoError, call, start
from demo.ready import recorder_status, wait_until_healthy


@dataclass(frozen=True, slots=True)
class RunningRecorder:
    """A recorder that records all cameras."""

    pid: int
    url: str

    async def metrics(self) -> dict[str, float]:
        """Those of its `/metrics` that stand alone."""
        async with httpx.AsyncClient(timeout=30) as http:
            lines = (await http.get(f"{self.url}/metrics")).raise_for_status().text.splitlines()
        pairs = (line.split(" ") for line in lines if not line.startswith("#") and "{" not in line)
        return {name: float(value) for name, value in pairs}


@contextlib.asynccontextmanager
async def recorder_running(
    folder: Path,
    sources: list[Source],
    segment_seconds: int,
    *,
    with_upload: bool = False,
    heartbeat_seconds: float | None = None,
) -> AsyncIterator[RunningRecorder]:
    """The recorder, recording all cameras, with a real control plane beside it whose cost is not counted.

    Without uploads the folder that is its store isn't there, as where its disk is not mounted.
    """
    port, status_port = free_port(), free_port()
    store = folder / "bucket"
    store.mkdir()
    settings = {"DATA_DIR": str(folder / "control-plane"), "STORAGE_URL": store.as_uri(), "PORT": str(port)}
    never = asyncio.Event()
    async with contextlib.AsyncExitStack() as children:
        control_plane = await _started(children, "control plane", ["control-plane", "serve"], settings, folder)
        await wait_until_healthy(f"http://127.0.0.1:{port}/health/ready", control_plane, never, seconds=120)
        key = await call("control-plane", "create-api-key", "bench", "--role", "admin", env=settings, folder=folder)
        chief = await children.enter_async_context(operator(f"http://127.0.0.1:{port}", key.splitlines()[-1]))
        fleet, token = await register_cameras(chief, "bench", sources)
        environment = {
            "BACKEND_API_URL": f"http://127.0.0.1:{port}",
            "CLIENT_TOKEN": token,
            "RECORDING_BASE_DIR": str(folder / "recorder"),
            "STORAGE_URL": (store if with_upload else folder / "not-mounted").as_uri(),
            "STATUS_PORT": str(status_port),
            "MAX_CONCURRENT_RECORDINGS": str(len(sources)),
        }
        if heartbeat_seconds is not None:
            environment["HEARTBEAT_INTERVAL_SECONDS"] = str(heartbeat_seconds)
        recorder = await _started(children, "recorder", ["recorder", "run"], environment, folder)
        url = f"http://127.0.0.1:{status_port}"
        await wait_until_healthy(f"{url}/health", recorder, never, seconds=60)
        for camera in fleet:
            await chief.record_always(camera.id, segment_seconds=segment_seconds)
        await _until_recording(url, len(fleet), recorder)
        yield RunningRecorder(recorder.process.pid, url)


@contextlib.asynccontextmanager
async def ffmpeg_running(folder: Path, sources: list[Source], segment_seconds: int) -> AsyncIterator[list[int]]:
    """What the well-known recorders do: one ffmpeg process per camera."""
    program = shutil.which("ffmpeg")
    if program is None:
        raise DemoError("the reference needs ffmpeg: tests/install-system-packages installs it")
    output = folder / "ffmpeg"
    output.mkdir()
    processes = []
    try:
        for source in sources:
            command = [
                *("-nostdin", "-loglevel", "error", "-rtsp_transport", "tcp", "-i", source.address["rtsp_url"]),
                *("-c", "copy", "-f", "segment", "-segment_time", str(segment_seconds), "-reset_timestamps", "1"),
                str(output / f"{source.name}-%d.mp4"),
            ]
            processes.append(await asyncio.create_subprocess_exec(program, *command))
        yield [process.pid for process in processes]
        ended = [process.pid for process in processes if process.returncode is not None]
        if ended:
            raise DemoError(f"{len(ended)} of the reference's processes ended early: nothing was compared")
    finally:
        for process in processes:
            if process.returncode is None:
                process.terminate()
        for process in processes:
            await process.wait()


async def _started(
    children: contextlib.AsyncExitStack, name: str, command: list[str], env: dict[str, str], folder: Path
) -> Child:
    child = await start(name, *command, env=env, folder=folder)
    children.push_async_callback(child.end, seconds=20)
    return child


async def _until_recording(url: str, cameras: int, recorder: Child) -> None:
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        recorder.raise_if_ended()
        conditions = list((await recorder_status(url)).conditions.values())
        if conditions.count("recording") == cameras:
            return
        await asyncio.sleep(0.2)
    raise DemoError(f"not all {cameras} cameras were recorded within a minute: nothing was compared")
