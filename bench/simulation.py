"""The cameras that are recorded, in a process of their own whose cost is not counted."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from bench.ethernet import Ethernet
from demo.cameras import Source, printed_cameras
from demo.processes import COMMANDS, start

# One picture for all cameras, since each picture is encoded anew, and 64 of them would take minutes.
CAMERA = "picture_name=bench,codec=h264,audio=aac,width=1920,height=1080,fps=25,gop_frames=50,bitrate_bps=4000000"
MEGABITS_PER_SECOND, PICTURES_PER_SECOND, GOP_SECONDS = 4.0, 25, 2.0
_GOLDEN = 0.618
"""Multiples of it lie evenly in the interval from 0 to 1, however many there are."""
_ON_THEIR_WAY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Simulation:
    """Running cameras."""

    sources: list[Source]
    control: str
    """Where they are told to misbehave."""

    async def stall(self) -> int:
        """No camera sends any more, and what was sent has arrived; how many pictures that were so far."""
        await self._tell("stall")
        await asyncio.sleep(_ON_THEIR_WAY_SECONDS)
        async with httpx.AsyncClient(timeout=30) as http:
            cameras = (await http.get(f"{self.control}/cameras")).raise_for_status().json()
        return sum(camera["sent"]["video"] for camera in cameras)

    async def resume(self) -> None:
        """All send again."""
        await self._tell("resume")

    async def _tell(self, fault: str) -> None:
        async with httpx.AsyncClient(timeout=30) as http:
            for source in self.sources:
                url = f"{self.control}/cameras/{source.name}/fault"
                (await http.post(url, json={"fault": fault})).raise_for_status()


def specs(cameras: int) -> list[str]:
    """As the simulator's command line takes them."""
    phases = [round(GOP_SECONDS * (i * _GOLDEN % 1), 3) for i in range(cameras)]
    return [f"camera-{i}:{CAMERA},phase_seconds={phase}" for i, phase in enumerate(phases)]


@contextlib.asynccontextmanager
async def simulated(folder: Path, cameras: int, ethernet: Ethernet | None = None) -> AsyncIterator[Simulation]:
    """So many cameras of 1080p at 4 Mbit/s with sound, which send and have their keyframes at different moments.

    They are reached over loopback, or each by its own cable of `ethernet`.
    """
    options = [part for spec in specs(cameras) for part in ("--camera", spec)]
    command = (str(COMMANDS / "camera-simulator"), "serve", *options, "--port", "0", "--control-port", "0")
    if ethernet is not None:
        hosts = ("--host", "0.0.0.0", "--control-host", ethernet.cables[0].address)  # noqa: S104 - all of its cables
        command = ethernet.inside(*command, *hosts)
    child = await start("camera simulator", *command, env={}, folder=folder)
    try:
        urls = [(camera["name"], camera["url"]) for camera in await printed_cameras(child)]
        if ethernet is not None:
            urls = [(name, _at(cable.address, url)) for cable, (name, url) in zip(ethernet.cables, urls, strict=True)]
        ready = next(line for line in child.printed.splitlines() if line.startswith("{"))
        yield Simulation([Source(name, {"rtsp_url": url}) for name, url in urls], json.loads(ready)["control"])
    finally:
        await child.end(seconds=10)


def _at(address: str, url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{address}:{parts.port}").geturl()
