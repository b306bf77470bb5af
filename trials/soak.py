"""A site with many cameras under faults, for half an hour: due time is footage and reported gaps, to the second."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from camera_simulator import AudioCodec, CameraSimulator, CameraSpec, VideoCodec
from demo.processes import DemoError
from demo.proof import is_proven
from trials.accounts import Account, account
from trials.faults import Faults
from trials.orphans import orphans
from trials.site import Site, SiteCamera, open_site

FPS = 25
_MEDIA = Path("build/camera-simulator").resolve()
_DOWN_SECONDS = (1.0, 5.0)
_ALL_WELL_SECONDS = 120.0
_KNOWN_WITHIN = timedelta(seconds=60)
"""By then a recorder that was started knows what is due, however busy the machine is."""

KINDS = [
    (VideoCodec.H264, AudioCodec.AAC),
    (VideoCodec.H265, AudioCodec.PCM_ALAW),
    (VideoCodec.H264, AudioCodec.NONE),
    (VideoCodec.H265, AudioCodec.AAC),
]


@dataclass(frozen=True, slots=True)
class Soaked:
    """What the control plane has in the end."""

    faults: dict[str, int]
    accounts: list[Account]
    segments: int
    unproven: int
    objects: int
    orphans: list[str]

    @property
    def holds(self) -> bool:
        return (
            all(one.holds for one in self.accounts)
            and self.segments > 0
            and not self.unproven
            and self.objects == self.segments
            and not self.orphans
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "holds": self.holds,
            "faults": self.faults,
            "segments": self.segments,
            "objects": self.objects,
            "unproven": self.unproven,
            "orphans": self.orphans,
            "accounts": [one.as_json() for one in self.accounts],
        }


async def soak(
    folder: Path,
    database: str,
    cameras: int,
    seconds: float,
    seed: int,
    *,
    segment_seconds: int = 60,
    fault_every_seconds: tuple[float, float] = (1.0, 5.0),
    tell: Callable[[str], None] = lambda _: None,
) -> Soaked:
    """All of it, in `folder`, on a migrated `database`. Faults for so many seconds, then all is delivered."""
    chance = random.Random(seed)  # noqa: S311  # faults, not secrets
    specs = [
        # One picture for all: a change of it is then encoded once.
        CameraSpec(
            name=f"camera-{number}", picture_name="soak", fps=FPS, codec=codec, audio=audio, own_port=True, sent_limit=0
        )
        for number, (codec, audio) in enumerate(islice(cycle(KINDS), cameras), start=1)
    ]
    async with (
        CameraSimulator(specs, cache=_MEDIA) as simulator,
        open_site(folder, database, simulator) as site,
    ):
        await site.record_always(segment_seconds)
        started = datetime.now(UTC)
        await site.start_recorder()
        faults = Faults(simulator.cameras, chance, fault_every_seconds)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(faults.run(seconds))
            await asyncio.sleep(seconds / 3)
            tell("SIGTERM")
            await site.stop_recorder()
            await _down_for_a_while(site, chance)
            await asyncio.sleep(seconds / 3)
            tell("kill -9")
            site.kill_recorder()
            await site.wait_for_end()
            await _down_for_a_while(site, chance)
        tell("no more faults")
        await site.wait_until_recorded(_ALL_WELL_SECONDS)
        ended = datetime.now(UTC)
        await site.record_no_more()
        await site.drain()
        return await _told(site, faults, (started, ended))


async def _down_for_a_while(site: Site, chance: random.Random) -> None:
    await asyncio.sleep(chance.uniform(*_DOWN_SECONDS))
    await site.start_recorder()


async def _told(site: Site, faults: Faults, during: tuple[datetime, datetime]) -> Soaked:
    accounts, count, unproven = [], 0, 0
    for camera in site.cameras:
        segments, gaps = await site.segments(camera), await site.gaps(camera)
        count += len(segments)
        for segment in segments:
            is_stored = segment["state"] == "stored"
            unproven += not (is_stored and await asyncio.to_thread(is_proven, segment, site.store))
        accounts.append(
            account(
                camera.name,
                (_due_since(camera, during[0], segments, gaps), during[1]),
                segments,
                gaps,
                FPS,
            )
        )
    left = await asyncio.to_thread(orphans, site.base)
    objects = await asyncio.to_thread(lambda: len(list(site.store.rglob("*.mp4"))))
    return Soaked(dict(sorted(faults.told.items())), accounts, count, unproven, objects, left)


def _due_since(
    camera: SiteCamera, started: datetime, segments: list[dict[str, Any]], gaps: list[dict[str, Any]]
) -> datetime:
    """When the recorder had its first configuration: before, it couldn't know what was due."""
    first: datetime | None = min((row["started_at"] for row in (*segments, *gaps)), default=None)
    if first is None or not started <= first <= started + _KNOWN_WITHIN:
        raise DemoError(f"{camera.name}: nothing is told of the first {_KNOWN_WITHIN.seconds} s")
    return max(first, started)
