"""Cameras that fail, come back, move and stop: what is recorded and what is reported."""

import asyncio
import socket
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av

from camera_simulator import AudioCodec, CameraSimulator, CameraSpec, Kind
from camfleet_contract.gaps import GapCause
from camfleet_contract.heartbeats import CameraCondition
from camfleet_contract.recordings import RecordingStatus
from recorder.audio import AudioPolicy
from recorder.cameras import Cameras
from recorder.capturing import Capturing
from recorder.coverage import SMALLEST
from recorder.spool import SegmentState, Spool
from tests.recorder.rig import always, camera, config, once, running, sealed, whole_second
from tests.recorder.waiting import until

FRAME = timedelta(seconds=0.04)
QUICK = Capturing(open_seconds=2, read_seconds=1)
PLAIN = CameraSpec(name="yard", audio=AudioCodec.NONE)


def condition(cameras: Cameras) -> CameraCondition:
    return cameras.states()[0].condition


async def test_a_camera_that_drops_is_recorded_again_in_the_same_recording_and_the_hole_is_told(spool: Spool) -> None:
    async with CameraSimulator([PLAIN], port=0) as simulator:
        cameras = Cameras(spool, capturing=QUICK)
        cameras.apply(config(always(camera(simulator.url("yard")))))
        async with running(cameras):
            await until(lambda: len(sealed(spool)) >= 1)
            simulator.camera("yard").drop()
            dropped = datetime.now(UTC)
            await until(lambda: any(s.sealed and s.sealed.start > dropped for s in sealed(spool)))
        assert len({s.recording_id for s in sealed(spool)}) == 1
    segments = [s.sealed for s in sealed(spool) if s.sealed]
    after = next(s for s in segments if s.start > dropped)
    before = max((s for s in segments if s.start < dropped), key=lambda s: s.end)
    hole = after.start - before.end
    gaps = [gap for gap in spool.gaps.to_report(datetime.now(UTC)) if gap.start >= before.end]
    assert sum((gap.end - gap.start for gap in gaps), timedelta()) == (hole if hole >= SMALLEST else timedelta())
    assert all(gap.cause is GapCause.CAMERA_UNREACHABLE for gap in gaps)


async def test_what_came_damaged_is_counted_for_each_camera_over_all_its_connections(spool: Spool) -> None:
    async with CameraSimulator([PLAIN], port=0) as simulator:
        cameras, yard = Cameras(spool, capturing=QUICK), simulator.camera("yard")
        cameras.apply(config(always(camera(simulator.url("yard")))))

        def lose_a_packet() -> None:
            for viewer in yard.broadcast.viewers:
                viewer.senders[Kind.VIDEO].next_sequence += 1

        async with running(cameras):
            await until(lambda: list(cameras.damaged().values()) == [0])
            lose_a_packet()
            await until(lambda: list(cameras.damaged().values()) == [1])
            yard.drop()
            dropped = datetime.now(UTC)
            await until(lambda: any(s.opened_at > dropped for s in spool.segments.in_state(SegmentState.OPEN)))
            lose_a_packet()
            await until(lambda: list(cameras.damaged().values()) == [2])


async def test_a_camera_that_stalls_is_noticed_told_and_recorded_again(spool: Spool) -> None:
    async with CameraSimulator([PLAIN], port=0) as simulator:
        cameras = Cameras(spool, capturing=QUICK)
        cameras.apply(config(always(camera(simulator.url("yard")))))
        async with running(cameras):
            await until(lambda: condition(cameras) is CameraCondition.RECORDING)
            simulator.camera("yard").stall()
            await until(lambda: condition(cameras) is CameraCondition.STALLED)
            simulator.camera("yard").resume()
            await until(lambda: condition(cameras) is CameraCondition.RECORDING)
    (gap,) = (gap for gap in spool.gaps.to_report(datetime.now(UTC)) if gap.start > sealed(spool)[0].opened_at)
    assert gap.cause is GapCause.STREAM_STALLED
    first, second = (s.sealed for s in sealed(spool)[:1] + sealed(spool)[-1:])
    assert first is not None
    assert second is not None
    ends = [s.sealed.end for s in sealed(spool) if s.sealed]
    starts = [s.sealed.start for s in sealed(spool) if s.sealed]
    assert gap.start in ends
    assert gap.end in starts or min(abs(gap.end - start) for start in starts) < timedelta(seconds=1)


