"""What recording costs per camera, beside one `ffmpeg -c copy` process per camera."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

import av

from bench.ethernet import ethernet
from bench.processes import Cost, cost_of
from bench.recorders import RunningRecorder, ffmpeg_running, recorder_running
from bench.results import Result, compared, limited
from bench.simulation import MEGABITS_PER_SECOND, PICTURES_PER_SECOND, Simulation, simulated
from demo.processes import DemoError
from recorder.pulse import WINDOW_SECONDS, Pulse

WARM_UP_SECONDS = 10.0
COST_CAMERAS, CPU_GOAL, MEMORY_GOAL = 16, 0.55, 0.4
LAG_CAMERAS, LAG_GOAL_MILLISECONDS = 64, 50.0
SEGMENT_SECONDS, SHORT_SEGMENT_SECONDS = 60, 30
"""The default, and half of it. As long as it is measured, so that each camera is cut and sealed once in that time."""
LAG_WARM_UP_SECONDS = WINDOW_SECONDS + 5 - SHORT_SEGMENT_SECONDS
"""The lag is the longest of the last minute: by then connecting is over for longer than that."""
LAG_HEARTBEAT_SECONDS = 5.0
"""So that there are some to be late. One costs some 10 ms, which is nothing among 64 cameras."""
_HELD_PACKETS = 1
"""A camera that stops in mid stream never says that its last picture is complete."""
_RATE_TOLERANCE = 0.15


@dataclass(frozen=True, slots=True)
class PerCamera:
    """The cost of one camera."""

    cpu_milliseconds_per_second: float
    memory_megabytes: float


@dataclass(frozen=True, slots=True)
class Recorded:
    """What segments hold."""

    pictures: int
    size_bytes: int


async def recording(folder: Path, cameras: int) -> list[Result]:
    """Measure the recorder, then the reference, on the same simulated cameras: both record, and no more."""
    lags = cameras == LAG_CAMERAS
    idle = Pulse()
    async with simulated(folder, cameras) as simulation, _running(idle):
        ours, lag_milliseconds = await recorder_measured(folder, simulation, with_lag=lags)
        idle_milliseconds = 1000 * idle.lag_seconds
        reference = await _reference_measured(folder, simulation)
    has_goal = cameras == COST_CAMERAS
    results = [
        _cpu_compared(f"recorder.cpu_per_camera.{cameras}", ours, reference, CPU_GOAL if has_goal else None),
        compared(
            f"recorder.memory_per_camera.{cameras}",
            ours.memory_megabytes,
            "MB",
            reference.memory_megabytes,
            MEMORY_GOAL if has_goal else None,
        ),
    ]
    if lags:
        name = f"recorder.loop_lag.{cameras}"
        results.append(limited(name, lag_milliseconds, "ms", LAG_GOAL_MILLISECONDS, idle_milliseconds))
    return results


async def recording_over_ethernet(folder: Path) -> list[Result]:
    """The same with a cable of 100 Mbit/s to each camera, where a picture comes packet by packet.

    NoEthernetError where there can be none.
    """
    with ethernet(COST_CAMERAS) as cables:
        async with simulated(folder, COST_CAMERAS, cables) as simulation:
            ours, _ = await recorder_measured(folder, simulation)
            reference = await _reference_measured(folder, simulation)
    return [_cpu_compared(f"recorder.cpu_per_camera_over_ethernet.{COST_CAMERAS}", ours, reference, CPU_GOAL)]


async def recording_and_uploading(folder: Path) -> list[Result]:
    """The same with its store within reach, which the reference does nothing like."""
    async with simulated(folder, COST_CAMERAS) as simulation:
        ours, _ = await recorder_measured(folder, simulation, with_upload=True)
    return [
        Result(
            f"recorder.cpu_per_camera_with_upload.{COST_CAMERAS}", round(ours.cpu_milliseconds_per_second, 3), "ms/s"
        )
    ]


async def _reference_measured(folder: Path, simulation: Simulation) -> PerCamera:
    cameras = len(simulation.sources)
    seconds = segment_seconds(cameras)
    async with ffmpeg_running(folder, simulation.sources, seconds) as pids:
        return await measured(pids, cameras, seconds)


def _cpu_compared(name: str, ours: PerCamera, reference: PerCamera, goal: float | None) -> Result:
    return compared(name, ours.cpu_milliseconds_per_second, "ms/s", reference.cpu_milliseconds_per_second, goal)


async def recorder_measured(
    folder: Path, simulation: Simulation, *, with_upload: bool = False, with_lag: bool = False
) -> tuple[PerCamera, float]:
    """The cost per camera, and the longest lag of the event loop in milliseconds.

    DemoError if a picture was lost, heartbeats were late or nothing was sealed: what costs little for that reason is no
    figure.
    """
    cameras = len(simulation.sources)
    seconds = segment_seconds(cameras)
    beat = LAG_HEARTBEAT_SECONDS if with_lag else None
    async with recorder_running(
        folder, simulation.sources, seconds, with_upload=with_upload, heartbeat_seconds=beat
    ) as recorder:
        lag = 0.0
        if with_lag:
            cost, lag = await _measured_with_lag(recorder, cameras)
        else:
            cost = await measured([recorder.pid], cameras, seconds)
        sealed = len(await asyncio.to_thread(segments, folder))
        if sealed < cameras:
            raise DemoError(f"only {sealed} segments of {cameras} cameras were sealed: nothing was compared")
        sent = await simulation.stall()
    await simulation.resume()
    held = await asyncio.to_thread(recorded, folder)
    lost = sent - held.pictures
    if lost > _HELD_PACKETS * cameras:
        raise DemoError(f"{lost} of {sent} pictures were lost: nothing was compared")
    rate = held.size_bytes * 8 / 1e6 / held.pictures * PICTURES_PER_SECOND
    if abs(rate / MEGABITS_PER_SECOND - 1) > _RATE_TOLERANCE:
        raise DemoError(f"the cameras sent {rate:.1f} Mbit/s: that isn't what should be compared")
    return cost, lag


async def _measured_with_lag(recorder: RunningRecorder, cameras: int) -> tuple[PerCamera, float]:
    before, since = await recorder.metrics(), time.monotonic()
    cost = await measured([recorder.pid], cameras, SHORT_SEGMENT_SECONDS, LAG_WARM_UP_SECONDS)
    after = await recorder.metrics()
    beats = after["recorder_heartbeats_total"] - before["recorder_heartbeats_total"]
    due = (time.monotonic() - since) / LAG_HEARTBEAT_SECONDS
    if beats < 0.9 * due - 1:
        raise DemoError(f"only {beats:.0f} of {due:.0f} heartbeats were on time: nothing was compared")
    return cost, 1000 * after["recorder_event_loop_lag_seconds"]


def segment_seconds(cameras: int) -> int:
    """As at a site where there is a goal, shorter elsewhere: all sizes together shouldn't take half an hour."""
    return SEGMENT_SECONDS if cameras == COST_CAMERAS else SHORT_SEGMENT_SECONDS


