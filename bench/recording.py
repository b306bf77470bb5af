"""What recording costs per camera, beside one `ffmpeg -c copy` process per camera."""

import asyncio
import contextlib
import shutil
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.processes import Cost, cost_of, free_port
from bench.results import Result, compared
from demo.cameras import Source, printed_cameras
from demo.cameras import register as register_cameras
from demo.operator import Operator, operator
from demo.processes import Child, DemoError, call, start
from demo.ready import recorder_status, wait_until_healthy

CAMERA = "codec=h264,audio=aac,width=1920,height=1080,fps=25,gop_frames=50,bitrate_bps=4000000"
WARM_UP_SECONDS = 10.0
# Longer than a segment, so that cutting and sealing are in the figures.
MEASURED_SECONDS = 75.0
CPU_GOAL, MEMORY_GOAL = 0.55, 0.4
"""At sixteen cameras."""


@dataclass(frozen=True, slots=True)
class PerCamera:
    """The cost of one camera."""

    cpu_milliseconds_per_second: float
    memory_megabytes: float


async def recording(folder: Path, cameras: int) -> list[Result]:
    """Measure the recorder, then the reference, on the same simulated cameras."""
    async with simulated(folder, cameras) as sources:
        ours = await measured(recorder_running(folder, sources), cameras)
        reference = await measured(ffmpeg_running(folder, sources), cameras)
    has_goal = cameras == 16  # noqa: PLR2004 - the size that the goals were set for
    return [
        compared(
            f"recorder.cpu_per_camera.{cameras}",
            ours.cpu_milliseconds_per_second,
            "ms/s",
            reference.cpu_milliseconds_per_second,
            CPU_GOAL if has_goal else None,
        ),
        compared(
            f"recorder.memory_per_camera.{cameras}",
            ours.memory_megabytes,
            "MB",
            reference.memory_megabytes,
            MEMORY_GOAL if has_goal else None,
        ),
    ]


async def measured(running: contextlib.AbstractAsyncContextManager[Iterable[int]], cameras: int) -> PerCamera:
    """Let it run warm, then measure."""
    async with running as pids:
        await asyncio.sleep(WARM_UP_SECONDS)
        before, since = cost_of(pids), time.monotonic()
        await asyncio.sleep(MEASURED_SECONDS)
        after, seconds = cost_of(pids), time.monotonic() - since
    return _per_camera(before, after, seconds, cameras)


@contextlib.asynccontextmanager
async def simulated(folder: Path, cameras: int) -> AsyncIterator[list[Source]]:
    """The cameras, in a process of their own whose cost is not counted."""
    options = [part for i in range(cameras) for part in ("--camera", f"camera-{i}:{CAMERA}")]
    child = await start("camera simulator", "camera-simulator", "serve", *options, "--port", "0", env={}, folder=folder)
    try:
        yield [Source(camera["name"], {"rtsp_url": camera["url"]}) for camera in await printed_cameras(child)]
    finally:
        await child.end(seconds=10)


@contextlib.asynccontextmanager
async def recorder_running(folder: Path, sources: list[Source]) -> AsyncIterator[list[int]]:
    """The recorder, recording all cameras, with a real control plane beside it whose cost is not counted."""
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
            "STORAGE_URL": store.as_uri(),
            "STATUS_PORT": str(status_port),
        }
        recorder = await _started(children, "recorder", ["recorder", "run"], environment, folder)
        url = f"http://127.0.0.1:{status_port}"
        await wait_until_healthy(f"{url}/health", recorder, never, seconds=60)
        await _record_all(chief, [camera.id for camera in fleet])
        await _until_recording(url, len(fleet), recorder)
        yield [recorder.process.pid]


@contextlib.asynccontextmanager
async def ffmpeg_running(folder: Path, sources: list[Source]) -> AsyncIterator[list[int]]:
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
                *("-c", "copy", "-f", "segment", "-segment_time", "60", "-reset_timestamps", "1"),
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


def _per_camera(before: Cost, after: Cost, seconds: float, cameras: int) -> PerCamera:
    return PerCamera(
        cpu_milliseconds_per_second=1000 * (after.cpu_seconds - before.cpu_seconds) / seconds / cameras,
        memory_megabytes=after.memory_bytes / 1e6 / cameras,
    )


async def _started(
    children: contextlib.AsyncExitStack, name: str, command: list[str], env: dict[str, str], folder: Path
) -> Child:
    child = await start(name, *command, env=env, folder=folder)
    children.push_async_callback(child.end, seconds=20)
    return child


async def _record_all(chief: Operator, camera_ids: list[str]) -> None:
    for camera_id in camera_ids:
        await chief.create(
            "schedules",
            camera_id=camera_id,
            name="Always",
            schedule_type="continuous",
            start_time="00:00:00",
            end_time="00:00:00",
        )


async def _until_recording(url: str, cameras: int, recorder: Child) -> None:
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        recorder.raise_if_ended()
        conditions = list((await recorder_status(url)).conditions.values())
        if conditions.count("recording") == cameras:
            return
        await asyncio.sleep(0.2)
    raise DemoError(f"not all {cameras} cameras were recorded within a minute: nothing was compared")