async def test_what_a_camera_did_not_send_before_the_stop_is_told(spool: Spool) -> None:
    """It had not been silent for long enough to be called stalled."""
    async with CameraSimulator([PLAIN], port=0) as simulator:
        cameras = Cameras(spool, capturing=Capturing(read_seconds=300))
        cameras.apply(config(always(camera(simulator.url("yard")), segment_seconds=60)))
        async with running(cameras):
            await until(lambda: condition(cameras) is CameraCondition.RECORDING)
            await simulator.camera("yard").wait_for_sent(50)
            simulator.camera("yard").stall()
            await asyncio.sleep(1.5)  # the silence itself
            stopped = datetime.now(UTC)
    (segment,) = sealed(spool)
    assert segment.sealed is not None
    (gap,) = (gap for gap in spool.gaps.to_report(datetime.now(UTC)) if gap.start >= segment.sealed.start)
    assert (gap.cause, gap.start) == (GapCause.STREAM_STALLED, segment.sealed.end)
    assert gap.end >= stopped


async def test_a_stalled_camera_does_not_delay_the_stop(spool: Spool) -> None:
    async with CameraSimulator([PLAIN], port=0) as simulator:
        cameras = Cameras(spool, capturing=Capturing(read_seconds=30))
        cameras.apply(config(always(camera(simulator.url("yard")), segment_seconds=60)))
        async with running(cameras):
            await until(lambda: condition(cameras) is CameraCondition.RECORDING)
            await simulator.camera("yard").wait_for_sent(50)
            simulator.camera("yard").stall()
            began = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - began < 15, "far less than a read may take"
    assert len(sealed(spool)) == 1
    assert spool.segments.counts()[SegmentState.OPEN] == 0


async def test_a_refused_password_is_not_tried_again_until_it_is_corrected(spool: Spool) -> None:
    spec = CameraSpec(name="yard", audio=AudioCodec.NONE, user="admin", password="right")
    async with CameraSimulator([spec], port=0) as simulator:
        wrong = camera(simulator.url("yard").replace("right", "wr0ng"))
        cameras = Cameras(spool, capturing=QUICK)
        cameras.apply(config(always(wrong)))
        async with running(cameras):
            await until(lambda: condition(cameras) is CameraCondition.REFUSED)
            assert "wr0ng" not in cameras.states()[0].reason
            right = camera(simulator.url("yard"), camera_id=wrong.id)
            cameras.apply(config(always(right)))
            await until(lambda: condition(cameras) is CameraCondition.RECORDING)
    assert all("wr0ng" not in gap.detail for gap in spool.gaps.to_report(datetime.now(UTC)))


async def test_an_unreachable_camera_fails_its_recording_and_the_whole_window_is_a_gap(spool: Spool) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"rtsp://127.0.0.1:{unused.getsockname()[1]}/x"
    start, end = whole_second(3), whole_second(5)
    schedule = once(camera(url), start, end)
    cameras = Cameras(spool, capturing=QUICK)
    cameras.apply(config(schedule))
    async with running(cameras):
        await until(lambda: any(r.status.is_final for r in spool.recordings.to_register(end + timedelta(days=1))))
    (recording,) = spool.recordings.to_register(end + timedelta(days=1))
    assert recording.status is RecordingStatus.FAILED
    assert recording.error_code == "camera_unreachable"
    gaps = spool.gaps.to_report(datetime.now(UTC))
    assert min(gap.start for gap in gaps) == start
    assert max(gap.end for gap in gaps) == end
    assert sum((gap.end - gap.start for gap in gaps), timedelta()) == end - start


