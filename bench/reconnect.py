"""How soon a camera that was away is recorded again, beside an ffmpeg that is started anew whenever it ends."""

import asyncio
import contextlib
import json
import logging
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path
from statistics import median

import httpx
import structlog
from uuid_utils.compat import uuid7

from bench.restart_loops import GOES_ON, Begun, restart_loops
from bench.results import Result, compared, limited
from camfleet_contract.cameras import Camera
from camfleet_contract.configuration import RecorderConfig, Schedule
from camfleet_contract.schedules import ScheduleType
from demo.cameras import printed_cameras
from demo.processes import start
from recorder.cameras import Cameras
from recorder.spool import SegmentState, Spool

CAMERAS = 12
ROUNDS = 4
"""Outages of each camera."""
KEYFRAME_SECONDS = 1.0
CAMERA = "codec=h264,width=320,height=180,fps=25,gop_frames=25,bitrate_bps=200000,own_port=true"
GOAL_SECONDS = 2.0 + KEYFRAME_SECONDS
AWAY_SECONDS = (1.0, 40.0)
WELL_SECONDS = (6.0, 10.0)
LIMIT_SECONDS = 120.0
_LOOK_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Outage:
    """How a camera goes away."""

    name: str
    faults: tuple[dict[str, object], ...]
    end: str = "resume"
    is_short: bool = False
    """It is there again at once."""


_DROP: dict[str, object] = {"fault": "drop"}
OUTAGES = (
    Outage("off", ({"fault": "refuse_connections"},), "accept_connections"),
    Outage("hangs", ({"fault": "silence"},)),
    Outage("reboots", ({"fault": "silence"}, _DROP)),
    Outage("refuses", ({"fault": "refuse", "status": 503}, _DROP)),
    Outage("breaks_off", (_DROP,), is_short=True),
    Outage("ends", ({"fault": "end_stream"},), is_short=True),
)


async def reconnect(folder: Path) -> list[Result]:
    """The same outages for the recorder and for the reference, one after the other."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    async with _cameras(folder) as (urls, control):
        async with _recorder(folder, urls) as begun:
            ours = await _measured(control, sorted(urls), begun)
        async with restart_loops(folder, urls) as begun:
            reference = await _measured(control, sorted(urls), begun)
    every = [seconds for times in ours.values() for seconds in times]
    every_reference = [seconds for times in reference.values() for seconds in times]
    return [
        _result("recorder.reconnect", every, every_reference, GOAL_SECONDS),
        *(_result(f"recorder.reconnect.{name}", ours[name], reference[name]) for name in sorted(ours)),
    ]


def _result(name: str, ours: list[float], reference: list[float], goal: float | None = None) -> Result:
    value, other = median(ours), median(reference)
    return compared(name, value, "s", other) if goal is None else limited(name, value, "s", goal, other)


async def _measured(control: str, names: list[str], begun: Begun) -> dict[str, list[float]]:
    """Seconds from the camera's return to its first recorded picture, by the kind of outage."""
    times: dict[str, list[float]] = {outage.name: [] for outage in OUTAGES}
    async with httpx.AsyncClient(timeout=30) as http, asyncio.TaskGroup() as tasks:

        async def suffer(number: int, name: str) -> None:
            chance = random.Random(number)  # noqa: S311 - the same outages for both
            address = f"{control}/cameras/{name}/fault"
            for round_number in range(ROUNDS):
                outage = OUTAGES[(number + round_number) % len(OUTAGES)]
                await asyncio.sleep(chance.uniform(*WELL_SECONDS))
                gone = datetime.now(UTC)
                for fault in outage.faults:
                    (await http.post(address, json=fault)).raise_for_status()
                shortest, longest = AWAY_SECONDS
                await asyncio.sleep(0 if outage.is_short else shortest * (longest / shortest) ** chance.random())
                back = gone if outage.is_short else datetime.now(UTC)
                (await http.post(address, json={"fault": outage.end})).raise_for_status()
                times[outage.name].append(await _seconds_until_begun(begun, name, back))

        for number, name in enumerate(names):
            tasks.create_task(suffer(number, name))
    return times


async def _seconds_until_begun(begun: Begun, name: str, back: datetime) -> float:
    async with asyncio.timeout(LIMIT_SECONDS):
        while (at := await asyncio.to_thread(begun, name, back)) is None:  # noqa: ASYNC110 - files fire no event
            await asyncio.sleep(_LOOK_SECONDS)
    return (at - back).total_seconds()


@contextlib.asynccontextmanager
async def _cameras(folder: Path) -> AsyncIterator[tuple[dict[str, str], str]]:
    """URLs by name, and where faults are ordered."""
    options = [part for i in range(CAMERAS) for part in ("--camera", f"camera-{i}:{CAMERA},picture_name=camera")]
    ports = ("--port", "0", "--control-port", "0")
    child = await start("camera simulator", "camera-simulator", "serve", *options, *ports, env={}, folder=folder)
    try:
        cameras = await printed_cameras(child)
        ready = next(line for line in child.printed.splitlines() if line.startswith('{"cameras"'))
        yield {camera["name"]: camera["url"] for camera in cameras}, json.loads(ready)["control"]
    finally:
        await child.end(seconds=10)


@contextlib.asynccontextmanager
async def _recorder(folder: Path, urls: dict[str, str]) -> AsyncIterator[Begun]:
    """The recorder's cameras, without the rest of the program: nothing of that is on the way of a packet."""
    listed = {name: Camera(id=uuid7(), name=name, rtsp_url=url) for name, url in urls.items()}
    schedules = [
        Schedule(
            id=uuid7(),
            name="Always",
            schedule_type=ScheduleType.CONTINUOUS,
            start_time=time(0),
            end_time=time(0),
            camera=camera,
        )
        for camera in listed.values()
    ]
    spool = Spool.open(folder)
    cameras = Cameras(spool)
    cameras.apply(
        RecorderConfig(
            revision="1", client_id=uuid7(), client_name="Bench", cameras=[*listed.values()], schedules=schedules
        )
    )

    def begun(name: str, since: datetime) -> datetime | None:
        camera_id = listed[name].id
        segments = spool.segments.in_state(SegmentState.OPEN) + spool.segments.in_state(SegmentState.SEALED)
        opened = [segment.opened_at for segment in segments if segment.camera_id == camera_id]
        if anew := [at for at in opened if at > since]:
            return min(anew)
        # It may never have been given up: then footage simply goes on.
        newest = next(state.last_footage_at for state in cameras.states() if state.camera_id == camera_id)
        return newest if newest is not None and newest > since + GOES_ON else None

    task = asyncio.create_task(cameras.run())
    try:
        yield begun
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        spool.close()
