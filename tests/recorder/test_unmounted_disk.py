"""A data disk that is a real ext4, mounted where the setup page says, and goes away."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from camera_simulator import AudioCodec, CameraSimulator, CameraSpec
from camfleet_contract.gaps import GapCause
from camfleet_contract.heartbeats import CameraCondition
from recorder.cameras import Cameras
from recorder.spool import SegmentState, Spool
from tests.recorder.disks import Ext4
from tests.recorder.rig import always, assert_all_time_is_told, camera, config, running, sealed
from tests.recorder.waiting import until

PLAIN = CameraSpec(name="yard", audio=AudioCodec.AAC)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Ext4]:
    disk = Ext4(tmp_path / "image", tmp_path / "base" / "recordings")
    disk.mount()
    yield disk
    disk.unmount()


def leftovers(spool: Spool) -> list[Path]:
    return [path for path in (spool.base / "recordings").rglob("*") if path.is_file() and path.suffix != ".mp4"]


async def has_footage_since(spool: Spool, moment: datetime) -> None:
    await until(lambda: any(segment.opened_at > moment for segment in sealed(spool)))


async def record_through(spool: Spool, trouble: Callable[[Cameras], Awaitable[None]]) -> None:
    """One camera before, during and after the trouble: nothing stays open, and all of its time is told."""
    async with CameraSimulator([PLAIN], port=0) as simulator:
        cameras, known = Cameras(spool), datetime.now(UTC)
        yard = camera(simulator.url("yard"))
        cameras.apply(config(always(yard)))
        async with running(cameras):
            await has_footage_since(spool, known)
            await trouble(cameras)
            await has_footage_since(spool, datetime.now(UTC))
        ended = datetime.now(UTC)
    assert spool.segments.counts()[SegmentState.OPEN] == 0
    assert GapCause.DISK_MISSING in {gap.cause for gap in spool.gaps.to_report(ended)}
    assert_all_time_is_told(spool, yard.id, known, ended)


async def test_an_unmounted_disk_is_not_replaced_by_the_boot_disk_and_is_written_on_when_it_is_back(
    tmp_path: Path, disk: Ext4
) -> None:
    async def unmounted(cameras: Cameras) -> None:
        await asyncio.to_thread(disk.unmount)
        await until(lambda: cameras.states()[0].condition is CameraCondition.STALLED)
        assert "not mounted" in cameras.states()[0].reason
        assert list((tmp_path / "base/recordings").iterdir()) == [], "nothing is written onto the boot disk"
        await asyncio.to_thread(disk.mount)

    spool = Spool.open(tmp_path / "base")
    await record_through(spool, unmounted)
    assert {path.name for path in leftovers(spool)} == {".camfleet-recorder"}
    spool.close()


async def test_a_recorder_started_without_its_disk_waits_for_it_and_tells_the_time_between_once(
    tmp_path: Path, disk: Ext4
) -> None:
    async with CameraSimulator([PLAIN], port=0) as simulator:
        yard = camera(simulator.url("yard"))
        settings, known = config(always(yard)), datetime.now(UTC)
        for is_there in (True, False):
            spool = Spool.open(tmp_path / "base")
            cameras = Cameras(spool)
            cameras.apply(settings)
            async with running(cameras):
                if not is_there:
                    await until(lambda: cameras.trouble)  # noqa: B023 - asked in this round
                    assert "not mounted" in cameras.trouble
                    assert cameras.states()[0].condition is CameraCondition.STALLED
                    assert list((tmp_path / "base/recordings").iterdir()) == []
                    await asyncio.to_thread(disk.mount)
                await has_footage_since(spool, datetime.now(UTC))
            ended = datetime.now(UTC)
            if is_there:
                spool.close()
                await asyncio.to_thread(disk.unmount)
    causes = [gap.cause for gap in spool.gaps.to_report(ended)]
    assert GapCause.DISK_MISSING in causes
    assert_all_time_is_told(spool, yard.id, known, ended)
    spool.close()


async def test_a_file_system_that_gives_up_is_recorded_to_again_once_it_was_checked_and_mounted(
    tmp_path: Path, disk: Ext4
) -> None:
    async def given_up(cameras: Cameras) -> None:
        await asyncio.to_thread(disk.give_up)
        await until(lambda: cameras.states()[0].condition is CameraCondition.STALLED)
        await asyncio.to_thread(disk.unmount)
        await asyncio.to_thread(disk.check)
        await asyncio.to_thread(disk.mount)

    spool = Spool.open(tmp_path / "base")
    await record_through(spool, given_up)
    spool.close()
