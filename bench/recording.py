"""What recording costs per camera, beside one `ffmpeg -c copy` process per camera."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import av

from bench.processes import Cost, cost_of
from bench.recorders import HEARTBEAT_SECONDS, ffmpeg_running, recorder_running
from bench.results import Result, compared, limited
from bench.simulation import Simulation, simulated
from demo.processes import DemoError

WARM_UP_SECONDS = 10.0
# Longer than a segment, so that cutting and sealing are in the figures.
MEASURED_SECONDS = 75.0
COST_CAMERAS, CPU_GOAL, MEMORY_GOAL = 16, 0.55, 0.4
LAG_CAMERAS, LAG_GOAL_MILLISECONDS = 64, 50.0
_HELD_PACKETS = 1
"""A camera that stops in mid stream never says that its last picture is complete."""


@dataclass(frozen=True, slots=True)
class PerCamera:
    """The cost of one camera."""

    cpu_milliseconds_per_second: float
    memory_megabytes: float


async def recording(folder: Path, cameras: int) -> list[Result]:
    """Measure the recorder, then the reference, on the same simulated cameras."""
    async with simulated(folder, cameras) as simulation:
        ours, lag_milliseconds = await recorder_measured(folder, simulation)
        async with ffmpeg_running(folder, simulation.sources) as pids:
            reference = await measured(pids, cameras)
    has_goal = cameras == COST_CAMERAS
    results = [
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
    if cameras == LAG_CAMERAS:
        results.append(limited(f"recorder.loop_lag.{cameras}", lag_milliseconds, "ms", LAG_GOAL_MILLISECONDS))
    return results


async def recorder_measured(folder: Path, simulation: Simulation) -> tuple[PerCamera, float]:
    """The cost per camera, and the longest lag of the event loop in milliseconds.

    DemoError if a packet was lost or heartbeats were late: what costs little for that reason is no figure.
    """
    async with recorder_running(folder, simulation.sources) as recorder:
        before = await recorder.metrics()
        since = time.monotonic()
        cost = await measured([recorder.pid], len(simulation.sources))
        after = await recorder.metrics()
        beats = after["recorder_heartbeats_total"] - before["recorder_heartbeats_total"]
        due = (time.monotonic() - since) / HEARTBEAT_SECONDS
        if beats < 0.9 * due - 1:
            raise DemoError(f"only {beats:.0f} of {due:.0f} heartbeats were on time: nothing was compared")
        sent = await simulation.stall()
    await simulation.resume()
    lost = sent - await asyncio.to_thread(recorded_packets, folder)
    if lost > _HELD_PACKETS * len(simulation.sources):
        raise DemoError(f"{lost} of {sent} pictures were lost: nothing was compared")
    return cost, 1000 * after["recorder_event_loop_lag_seconds"]


def recorded_packets(folder: Path) -> int:
    """How many video packets the segments of a stopped recorder hold, those that are stored and those that wait."""
    files = [path for root in ("recorder/recordings", "bucket") for path in (folder / root).rglob("*.mp4")]
    # Both names end with the segment's id: some are still under both roofs.
    segments = {path.stem.rpartition("_")[2]: path for path in files}
    return sum(_packets(path) for path in segments.values())


def _packets(path: Path) -> int:
    with av.open(str(path)) as segment:
        return sum(1 for packet in segment.demux(video=0) if packet.size)


async def measured(pids: Iterable[int], cameras: int) -> PerCamera:
    """Let it run warm, then measure."""
    await asyncio.sleep(WARM_UP_SECONDS)
    before, since = cost_of(pids), time.monotonic()
    await asyncio.sleep(MEASURED_SECONDS)
    after, seconds = cost_of(pids), time.monotonic() - since
    return _per_camera(before, after, seconds, cameras)


def _per_camera(before: Cost, after: Cost, seconds: float, cameras: int) -> PerCamera:
    return PerCamera(
        cpu_milliseconds_per_second=1000 * (after.cpu_seconds - before.cpu_seconds) / seconds / cameras,
        memory_megabytes=after.memory_bytes / 1e6 / cameras,
    )