async def test_a_window_begins_with_the_gop_that_covers_its_start_and_ends_at_its_end(spool: Spool) -> None:
    async with CameraSimulator([PLAIN], port=0) as simulator:
        start, end = whole_second(7), whole_second(9)
        cameras = Cameras(spool)
        cameras.apply(config(once(camera(simulator.url("yard")), start, end)))
        async with running(cameras):
            await until(lambda: any(r.status.is_final for r in spool.recordings.to_register(end + timedelta(days=1))))
    (segment,) = sealed(spool)
    assert segment.sealed is not None
    # A keyframe that is the first picture of the window begins it: no picture before it shows any of it.
    assert start - timedelta(seconds=1.1) <= segment.sealed.start <= start + FRAME
    assert end - timedelta(seconds=0.1) <= segment.sealed.end <= end + timedelta(seconds=0.05)
    (recording,) = spool.recordings.to_register(end + timedelta(days=1))
    assert recording.status is RecordingStatus.COMPLETED
    assert recording.frames == segment.sealed.packets
    assert spool.gaps.to_report(datetime.now(UTC)) == []


async def test_adjacent_windows_go_on_without_opening_the_camera_again(spool: Spool) -> None:
    async with CameraSimulator([PLAIN], port=0) as simulator:
        start, middle, end = whole_second(6), whole_second(8), whole_second(10)
        yard = camera(simulator.url("yard"))
        cameras = Cameras(spool)
        cameras.apply(config(once(yard, start, middle), once(yard, middle, end)))
        async with running(cameras):
            await until(
                lambda: sum(r.status.is_final for r in spool.recordings.to_register(end + timedelta(days=1))) == 2
            )
        assert {unit.viewer for unit in simulator.camera("yard").sent(viewer=None)} == {1}
    first, second = (segment.sealed for segment in sealed(spool))
    assert first is not None
    assert second is not None
    assert first.end == second.start, "no frame between them is lost"
    assert timedelta() <= second.start - middle <= timedelta(seconds=1.1)
    assert len({segment.recording_id for segment in sealed(spool)}) == 2
    assert spool.gaps.to_report(datetime.now(UTC)) == []


async def test_a_schedule_that_is_removed_ends_its_recording_and_comes_back_as_another(spool: Spool) -> None:
    async with CameraSimulator([PLAIN], port=0) as simulator:
        yard = camera(simulator.url("yard"))
        schedule = always(yard)
        cameras = Cameras(spool)
        cameras.apply(config(schedule))
        async with running(cameras):
            await until(lambda: len(sealed(spool)) >= 1)
            cameras.apply(config(cameras=(yard,)))
            await until(lambda: spool.recordings.open() == [])
            count = len(sealed(spool))
            cameras.apply(config(schedule))
            await until(lambda: len(sealed(spool)) > count)
    first, second = spool.recordings.to_register(datetime.now(UTC))
    assert first.status is RecordingStatus.STOPPED
    assert second.started_at >= (first.ended_at or second.started_at)


async def test_one_camera_more_than_allowed_is_a_gap_that_says_so(spool: Spool) -> None:
    async with CameraSimulator([PLAIN], port=0) as simulator:
        cameras = Cameras(spool, capturing=Capturing(max_concurrent=1))
        cameras.apply(config(*(always(camera(simulator.url("yard"), name)) for name in "ab")))
        async with running(cameras):
            await until(lambda: len(sealed(spool)) >= 1)
    recorded = {s.camera_id for s in sealed(spool)}
    (gap,) = (gap for gap in spool.gaps.to_report(datetime.now(UTC)) if gap.camera_id not in recorded)
    assert gap.detail == "The recorder has no room for it: its limit is 1 camera (as MAX_CONCURRENT_RECORDINGS says)."
    assert gap.cause is GapCause.RECORDER_OVERLOADED


