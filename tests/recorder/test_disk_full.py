"""Real disks that are full: each camera goes on when there is space again, and nothing that was written is lost."""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from camera_simulator import AudioCodec, CameraSimulator, CameraSpec
from camfleet_contract.gaps import GapCause
from camfleet_contract.heartbeats import CameraCondition
from recorder.cameras import Cameras
from recorder.capturing import Capturing
from recorder.retention import Reserve, disk_space
from recorder.spool import SegmentState, Spool
from tests.ports import free_port
from tests.recorder.control_plane import TOKEN, FakeControlPlane
from tests.recorder.disks import small_disk
from tests.recorder.process import environment, recorder
from tests.recorder.rig import always, assert_all_time_is_told, camera, config, running, sealed
from tests.recorder.waiting import until

PATIENT = Capturing(open_seconds=20, read_seconds=20)
"""That a loaded machine is late must be no other trouble than the disk's."""
SPECS = [CameraSpec(name="yard", audio=AudioCodec.AAC), CameraSpec(name="gate", audio=AudioCodec.PCM_ALAW)]


def take_all_space(folder: Path) -> Path:
    """A file as big as what is free."""
    with (folder / "ballast").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            return folder / "ballast"


def take_all_names(folder: Path) -> Iterator[Path]:
    """As many empty files as there are inodes left."""
    for number in count():
        try:
            (folder / f"ballast-{number}").touch()
        except OSError:
            return
        yield folder / f"ballast-{number}"


@pytest.mark.parametrize("where", ["base/recordings", "base"])
async def test_a_full_disk_is_told_and_recording_goes_on_when_there_is_space(tmp_path: Path, where: str) -> None:
    """Two recorders at the same time, each with a disk of its own."""
    with ExitStack() as disks:
        space = disks.enter_context(small_disk(tmp_path / "space" / where, "24m"))
        inodes = disks.enter_context(small_disk(tmp_path / "inodes" / where, "24m", inodes=60))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fill_and_free(tmp_path / "space", lambda: [take_all_space(space)]))
            tasks.create_task(fill_and_free(tmp_path / "inodes", lambda: list(take_all_names(inodes))))


async def fill_and_free(folder: Path, fill: Callable[[], list[Path]]) -> None:
    spool = Spool.open(folder / "base")
    async with CameraSimulator(SPECS, port=0) as simulator:
        listed = [camera(simulator.url(spec.name), spec.name) for spec in SPECS]
        cameras, known = Cameras(spool, capturing=PATIENT), datetime.now(UTC)
        cameras.apply(config(*(always(one) for one in listed)))
        ids = {one.id for one in listed}
        async with running(cameras):
            await until(lambda: {s.camera_id for s in sealed(spool)} == ids)
            ballast = fill()
            await until(lambda: {state.condition for state in cameras.states()} == {CameraCondition.STALLED})
            assert all("full" in state.reason for state in cameras.states())
            for file in ballast:
                file.unlink()
            free = datetime.now(UTC)
            await until(lambda: {s.camera_id for s in sealed(spool) if s.opened_at > free} == ids)
        ended = datetime.now(UTC)
    assert spool.segments.counts()[SegmentState.OPEN] == 0
    assert not [path for path in (folder / "base/recordings").rglob("*") if path.suffix == ".part"]
    told = spool.gaps.to_report(ended)
    assert {gap.camera_id for gap in told if gap.cause is GapCause.DISK_FULL} == ids
    for one in listed:
        assert_all_time_is_told(spool, one.id, known, ended)
    spool.close()


async def test_on_a_disk_that_fills_up_proven_footage_goes_first_and_recording_goes_on(
    tmp_path: Path, fake: FakeControlPlane, backend: str
) -> None:
    (store := tmp_path / "store").mkdir()
    with small_disk(tmp_path / "base", "12m") as disk:
        async with CameraSimulator(SPECS, port=0) as simulator:
            listed = [camera(simulator.url(spec.name), spec.name) for spec in SPECS]
            fake.document = config(*(always(one) for one in listed)).model_dump_json().encode()
            variables = environment(tmp_path, backend, TOKEN, free_port(), STORAGE_URL=f"file://{store}")
            variables |= {"CLEANUP_AFTER_UPLOAD": "false", "KEEP_LOCAL_DAYS": "1", "MIN_FREE_PERCENT": "40"}
            variables |= {"HEARTBEAT_INTERVAL_SECONDS": "1"}
            async with recorder(tmp_path, variables) as running:
                await fake.until(lambda: len(fake.stored) >= 4)
                kept = [path for path in (disk / "recordings").rglob("*.mp4") if path.stem in map(str, fake.stored)]
                assert kept, "what is proven stays for a day, as long as there is room"
                space = disk_space(disk)
                with (disk / "ballast").open("wb") as file:
                    file.write(b"\0" * (space.free_bytes - space.total_bytes * 40 // 100 + 64 * 1024))
                full = datetime.now(UTC)
                await until(lambda: not all(path.exists() for path in kept))
                await fake.until(
                    lambda: (
                        {o.camera_id for o in fake.offers if o.start > full and o.id in fake.stored}
                        == {one.id for one in listed}
                    ),
                    60,
                )
                assert await running.stop() == 0
        left = [path for path in kept if path.exists()]
    given_up = [gap for gap in fake.gaps.values() if gap.cause is GapCause.RETENTION]
    assert not (given_up and left), "nothing unproven went while there was something proven"


def test_a_disk_without_inodes_is_as_short_as_one_without_space(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "8m", inodes=100) as disk:
        reserve = Reserve(free_bytes=0, free_fraction=0.05)
        assert not reserve.is_short(disk_space(disk))
        names = take_all_names(disk)
        while os.statvfs(disk).f_favail >= 5:
            next(names)
        assert reserve.is_short(disk_space(disk))
