"""Nothing is lost outside an outage: what the camera sent before and after each of many random faults is in the files.

Exactly: of each connection, every video packet from its first keyframe on to the last that was delivered before it
broke, once, as it was. Not delivered is what the camera wrote in the instant of the break, see `IN_FLIGHT`.

A long run: FAULTS=100 pytest tests/recorder/test_packets_through_faults.py
"""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import groupby, pairwise

import pytest

from camera_simulator import AudioCodec, CameraSimulator, CameraSpec, Kind, VideoCodec
from camera_simulator.broadcast import SentUnit
from camera_simulator.cameras import Camera
from camfleet_contract.heartbeats import CameraCondition
from recorder.cameras import Cameras
from recorder.capturing import Capturing
from recorder.spool import Spool
from tests.recorder.footage import nal_units
from tests.recorder.rig import always, camera, config, running, sealed
from tests.recorder.test_packets import hashed, recorded
from tests.recorder.waiting import until

FAULTS = int(os.environ.get("FAULTS", "4"))
IN_FLIGHT = 2
"""Packets that the camera wrote and nobody got: libav holds a picture back until the next begins, and a reset throws
away what the kernel hadn't delivered."""
NEVER_BEGUN = 50
"""A connection of fewer packets may break before libav has told what the stream is."""


@dataclass
class Faults:
    """What goes wrong with one camera, by chance that a failed run can repeat."""

    simulated: Camera
    chance: random.Random
    is_recording: Callable[[], bool]
    until_recorded_anew: Callable[[datetime], Awaitable[None]]
    happened: list[str] = field(default_factory=list)

    async def happen(self, count: int) -> None:
        for _ in range(count):
            await until(self.is_recording)
            await self.simulated.wait_for_sent(self.chance.randrange(1, 40))
            kind = self.chance.choice(
                [self._drop, self._end, self._hang, self._stall, self._falter, self._refuse, self._again]
            )
            self.happened.append(kind.__name__)
            await kind()
            self.simulated.resume()
            await self.until_recorded_anew(datetime.now(UTC))

    async def _drop(self) -> None:
        self.simulated.drop()

    async def _end(self) -> None:
        self.simulated.end_stream()

    async def _again(self) -> None:
        """Breaks off twice: the second connection hardly began."""
        self.simulated.drop()
        await self.simulated.wait_for_viewers(0)
        await self.simulated.wait_for_viewers(1)
        await self.simulated.wait_for_sent(self.chance.randrange(5, 40))
        self.simulated.drop()

    async def _hang(self) -> None:
        """Accepts and answers nothing, as after a crash of its server."""
        self.simulated.silence()
        self.simulated.drop()
        await asyncio.sleep(self.chance.uniform(0, 4))

    async def _stall(self) -> None:
        """Sends nothing for longer than anybody waits."""
        self.simulated.stall()
        await asyncio.sleep(self.chance.uniform(2, 5))

    async def _falter(self) -> None:
        """Sends nothing for a moment: no reason to connect anew."""
        self.simulated.stall()
        await asyncio.sleep(self.chance.uniform(0, 0.5))

    async def _refuse(self) -> None:
        """Breaks off and lets nobody in, as while it boots."""
        self.simulated.refuse(self.chance.choice([453, 503]))
        self.simulated.drop()
        await asyncio.sleep(self.chance.uniform(0, 3))


def by_connection(sent: list[SentUnit]) -> list[list[SentUnit]]:
    """Of each connection what it got from its first keyframe on; they follow each other, one at a time."""
    connections = [list(units) for _, units in groupby(sent, key=lambda unit: unit.viewer)]
    assert len({units[0].viewer for units in connections}) == len(connections), "never two connections at a time"
    firsts = [next((i for i, unit in enumerate(units) if unit.is_keyframe), len(units)) for units in connections]
    return [units[first:] for units, first in zip(connections, firsts, strict=True)]


@pytest.mark.timeout(120 + 60 * FAULTS)
@pytest.mark.parametrize("codec", [VideoCodec.H264, VideoCodec.H265])
async def test_every_packet_outside_of_random_faults_is_recorded_once(spool: Spool, codec: VideoCodec) -> None:
    seed = int(os.environ.get("SEED", "0")) or random.randrange(1, 1 << 30)
    audio = AudioCodec.AAC if codec is VideoCodec.H264 else AudioCodec.NONE
    spec = CameraSpec(name="yard", codec=codec, audio=audio, loop_seconds=20, sent_limit=10_000_000)
    async with CameraSimulator([spec], port=0) as simulator:
        simulated = simulator.camera("yard")
        cameras = Cameras(spool, capturing=Capturing(open_seconds=2, read_seconds=1))
        cameras.apply(config(always(camera(simulator.url("yard")))))

        async def recorded_anew(since: datetime) -> None:
            await until(lambda: (newest := cameras.states()[0].last_footage_at) and newest > since)

        def is_recording() -> bool:
            return cameras.states()[0].condition is CameraCondition.RECORDING

        faults = Faults(simulated, random.Random(seed), is_recording, recorded_anew)
        async with running(cameras):
            await faults.happen(FAULTS)
        name = "hevc" if codec is VideoCodec.H265 else "h264"
        units = {unit.sha256: hashed(nal_units(unit.data, annex_b=True), name) for unit in simulated.media.video.units}
        connections = by_connection(simulated.sent(Kind.VIDEO))

    assert all(sha256(unit.data).hexdigest() == unit.sha256 for unit in simulated.media.video.units)
    got = await asyncio.to_thread(recorded, spool)
    found: list[str] = []
    story = f"SEED={seed}", faults.happened, found
    for number, connection in enumerate(connections):
        wanted = [units[unit.sha256] for unit in connection]
        matching = next((i for i, (ours, theirs) in enumerate(zip(got, wanted, strict=False)) if ours != theirs), None)
        count = min(len(got), len(wanted)) if matching is None else matching
        missing = len(wanted) - count
        found.append(f"connection {number}: sent {len(wanted)}, recorded {count}")
        assert missing <= IN_FLIGHT or (count == 0 and missing < NEVER_BEGUN), story
        got = got[count:]
    assert got == [], f"recorded twice, or never sent: {story}"
    told = sum((gap.end - gap.start for gap in spool.gaps.to_report(datetime.now(UTC))), timedelta())
    facts = [segment.sealed for segment in sealed(spool) if segment.sealed]
    holes = sum((max(after.start - before.end, timedelta()) for before, after in pairwise(facts)), timedelta())
    print(*found, sep="\n")  # noqa: T201 - the figures of a long run
    assert abs(told - holes) < timedelta(seconds=1) * (FAULTS + 1), "every hole between segments is a gap"
