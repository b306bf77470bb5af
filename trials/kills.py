"""A recorder killed, or its power cut, under recording cameras, again and again: what each costs, packet by packet."""

import asyncio
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from camera_simulator import AudioCodec, Camera, CameraSimulator, CameraSpec, Kind, VideoCodec
from camfleet_contract.gaps import GapCause
from demo.proof import is_proven
from trials.accounts import Account, account
from trials.disks import LoopDisk, loop_disk
from trials.orphans import orphans
from trials.packets import SentPackets
from trials.site import Site, open_site
from trials.sockets import unread_bytes

SEGMENT_SECONDS = 3
LATEST_SECONDS = 5.0
"""A kill comes at a random moment of so many seconds after all cameras have begun to send: more than a segment."""
_RECORDED_SECONDS = 120.0
BOUND_SECONDS = 1.0
"""What a kill may cost, and one frame."""
_SENT_LIMIT = 2_000_000
_MEDIA = Path("build/camera-simulator").resolve()

# What sites have most, and what is hard: sound to encode, a long keyframe distance, few pictures a second.
CAMERAS = [
    CameraSpec(name="gate", audio=AudioCodec.AAC),
    CameraSpec(name="yard", codec=VideoCodec.H265, audio=AudioCodec.PCM_ALAW),
    CameraSpec(name="hall", gop_frames=50),
    CameraSpec(name="dock", fps=12, gop_frames=24, bitrate_bps=2_000_000, audio=AudioCodec.AAC),
]


@dataclass(frozen=True, slots=True)
class Loss:
    """What one kill cost one camera."""

    kill: int
    camera: str
    sent_seconds: float
    """Of stream that the recorder had been sent since its start."""
    lost_seconds: float
    unread_seconds: float
    """Of what was lost: sent, and not read from the connection. More than some milliseconds on a busy machine only."""
    frame_seconds: float

    @property
    def holds(self) -> bool:
        return self.lost_seconds <= BOUND_SECONDS + self.frame_seconds + 1e-6

    @property
    def holds_once_read(self) -> bool:
        """As `holds`, for a machine that didn't let the recorder read."""
        return self.lost_seconds - self.unread_seconds <= BOUND_SECONDS + self.frame_seconds + 1e-6


@dataclass(frozen=True, slots=True)
class Moment:
    """A kill, as one camera saw it."""

    sent: int
    """Video packets by then, in all."""
    unread_bytes: int


@dataclass(frozen=True, slots=True)
class Killed:
    """The figures of all kills."""

    losses: list[Loss]
    accounts: list[Account]
    segments: int
    unproven: int
    """Segments that are not stored, or whose object is not what was reported."""
    objects: int
    """In the store; more than segments would mean that something was uploaded twice."""
    orphans: list[str]
    gap_causes: list[str]

    @property
    def median_seconds(self) -> float:
        return median(loss.lost_seconds for loss in self.losses)

    @property
    def worst_seconds(self) -> float:
        return max(loss.lost_seconds for loss in self.losses)

    @property
    def holds(self) -> bool:
        """Whether all that the recorder promises about a kill held every time."""
        return all(loss.holds for loss in self.losses) and self.is_in_order

    @property
    def is_in_order(self) -> bool:
        """Whether all is accounted for, nothing arrived twice, and nothing is left over."""
        return (
            all(account.holds for account in self.accounts)
            and not self.unproven
            and not self.orphans
            and self.objects == self.segments
            and not {GapCause.RECORDER_DOWN, GapCause.POWER_LOST}.isdisjoint(self.gap_causes)
        )

    def as_json(self) -> dict[str, Any]:
        kills = {loss.kill for loss in self.losses}
        return {
            "kills": len(kills),
            "recorder.kill_loss.median": round(self.median_seconds, 3),
            "recorder.kill_loss.worst": round(self.worst_seconds, 3),
            "holds": self.holds,
            "segments": self.segments,
            "objects": self.objects,
            "unproven": self.unproven,
            "orphans": self.orphans,
            "accounts": [account.as_json() for account in self.accounts],
            "losses": [
                {
                    "kill": loss.kill,
                    "camera": loss.camera,
                    "sent_seconds": round(loss.sent_seconds, 3),
                    "lost_seconds": round(loss.lost_seconds, 3),
                    "unread_seconds": round(loss.unread_seconds, 3),
                }
                for loss in self.losses
            ],
        }


