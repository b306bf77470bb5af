"""Disks that fail while cameras record: what is lost is told, and recording goes on by itself."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from camera_simulator import AudioCodec, CameraSimulator, CameraSpec
from camfleet_contract.gaps import GapCause
from camfleet_contract.heartbeats import CameraCondition
from recorder.cameras import Cameras
from recorder.capturing import Capturing
from recorder.durability import Syncer
from recorder.spool import SegmentState, Spool
from tests.recorder.disks import MisbehavingDisk, misbehaving_disk
from tests.recorder.recorded import assert_nothing_is_lost, footage
from tests.recorder.rig import always, assert_all_time_is_told, camera, config, running, sealed
from tests.recorder.waiting import until

PATIENT = Capturing(open_seconds=20, read_seconds=20)
"""That a loaded machine is late must be no other trouble than the disk's."""
LAST_SECOND = timedelta(seconds=1.1)
SPECS = [CameraSpec(name="yard", audio=AudioCodec.AAC), CameraSpec(name="gate", audio=AudioCodec.NONE)]


ON_IT = {"recordings": "base/recordings", "all": "base"}
"""What lies on the disk that fails: the recordings, beside a database that works, or all that the recorder has."""
FAILURES = {
    "broken": ({"write": "EIO", "fsync": "EIO", "change": "EIO"}, GapCause.DISK_MISSING),
    "read-only": ({"write": "EROFS", "fsync": "EROFS", "change": "EROFS"}, GapCause.DISK_MISSING),
    "full": ({"write": "ENOSPC", "change": "ENOSPC"}, GapCause.DISK_FULL),
}


@pytest.mark.parametrize("what", ON_IT)
async def test_a_disk_that_fails_in_mid_run_is_told_once_and_recorded_to_again_when_it_works(
    tmp_path: Path, what: str
) -> None:
    """Three recorders at the same time, each with a disk of its own that fails in its own way."""
    async with AsyncExitStack() as disks:
        each = {
            name: await disks.enter_async_context(misbehaving_disk(tmp_path / name / ON_IT[what])) for name in FAILURES
        }
        with capture_logs() as logs:
            async with asyncio.TaskGroup() as tasks:
                for name, (errors, cause) in FAILURES.items():
                    tasks.create_task(fail_and_mend(tmp_path / name, each[name], errors, cause), name=name)
    events = [line["event"] for line in logs]
    assert all("exc_info" not in line for line in logs), "what a disk does is no bug: no traceback"
    assert events.count("camera_failed") <= 2 * len(SPECS) * len(FAILURES), "each change of state once, not each try"
    assert events.count("disk_not_written") <= 2 * len(SPECS) * len(FAILURES)


async def fail_and_mend(folder: Path, disk: MisbehavingDisk, errors: dict[str, str], cause: GapCause) -> None:
    async with CameraSimulator(SPECS, port=0) as simulator:
        spool = Spool.open(folder / "base")
        cameras = Cameras(spool, capturing=PATIENT)
        known = datetime.now(UTC)
        listed = [camera(simulator.url(spec.name), spec.name) for spec in SPECS]
        cameras.apply(config(*(always(one) for one in listed)))
        async with running(cameras):
            await until(lambda: {s.camera_id for s in sealed(spool)} == {one.id for one in listed})
            # A recorder that a loaded machine holds up has not read yet what it would be asked for.
            await until(lambda: all(is_fresh(state.last_footage_at) for state in cameras.states()))
            broke = datetime.now(UTC)
            await disk.fail(**errors)
            await until(lambda: {state.condition for state in cameras.states()} == {CameraCondition.STALLED})
            reasons = {state.reason for state in cameras.states()}
            await disk.mend()
            mended = datetime.now(UTC)
            await until(
                lambda: {s.camera_id for s in sealed(spool) if s.opened_at > mended} == {one.id for one in listed}
            )
        ended = datetime.now(UTC)
        assert all("disk" in reason or "database" in reason for reason in reasons)
        assert spool.segments.counts()[SegmentState.OPEN] == 0
        told = spool.gaps.to_report(ended)
        assert {gap.cause for gap in told if gap.end > broke} == {cause}
        assert min(gap.start for gap in told if gap.end > broke) > broke - LAST_SECOND, "what was there before is kept"
        for one in listed:
            assert_all_time_is_told(spool, one.id, known, ended)
        spool.close()


def is_fresh(last_footage_at: datetime | None) -> bool:
    return last_footage_at is not None and datetime.now(UTC) - last_footage_at < timedelta(seconds=0.2)


async def test_a_segment_of_which_an_fsync_failed_is_copied_whatever_later_ones_say(tmp_path: Path) -> None:
    """The kernel tells of a lost write once; the next `fsync` succeeds though the disk never got it."""
    async with misbehaving_disk(tmp_path / "base" / "recordings") as disk, CameraSimulator(SPECS[1:], port=0) as gates:
        spool = Spool.open(tmp_path / "base")
        gate, syncer = camera(gates.url("gate")), Syncer(spool.sync)
        cameras = Cameras(spool, syncer=syncer)
        cameras.apply(config(always(gate, segment_seconds=6)))
        with capture_logs() as logs:
            async with running(cameras):
                # Its name is on the disk: what fails from now on is a flush of the file, and not of its folder.
                await until(lambda: any(file.synced > 0 for file in list(syncer._growing.values())))
                await disk.fail(fsync="EIO")
                await until(lambda: "growing_files_not_synced" in [line["event"] for line in logs])
                await disk.mend()
                hurt = datetime.now(UTC)
                await until(lambda: any(segment.opened_at > hurt for segment in sealed(spool)))
        assert [line["event"] for line in logs].count("disk_not_written") == 1, "the hurt one was not sealed as it was"
        assert_nothing_is_lost(footage(spool, gate.id), gates.camera("gate"))
        spool.close()
