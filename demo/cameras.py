"""The demo's cameras: simulated ones or a real one, and the schedules that record them."""

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from demo.operator import DemoSchedule, Operator
from demo.processes import Child, DemoError, tail
from demo.processes import start as start_child

TIMEZONE = "Europe/Berlin"
NAMES = ["Gate", "Yard", "Loading bay"]
# What the cameras send, in turn: the combinations that sites have most.
STREAMS = ["codec=h264,audio=aac", "codec=h265,audio=pcm_alaw", "codec=h264"]
# Small pictures, few a second: cameras with a running clock encode live, which a real camera does by itself.
PICTURE = "clock=live,width=640,height=360,fps=12,gop_frames=12"
USER, PASSWORD = "viewer", "demo-camera-password"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a camera's stream is."""

    name: str
    address: dict[str, Any]
    """The fields of the REST API's camera that say so."""


@dataclass(frozen=True, slots=True)
class DemoCamera:
    """A camera that the control plane knows."""

    id: str
    name: str
    created_at: datetime
    schedules: tuple[DemoSchedule, ...] = ()


async def start(folder: Path, real: str | None, count: int, *, cache: Path) -> tuple[Child | None, list[Source]]:
    """Start the simulated cameras, whose media is kept in `cache`, or take the real one."""
    if real is not None:
        return None, [Source("Camera", {"rtsp_url": real})]
    names = [NAMES[i] if i < len(NAMES) else f"Camera {i + 1}" for i in range(count)]
    slugs = [name.lower().replace(" ", "-") for name in names]
    cameras = [
        argument
        for i, slug in enumerate(slugs)
        for argument in ("--camera", f"{slug}:{STREAMS[i % len(STREAMS)]},{PICTURE}")
    ]
    child = await start_child(
        "camera simulator",
        "camera-simulator", "serve", *cameras, "--port", "0", "--user", USER, "--cache", str(cache),
        env={"CAMERA_SIMULATOR_PASSWORD": PASSWORD},
        folder=folder,
    )  # fmt: skip
    urls = [urlsplit(camera["url"]) for camera in await printed_cameras(child)]
    return child, [
        Source(
            name,
            {
                "ip_address": url.hostname,
                "port": url.port,
                "rtsp_path": url.path,
                "username": USER,
                "password": PASSWORD,
            },
        )
        for name, url in zip(names, urls, strict=True)
    ]


async def register(chief: Operator, run_name: str, sources: list[Source]) -> tuple[list[DemoCamera], str]:
    """Create a site, the cameras and a recorder that has them; return the cameras and the recorder's token."""
    site = await chief.create("sites", name=f"Demo site ({run_name})", timezone=TIMEZONE)
    fleet = []
    for source in sources:
        made = await chief.create("cameras", site_id=site["id"], name=source.name, **source.address)
        fleet.append(DemoCamera(made["id"], source.name, datetime.now(UTC)))
    client = await chief.create(
        "clients", name="Demo recorder", site_id=site["id"], camera_ids=[camera.id for camera in fleet]
    )
    return fleet, client["client_token"]


async def open_schedules(chief: Operator, fleet: list[DemoCamera], soon: timedelta) -> list[DemoCamera]:
    """Record every camera from now on, but the last of several only after `soon`."""
    opened = []
    for i, camera in enumerate(fleet):
        if len(fleet) > 1 and i == len(fleet) - 1:
            schedule = await chief.schedule(
                camera.id, "Due in the next minute", TIMEZONE, **_once(datetime.now(UTC) + soon)
            )
        elif i % 2:
            rule = {"schedule_type": "daily", "start_time": "00:00:00", "end_time": "00:00:00"}
            schedule = await chief.schedule(camera.id, "Every day", TIMEZONE, **rule)
        else:
            rule = {"schedule_type": "continuous", "start_time": "00:00:00", "end_time": "00:00:00"}
            schedule = await chief.schedule(camera.id, "Always", TIMEZONE, **rule)
        opened.append(replace(camera, schedules=(schedule,)))
    return opened


async def close_schedules(chief: Operator, fleet: list[DemoCamera]) -> None:
    """Deactivate every schedule, which stops the recordings."""
    for camera in fleet:
        for schedule in camera.schedules:
            await chief.change("schedules", schedule.id, is_active=False)


def _once(moment: datetime) -> dict[str, str]:
    start = moment.astimezone(ZoneInfo(TIMEZONE))
    end = start + timedelta(hours=2)
    return {
        "schedule_type": "once",
        "start_time": f"{start:%H:%M:%S}",
        "end_time": f"{end:%H:%M:%S}",
        "start_date": f"{start:%Y-%m-%d}",
        "end_date": f"{end:%Y-%m-%d}",
    }


async def printed_cameras(child: Child) -> list[dict[str, str]]:
    """What the simulator prints once it is ready."""
    limit = time.monotonic() + 120
    while time.monotonic() < limit:
        child.raise_if_ended()
        for line in child.printed.splitlines():
            with contextlib.suppress(ValueError):
                cameras: list[dict[str, str]] = json.loads(line)["cameras"]
                return cameras
        await asyncio.sleep(0.1)
    raise DemoError(f"the camera simulator did not come up; its log says:\n{tail(child)}")
