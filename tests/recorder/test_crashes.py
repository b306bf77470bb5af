"""The recorder killed at any moment and started again: no second of a due camera is unexplained."""

import asyncio
import random
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from camera_simulator import AudioCodec, CameraSimulator, CameraSpec
from camfleet_contract.configuration import RecorderConfig
from camfleet_contract.gaps import GapCause
from recorder.cameras import Cameras
from recorder.spool import SegmentState, Spool
from tests.recorder.rig import always, camera, config, running, sealed
from tests.recorder.waiting import until

RECORDER = """
import asyncio, sys
from pathlib import Path
from camfleet_contract.configuration import RecorderConfig
from recorder.cameras import Cameras
from recorder.spool import Spool
async def main():
    cameras = Cameras(Spool.open(Path(sys.argv[1])))
    cameras.apply(RecorderConfig.model_validate_json(sys.argv[2]))
    await cameras.run()
asyncio.run(main())
"""


async def killed_after(base: Path, settings: RecorderConfig, seconds: float) -> datetime:
    """Run a recorder until it records, and so much longer; kill it; when that was."""
    recorder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RECORDER, str(base), settings.model_dump_json(), stdout=asyncio.subprocess.DEVNULL
    )
    old = set((base / "recordings").rglob("*.part"))
    await until(lambda: set((base / "recordings").rglob("*.part")) - old)
    await asyncio.sleep(seconds)
    recorder.send_signal(signal.SIGKILL)
    killed = datetime.now(UTC)
    await recorder.wait()
    return killed


async def test_a_killed_recorder_loses_at_most_a_second_and_accounts_for_the_rest(tmp_path: Path) -> None:
    chance = random.Random(7)
    async with CameraSimulator([CameraSpec(name="yard", audio=AudioCodec.AAC)], port=0) as simulator:
        settings = config(always(camera(simulator.url("yard")), segment_seconds=3))
        kills = [await killed_after(tmp_path, settings, chance.uniform(0.5, 5)) for _ in range(3)]
        spool = Spool.open(tmp_path)
        cameras = Cameras(spool)
        cameras.apply(settings)
        began = datetime.now(UTC)
        async with running(cameras):
            await until(lambda: any(s.sealed and s.sealed.start > began for s in sealed(spool)))
        ended = datetime.now(UTC)

    footage = [(s.sealed.start, s.sealed.end) for s in sealed(spool) if s.sealed]
    gaps = spool.gaps.to_report(ended)
    slack = timedelta(seconds=1)  # stamps are later than the pictures by what connecting took on a busy machine
    for killed in kills:
        lost = min(killed - end for _, end in footage if end <= killed + slack)
        assert lost <= timedelta(seconds=1.1), f"{lost} before the kill"
        assert lost <= timedelta() or any(
            gap.cause is GapCause.RECORDER_DOWN and gap.start <= killed + slack and killed <= gap.end for gap in gaps
        )

    told = sorted(footage + [(gap.start, gap.end) for gap in gaps])
    reached = told[0][0]
    for start, end in told:
        assert start - reached <= timedelta(seconds=1), f"nobody explains {reached} to {start}"
        reached = max(reached, end)
    assert ended - reached <= timedelta(seconds=1)
    assert spool.segments.counts()[SegmentState.OPEN] == 0
    chain = {s.sealed.sha256 for s in sealed(spool) if s.sealed}
    assert {s.previous_sha256 for s in sealed(spool)} - chain == {None}, "the hash chain has no fork and no hole"
    assert not list((tmp_path / "recordings").rglob("*.part"))
    spool.close()