def segments(folder: Path) -> dict[str, Path]:
    """The sealed segments of a recorder by their ids, those that are stored and those that wait."""
    files = [path for root in ("recorder/recordings", "bucket") for path in (folder / root).rglob("*.mp4")]
    # Both names end with the segment's id: some are still under both roofs.
    return {path.stem.rpartition("_")[2]: path for path in files}


def recorded(folder: Path) -> Recorded:
    """What a stopped recorder has recorded."""
    paths = segments(folder).values()
    return Recorded(sum(_pictures(path) for path in paths), sum(path.stat().st_size for path in paths))


def _pictures(path: Path) -> int:
    with av.open(str(path)) as segment:
        return sum(1 for packet in segment.demux(video=0) if packet.size)


async def measured(
    pids: Iterable[int], cameras: int, for_seconds: float, warm_up_seconds: float = WARM_UP_SECONDS
) -> PerCamera:
    """Let it run warm, then measure."""
    await asyncio.sleep(warm_up_seconds)
    before, since = cost_of(pids), time.monotonic()
    await asyncio.sleep(for_seconds)
    after, seconds = cost_of(pids), time.monotonic() - since
    return _per_camera(before, after, seconds, cameras)


def _per_camera(before: Cost, after: Cost, seconds: float, cameras: int) -> PerCamera:
    return PerCamera(
        cpu_milliseconds_per_second=1000 * (after.cpu_seconds - before.cpu_seconds) / seconds / cameras,
        memory_megabytes=after.memory_bytes / 1e6 / cameras,
    )


@contextlib.asynccontextmanager
async def _running(pulse: Pulse) -> AsyncIterator[None]:
    """The pulse of this process, which does nothing meanwhile: what the machine alone makes a loop wait."""
    beating = asyncio.create_task(pulse.run())
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