def tracks(spool: Spool) -> list[int]:
    """How many each sealed segment has."""
    found = []
    for segment in sealed(spool):
        with av.open(str(spool.segments.file(segment))) as container:
            found.append(len(container.streams))
    return found


async def test_announced_sound_that_never_comes_stops_no_picture(spool: Spool) -> None:
    async with CameraSimulator([CameraSpec(name="yard", audio=AudioCodec.AAC)], port=0) as simulator:
        simulator.camera("yard").mute_audio()
        cameras = Cameras(spool)
        cameras.apply(config(always(camera(simulator.url("yard")))))
        async with running(cameras):
            await until(lambda: len(sealed(spool)) >= 2)
            silent = tracks(spool)
            simulator.camera("yard").resume()
            # Not a count of segments: those from before may be sealed late.
            await until(lambda: 2 in tracks(spool))
    assert set(silent) == {1}
    joined = tracks(spool).index(2)
    # The last may have been stopped before its first sound came.
    assert set(tracks(spool)[joined:-1]) <= {2}, "sound joins when it comes, and stays"


async def test_sound_is_dropped_where_the_setting_says_so(spool: Spool) -> None:
    async with CameraSimulator([CameraSpec(name="yard", audio=AudioCodec.AAC)], port=0) as simulator:
        cameras = Cameras(spool, capturing=Capturing(policy=AudioPolicy.NONE))
        cameras.apply(config(always(camera(simulator.url("yard")))))
        async with running(cameras):
            await until(lambda: len(sealed(spool)) >= 1)
    with av.open(str(spool.segments.file(sealed(spool)[0]))) as container:
        assert [stream.type for stream in container.streams] == ["video"]


async def test_without_the_data_disk_nothing_is_recorded_and_with_it_everything(spool: Spool) -> None:
    async with CameraSimulator([PLAIN], port=0) as simulator:
        cameras = Cameras(spool, capturing=QUICK)
        cameras.apply(config(always(camera(simulator.url("yard")))))
        async with running(cameras):
            await until(lambda: len(sealed(spool)) >= 1)
            folder = spool.base / "recordings"
            away = folder.with_name("unmounted")
            folder.rename(away)
            await until(lambda: condition(cameras) is CameraCondition.STALLED)
            assert not folder.exists(), "nothing is written onto the boot disk"
            away.rename(folder)
            # What was cut before is sealed late: only footage from afterwards ends the gap.
            back = datetime.now(UTC)
            await until(lambda: any(segment.opened_at > back for segment in sealed(spool)))
    assert GapCause.DISK_MISSING in {gap.cause for gap in spool.gaps.to_report(datetime.now(UTC))}


async def test_a_broken_camera_stops_no_other(spool: Spool) -> None:
    async with CameraSimulator([PLAIN], port=0) as simulator:
        good, gone = camera(simulator.url("yard")), camera("rtsp://127.0.0.1:1/x", "Gone")
        strange = camera("file:///dev/null", "Strange")
        cameras = Cameras(spool, capturing=QUICK)
        cameras.apply(config(always(gone), always(strange), always(good)))
        async with running(cameras):
            await until(lambda: len(sealed(spool)) >= 2)
            conditions = {state.camera_id: state.condition for state in cameras.states()}
    assert {s.camera_id for s in sealed(spool)} == {good.id}
    assert conditions[good.id] is CameraCondition.RECORDING
    assert conditions[gone.id] is CameraCondition.UNREACHABLE


async def test_no_thread_is_left_behind(spool: Spool, tmp_path: Path) -> None:
    async with CameraSimulator([PLAIN], port=0) as simulator:
        cameras = Cameras(spool)
        cameras.apply(config(always(camera(simulator.url("yard")))))
        async with running(cameras):
            await until(lambda: condition(cameras) is CameraCondition.RECORDING)
        await until(lambda: not any(t.name.startswith(("camera-", "sealer-")) for t in threading.enumerate()))