async def kill_again_and_again(
    folder: Path,
    database: str,
    times: int,
    seed: int,
    *,
    cut_power: bool = False,
    once_recorded: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> Killed:
    """All of it, in `folder`, on a migrated `database`. With `cut_power` the disk loses what it had not yet been given.

    A kill may come as soon as all cameras send, or, with `once_recorded`, as soon as the recorder says that it records
    them. NoLoopDevice where power can't be cut.
    """
    with loop_disk(folder / "disk", folder / "recorder") if cut_power else nullcontext() as disk:
        return await _kill_again_and_again(folder, database, times, seed, disk, tell, once_recorded=once_recorded)


async def _kill_again_and_again(
    folder: Path,
    database: str,
    times: int,
    seed: int,
    disk: LoopDisk | None,
    tell: Callable[[str], None],
    *,
    once_recorded: bool,
) -> Killed:
    chance = random.Random(seed)  # noqa: S311  # moments, not secrets
    specs = [replace(spec, first_rtp_timestamp=0, sent_limit=_SENT_LIMIT, own_port=True) for spec in CAMERAS]
    simulator = CameraSimulator(specs, cache=_MEDIA)
    async with simulator:
        switched_on = datetime.now(UTC)
        async with open_site(folder, database, simulator) as site:
            await site.record_always(SEGMENT_SECONDS)
            moments = []
            for number in range(1, times + 1):
                moments.append(await _killed(site, simulator, chance, disk, once_recorded=once_recorded))
                if number % 10 == 0:
                    tell(f"{number} times")
            ended = datetime.now(UTC)
            await site.start_recorder()
            await site.wait_until_recorded(_RECORDED_SECONDS)
            await simulator.cameras[0].wait_for_sent(more=100)
            await site.record_no_more()
            await site.drain()
            return await _counted(site, simulator, switched_on, ended, moments)


async def _killed(
    site: Site, simulator: CameraSimulator, chance: random.Random, disk: LoopDisk | None, *, once_recorded: bool
) -> dict[str, Moment]:
    """One kill, by camera."""
    await site.start_recorder()
    await _all_watched(simulator)
    if once_recorded:
        await site.wait_until_recorded(_RECORDED_SECONDS)
    await asyncio.sleep(chance.uniform(0, LATEST_SECONDS))
    # Nothing may come in between.
    moments = {camera.name: _moment(simulator, camera) for camera in simulator.cameras}
    if disk is not None:
        disk.cut_power()
    site.kill_recorder()
    await site.wait_for_end()
    if disk is not None:
        await asyncio.to_thread(disk.power_on)
        await asyncio.to_thread(_pretend_another_boot, site.base)
    for camera in simulator.cameras:
        await camera.wait_for_viewers(0)
    return moments


def _moment(simulator: CameraSimulator, camera: Camera) -> Moment:
    port = urlsplit(simulator.url(camera.name)).port or 0
    return Moment(camera.broadcast.sent_count[Kind.VIDEO], unread_bytes(port))


def _pretend_another_boot(base: Path) -> None:
    """The machine itself has not been restarted; a recorder that finds its last run in another boot takes it so."""
    if (base / "spool.sqlite3").exists():
        with closing(sqlite3.connect(base / "spool.sqlite3")) as spool:
            spool.execute("UPDATE facts SET value = 'the boot before' WHERE name = 'boot' AND value != ''")
            spool.commit()


async def _all_watched(simulator: CameraSimulator) -> None:
    for camera in simulator.cameras:
        await camera.wait_for_viewers(1)


async def _counted(
    site: Site, simulator: CameraSimulator, switched_on: datetime, ended: datetime, moments: list[dict[str, Moment]]
) -> Killed:
    losses, accounts, causes, stored, unproven = [], [], [], 0, 0
    for camera in site.cameras:
        segments, gaps = await site.segments(camera), await site.gaps(camera)
        stored += len(segments)
        causes += [gap["cause"] for gap in gaps]
        unproven += await asyncio.to_thread(_unproven, segments, site.store)
        due, fps = (segments[0]["started_at"], ended), simulator.camera(camera.name).spec.fps
        accounts.append(account(camera.name, due, segments, gaps, fps))
        sent = SentPackets(simulator.camera(camera.name), switched_on)
        for segment in segments:
            await asyncio.to_thread(sent.find, site.store / segment["object_name"], segment["started_at"])
        losses += _losses(camera.name, sent, [moment[camera.name] for moment in moments])
    objects = len(list(site.store.rglob("*.mp4")))
    left = await asyncio.to_thread(orphans, site.base)
    return Killed(losses, accounts, stored, unproven, objects, left, sorted(set(causes)))


def _unproven(segments: list[dict[str, Any]], store: Path) -> int:
    return sum(segment["state"] != "stored" or not is_proven(segment, store) for segment in segments)


def _losses(name: str, sent: SentPackets, moments: list[Moment]) -> list[Loss]:
    losses, since = [], 0
    for number, moment in enumerate(moments, start=1):
        before = {packet.viewer for packet in sent.packets[:since]}
        # A recorder that is dead is sent a few packets more, until the camera notices.
        places = [place for place in range(since, moment.sent) if sent.packets[place].viewer not in before]
        since = moment.sent
        if places:
            lost = sent.missing(places)
            unread = sent.seconds_of(moment.unread_bytes, moment.sent)
            frame = sent.frame_seconds
            losses.append(Loss(number, name, len(places) * frame, len(lost) * frame, unread, frame))
    return losses
