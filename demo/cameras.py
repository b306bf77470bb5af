"""The demo's cameras: simulated ones or a real one, and the schedules that record them."""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from demo.operator import DemoSchedule, Operator
from demo.processes import Child, DemoError, tail
from demo.processes import start as start_child

TIMEZONE = "Europe/Berlin"
NAMES = ["Gate", "Yard", "Loading bay"]
# What the cameras send, in turn: the combinations that sites have most.
STREAMS = ["video=h264,audio=aac", "video=h265,audio=pcm_alaw", "video=h264"]
USER, PASSWORD = "viewer", "demo-camera-password"
SOON = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a camera's stream is."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class DemoCamera:
    """A camera that the control plane knows."""

    id: str
    name: str
    created_at: datetime
    schedules: tuple[DemoSchedule, ...] = ()


async def start(folder: Path, real: str | None, count: int) -> tuple[Child | None, list[Source]]:
    """Start the simulated cameras, or take the real one."""
    if real is not None:
        return None, [Source("Camera", real)]
    names = [NAMES[i] if i < len(NAMES) else f"Camera {i + 1}" for i in range(count)]
    slugs = [name.lower().replace(" ", "-") for name in names]
    cameras = [
        argument
        for i, slug in enumerate(slugs)
        for argument in ("--camera", f"{slug}:{STREAMS[i % len(STREAMS)]},clock=live")
    ]
    child = await start_child(
        "camera simulator",
        "camera-simulator", "serve", *cameras, "--port", "0", "--user", USER, "--password", PASSWORD,
        env={},
        folder=folder,
    )  # fmt: skip
    urls = await _printed_urls(child, len(slugs))
    return child, [Source(name, url) for name, url in zip(names, urls, strict=True)]


async def register(chief: Operator, run_name: str, sources: list[Source]) -> tuple[list[DemoCamera], str]:
    """Create a site, the cameras and a recorder that has them; return the cameras and the recorder's token."""
    site = await chief.create("sites", name=f"Demo site ({run_name})", timezone=TIMEZONE)
    fleet = []
    for source in sources:
        made = await chief.create("cameras", site_id=site["id"], name=source.name, rtsp_url=source.url)
        fleet.append(DemoCamera(made["id"], source.name, datetime.now(UTC)))
    client = await chief.create(
        "clients", name="Demo recorder", site_id=site["id"], camera_ids=[camera.id for camera in fleet]
    )
    return fleet, client["client_token"]


async def open_schedules(chief: Operator, fleet: list[DemoCamera]) -> list[DemoCamera]:
    """Record every camera from now on, but the last of several from the next minute on."""
    opened = []
    for i, camera in enumerate(fleet):
        if len(fleet) > 1 and i == len(fleet) - 1:
            schedule = await chief.schedule(camera.id, "Due in the next minute", TIMEZONE, **_once(datetime.now(UTC)))
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


def _once(now: datetime) -> dict[str, str]:
    start = (now + SOON).astimezone(ZoneInfo(TIMEZONE))
    end = start + timedelta(hours=2)
    return {
        "schedule_type": "once",
        "start_time": f"{start:%H:%M:%S}",
        "end_time": f"{end:%H:%M:%S}",
        "start_date": f"{start:%Y-%m-%d}",
        "end_date": f"{end:%Y-%m-%d}",
    }


async def _printed_urls(child: Child, count: int) -> list[str]:
    """The addresses that the simulator prints once it is ready."""
    limit = asyncio.get_running_loop().time() + 120
    while asyncio.get_running_loop().time() < limit:
        child.raise_if_ended()
        words = child.log.read_text(errors="replace").split()
        urls = [word for word in words if word.startswith("rtsp://")]
        if len(urls) >= count:
            return urls[:count]
        await asyncio.sleep(0.1)
    raise DemoError(f"the camera simulator did not come up; its log says:\n{tail(child.log)}")
