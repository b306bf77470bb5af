"""A data disk that is full: the camera goes on when there is space again, and nothing that was written is lost."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from camera_simulator import AudioCodec, CameraSimulator, CameraSpec
from camfleet_contract.gaps import GapCause
from recorder.cameras import Cameras, Capturing
from recorder.spool import SegmentState, Spool
from tests.recorder.rig import always, camera, config, running, sealed
from tests.recorder.waiting import until


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 4 MB, mounted where a data disk belongs."""
    folder = tmp_path / "base" / "recordings"
    folder.mkdir(parents=True)
    mounted = os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if not mounted or mounted.returncode:
        pytest.skip("only root may mount a file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_a_full_disk_is_told_and_recording_goes_on_when_there_is_space(small_disk: Path) -> None:
    spool = Spool.open(small_disk.parent)
    ballast = small_disk / "ballast"
    async with CameraSimulator([CameraSpec(name="yard", audio=AudioCodec.NONE)], port=0) as simulator:
        cameras = Cameras(spool, capturing=Capturing(open_seconds=2, read_seconds=2))
        cameras.apply(config(always(camera(simulator.url("yard")))))
        async with running(cameras):
            await until(lambda: len(sealed(spool)) >= 1)
            with ballast.open("wb") as file:
                free = os.statvfs(small_disk)
                file.write(b"\0" * (free.f_bavail * free.f_frsize - 64 * 1024))
            await until(lambda: cameras.states()[0].condition == "stalled")
            assert "full" in cameras.states()[0].reason
            ballast.unlink()
            back = datetime.now(UTC)
            await until(lambda: any(segment.opened_at > back for segment in sealed(spool)))
    assert GapCause.DISK_FULL in {gap.cause for gap in spool.gaps.to_report(datetime.now(UTC))}
    spool.close()

    # What couldn't be sealed on the full disk is sealed at the latest by the next start.
    spool = Spool.open(small_disk.parent)
    cameras = Cameras(spool)
    cameras.apply(config())
    async with running(cameras):
        await until(lambda: spool.segments.counts()[SegmentState.OPEN] == 0)
    assert not await asyncio.to_thread(lambda: list(small_disk.rglob("*.part")))
    spool.close()
