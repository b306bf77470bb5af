"""Recordings that a person begins and stops."""

from datetime import UTC, datetime, timedelta

import pytest

from camera_simulator import AudioCodec, CameraSimulator, CameraSpec
from camfleet_contract.gaps import GapCause
from camfleet_contract.recordings import RecordingStatus
from recorder.cameras import Cameras
from recorder.capturing import Capturing
from recorder.errors import AlreadyRecording, NoRoom, UnknownCamera
from recorder.spool import Spool
from tests.recorder.rig import always, camera, config, running, sealed
from tests.recorder.waiting import until

PLAIN = CameraSpec(name="yard", audio=AudioCodec.NONE)


async def test_a_manual_recording_runs_for_its_time_and_is_refused_twice(spool: Spool) -> None:
    async with CameraSimulator([PLAIN], port=0) as simulator:
        yard = camera(simulator.url("yard"))
        cameras = Cameras(spool)
        cameras.apply(config(cameras=(yard,)))
        async with running(cameras):
            recording = await cameras.start_manual(yard.id, timedelta(seconds=4))
            with pytest.raises(AlreadyRecording):
                await cameras.start_manual(yard.id, timedelta(seconds=4))
            with pytest.raises(UnknownCamera):
                await cameras.start_manual(recording.id, timedelta(seconds=4))
            await until(lambda: (row := spool.recordings.get(recording.id)) and row.status.is_final)
    row = spool.recordings.get(recording.id)
    assert row is not None
    assert row.status is RecordingStatus.COMPLETED
    assert row.frames > 25


async def test_a_stopped_recording_stays_stopped_for_its_window(spool: Spool) -> None:
    async with CameraSimulator([PLAIN], port=0) as simulator:
        yard = camera(simulator.url("yard"))
        cameras = Cameras(spool)
        cameras.apply(config(always(yard)))
        async with running(cameras):
            await until(lambda: len(sealed(spool)) >= 1)
            assert await cameras.stop_recording(yard.id)
            assert not await cameras.stop_recording(yard.id)
            await until(lambda: spool.recordings.open() == [])
            cameras.apply(config(always(yard)))
            assert cameras.active() == []
    (recording,) = spool.recordings.to_register(datetime.now(UTC))
    assert recording.status is RecordingStatus.STOPPED


async def test_a_manual_recording_beyond_what_may_be_read_is_refused_and_is_no_gap(spool: Spool) -> None:
    async with CameraSimulator([PLAIN], port=0) as simulator:
        one, other = (camera(simulator.url("yard"), name) for name in "ab")
        cameras = Cameras(spool, capturing=Capturing(max_concurrent=1))
        cameras.apply(config(cameras=(one, other)))
        async with running(cameras):
            await cameras.start_manual(one.id, timedelta(minutes=1))
            with pytest.raises(NoRoom, match="its limit is 1 camera"):
                await cameras.start_manual(other.id, timedelta(minutes=1))
            assert [recording.camera_id for recording in cameras.active()] == [one.id]
            assert cameras.refused == frozenset()
            await cameras.stop_recording(one.id)
            await cameras.start_manual(other.id, timedelta(minutes=1))
            assert [recording.camera_id for recording in cameras.active()] == [other.id]
    assert all(gap.cause is not GapCause.RECORDER_OVERLOADED for gap in spool.gaps.to_report(datetime.now(UTC)))
