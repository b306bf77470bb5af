"""Recordings that a person begins and stops."""

from datetime import UTC, datetime, timedelta

import pytest

from camera_simulator import AudioCodec, CameraSimulator, CameraSpec
from camfleet_contract.gaps import GapCause
from camfleet_contract.messages import Interval
from camfleet_contract.recordings import RecordingStatus
from recorder.cameras import Cameras
from recorder.capturing import Capturing
from recorder.errors import AlreadyRecording, NoRoom, UnknownCamera
from recorder.last_run import LastRun
from recorder.manual import ByHand
from recorder.spool import Spool
from recorder.wanted import Run, runs_between
from tests.recorder.rig import always, assert_all_time_is_told, camera, config, running, sealed
from tests.recorder.spooled import NOON
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


async def test_a_manual_recording_goes_on_after_a_restart_and_what_was_stopped_stays_stopped(spool: Spool) -> None:
    async with CameraSimulator([PLAIN], port=0) as simulator:
        yard, gate, other = (camera(simulator.url("yard"), name) for name in ("Yard", "Gate", "Other"))
        document = config(always(gate), always(other), cameras=(yard,))
        cameras = Cameras(spool)
        cameras.apply(document)
        async with running(cameras):
            first = await cameras.start_manual(yard.id, timedelta(minutes=5))
            await until(lambda: {on.camera_id for on in cameras.active()} == {yard.id, gate.id, other.id})
            await cameras.stop_recording(gate.id)

        cameras = Cameras(spool)
        cameras.apply(document)
        async with running(cameras):
            await until(lambda: {on.camera_id for on in cameras.active()} == {yard.id, other.id})
            (second,) = (on for on in cameras.active() if on.camera_id == yard.id)
            assert (second.schedule_id, second.until) == (None, first.until)
            assert second.id != first.id
            assert cameras.source(gate.id)[1] is None
            await cameras.stop_recording(yard.id)

        cameras = Cameras(spool)
        cameras.apply(document)
        async with running(cameras):
            await until(lambda: [on.camera_id for on in cameras.active()] == [other.id])
            assert cameras.source(yard.id)[1] is None
            assert cameras.source(gate.id)[1] is None
    assert_all_time_is_told(spool, yard.id, first.started_at, datetime.now(UTC))
    gaps = [gap for gap in spool.gaps.to_report(datetime.now(UTC)) if gap.camera_id == yard.id]
    assert any(gap.cause is GapCause.RECORDER_DOWN and gap.end <= second.started_at for gap in gaps)


def test_a_camera_that_was_taken_away_is_not_missing_for_its_manual_recording(spool: Spool) -> None:
    yard, gone = camera("rtsp://camera/1"), camera("rtsp://camera/2")
    before = ByHand(spool, timedelta())
    for each in (yard, gone):
        before.begin(Run(each.id, None, NOON, "Manual recording", NOON, NOON + timedelta(hours=1), 60))
    after = ByHand(spool, timedelta())
    assert after.runs == before.runs
    assert [run.camera_id for run in after.runs_of(config(cameras=(yard,)))] == [yard.id]


def test_the_time_without_a_recorder_is_missing_for_what_was_asked_and_not_for_what_was_stopped(spool: Spool) -> None:
    yard, gate, door = (camera(f"rtsp://camera/{number}") for number in range(3))
    document = config(always(gate), cameras=(yard, door))
    hour, minute = timedelta(hours=1), timedelta(minutes=1)
    asked = ByHand(spool, timedelta())
    runs = {one.id: Run(one.id, None, NOON - hour, "Manual", NOON - hour, NOON - minute, 60) for one in (yard, door)}
    for run in runs.values():
        asked.begin(run)
    asked.end(runs[door.id], NOON - 30 * minute)
    (of_the_day,) = runs_between(document, Interval(start=NOON - hour, end=NOON))[gate.id]
    asked.end(of_the_day, NOON - 30 * minute)
    spool.mark_alive(NOON - 10 * minute)
    LastRun(spool, None, ByHand(spool, timedelta())).put_in_order(document, NOON)
    told = [(gap.camera_id, gap.start, gap.end, gap.cause) for gap in spool.gaps.to_report(NOON)]
    assert told == [(yard.id, NOON - 10 * minute, NOON - minute, GapCause.RECORDER_DOWN)]


@pytest.mark.parametrize("text", ["", "no JSON", "[]", '{"runs": [{"camera_id": 1}]}'])
def test_what_cannot_be_read_of_an_earlier_run_is_left_alone(spool: Spool, text: str) -> None:
    spool.keep_by_hand(text)
    by_hand = ByHand(spool, timedelta())
    assert (by_hand.runs, by_hand.ended) == ((), frozenset())
    by_hand.forget(NOON)
