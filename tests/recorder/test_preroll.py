"""Manual recordings that begin before they are asked for, and end after they are stopped."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from av.packet import Packet
from hypothesis import given
from hypothesis import strategies as st

from camera_simulator import CameraSimulator, CameraSpec
from camfleet_contract.heartbeats import CameraCondition
from camfleet_contract.recordings import RecordingStatus
from recorder.cameras import Cameras
from recorder.capturing import Capturing
from recorder.preroll import GOP_BYTES, PACKET_BYTES, Ahead, PreRoll, share_of
from recorder.spool import Spool
from tests.recorder.rig import camera, config, once, running, sealed, whole_second
from tests.recorder.waiting import until

PLAIN = CameraSpec(name="yard")
FRAME = timedelta(seconds=0.04)
FRAMES_PER_SECOND = 25
POST_ROLL = timedelta(seconds=4)
ROLLING = Capturing(pre_roll=timedelta(seconds=3))
"""With the shipped limits: a loaded machine is no stall."""


async def sees(simulator: CameraSimulator, seconds: float) -> None:
    """Waits until the camera has sent so much more."""
    await simulator.camera("yard").wait_for_sent(round(seconds * FRAMES_PER_SECOND))


async def test_a_manual_recording_begins_before_its_trigger_without_losing_a_frame(spool: Spool) -> None:
    async with CameraSimulator([PLAIN], port=0) as simulator:
        yard = camera(simulator.url("yard"))
        cameras = Cameras(spool, capturing=ROLLING)
        cameras.apply(config(cameras=(yard,)))
        async with running(cameras):
            await sees(simulator, 6)
            assert cameras.states()[0].condition is CameraCondition.IDLE
            assert sealed(spool) == []
            triggered = datetime.now(UTC)
            recording = await cameras.start_manual(yard.id, timedelta(seconds=2))
            answered = datetime.now(UTC)
            await until(lambda: (row := spool.recordings.get(recording.id)) and row.status.is_final)
            await sees(simulator, 1)
            assert cameras.states()[0].condition is CameraCondition.IDLE, "the stream stays open for the next"
        assert {unit.viewer for unit in simulator.camera("yard").sent(viewer=None)} == {1}
    (segment,) = sealed(spool)
    assert segment.sealed is not None
    # The trigger counts from some moment between asking and being answered.
    assert segment.sealed.start <= answered - timedelta(seconds=2.9), "from the keyframe on that covers 3 s before"
    assert segment.sealed.start >= triggered - timedelta(seconds=4.5)
    # Not equal: the stamps of a young connection still move back when a packet comes with less delay.
    assert abs(recording.started_at - segment.sealed.start) <= timedelta(seconds=0.3)
    assert segment.sealed.end >= triggered + timedelta(seconds=1.7)
    frames = (segment.sealed.end - segment.sealed.start) / FRAME
    assert abs(segment.sealed.packets - frames) <= 1
    assert spool.gaps.to_report(datetime.now(UTC)) == []


async def test_without_a_pre_roll_no_stream_is_open_that_nobody_asked_for(spool: Spool) -> None:
    async with CameraSimulator([PLAIN, CameraSpec(name="gate", picture_name="yard")], port=0) as simulator:
        yard, gate = camera(simulator.url("yard")), camera(simulator.url("gate"))
        cameras = Cameras(spool)
        cameras.apply(config(cameras=(yard, gate)))
        async with running(cameras):
            recording = await cameras.start_manual(yard.id, timedelta(minutes=1))
            await sees(simulator, 1)
            assert simulator.camera("gate").sent(viewer=None) == []
            assert await cameras.stop_recording(yard.id)
            await until(lambda: (row := spool.recordings.get(recording.id)) and row.status is RecordingStatus.STOPPED)


async def test_a_window_begins_with_its_own_gop_although_more_is_kept(spool: Spool) -> None:
    async with CameraSimulator([PLAIN], port=0) as simulator:
        yard = camera(simulator.url("yard"))
        cameras = Cameras(spool, capturing=ROLLING)
        cameras.apply(config(cameras=(yard,)))
        async with running(cameras):
            await sees(simulator, 1)
            start, end = whole_second(5), whole_second(7)
            cameras.apply(config(once(yard, start, end)))
            await until(lambda: any(r.status.is_final for r in spool.recordings.to_register(end + timedelta(days=1))))
    (segment,) = sealed(spool)
    assert segment.sealed is not None
    # A keyframe that is the first picture of the window begins it: no picture before it shows any of it.
    assert start - timedelta(seconds=1.1) <= segment.sealed.start <= start + FRAME
    assert spool.gaps.to_report(datetime.now(UTC)) == []


async def test_a_stopped_manual_recording_goes_on_for_the_post_roll_unless_it_is_stopped_again(spool: Spool) -> None:
    async with CameraSimulator([PLAIN], port=0) as simulator:
        yard = camera(simulator.url("yard"))
        cameras = Cameras(spool, capturing=Capturing(post_roll=POST_ROLL))
        cameras.apply(config(cameras=(yard,)))
        async with running(cameras):
            first = await cameras.start_manual(yard.id, timedelta(minutes=1))
            await until(lambda: cameras.states()[0].condition is CameraCondition.RECORDING)
            stopped = datetime.now(UTC)
            ends_at = await cameras.stop_recording(yard.id)
            assert ends_at is not None
            assert stopped + POST_ROLL <= ends_at <= datetime.now(UTC) + POST_ROLL
            await until(lambda: (row := spool.recordings.get(first.id)) and row.status.is_final)
            second = await cameras.start_manual(yard.id, timedelta(minutes=1))
            await cameras.stop_recording(yard.id)
            assert cameras.active() != []
            await cameras.stop_recording(yard.id)
            assert cameras.active() == []
            await until(lambda: (row := spool.recordings.get(second.id)) and row.status.is_final)
    rows = [spool.recordings.get(recording.id) for recording in (first, second)]
    assert [row and row.status for row in rows] == [RecordingStatus.STOPPED] * 2
    assert rows[0] is not None
    assert rows[0].until == ends_at
    (segment,) = (segment for segment in sealed(spool) if segment.recording_id == first.id)
    assert segment.sealed is not None
    assert abs(segment.sealed.end - ends_at) <= 3 * FRAME


async def test_a_camera_that_fails_while_nothing_is_due_is_shown_and_is_no_gap(spool: Spool) -> None:
    async with CameraSimulator([PLAIN], port=0) as simulator:
        yard = camera(simulator.url("yard"))
        cameras = Cameras(spool, capturing=replace(ROLLING, read_seconds=1))
        cameras.apply(config(cameras=(yard,)))
        async with running(cameras):
            await sees(simulator, 1)
            simulator.camera("yard").stall()
            await until(lambda: cameras.states()[0].condition is CameraCondition.STALLED)
            simulator.camera("yard").resume()
            await until(lambda: cameras.states()[0].condition is CameraCondition.IDLE)
    assert spool.gaps.to_report(datetime.now(UTC)) == []


GOPS = st.lists(st.tuples(st.floats(0.2, 12), st.lists(st.integers(1, 3000), min_size=1, max_size=20)), max_size=40)


@given(GOPS, st.integers(2000, 40_000), st.floats(0, 30))
def test_what_is_kept_begins_with_a_keyframe_covers_what_was_asked_for_and_stays_within_its_bytes(
    gops: list[tuple[float, list[int]]], limit_bytes: int, seconds: float
) -> None:
    ahead, roll, starts, second, lost_bytes = Ahead(seconds, limit_bytes), PreRoll(), [], 0.0, False
    for length, sizes in gops:
        starts.append(second)
        roll.forget_before(second - ahead.kept_seconds, second)
        for number, size in enumerate(sizes):
            if number == 0 or roll:
                before = roll.size_bytes
                roll.keep(Packet(size), second + number * length / len(sizes), ahead, begins_gop=number == 0)
                lost_bytes |= roll.size_bytes < before + size + PACKET_BYTES
            assert roll.size_bytes <= limit_bytes
        second += length
    if not roll:
        return
    asked = max(0.0, starts[-1] - seconds)
    begin = roll.begin_of(asked)
    assert begin in starts
    if not lost_bytes:
        assert begin == max(start for start in starts if start <= asked)
    kept = roll.take_from(asked)
    assert kept[0][1] == begin
    assert [place for _, place in kept] == sorted(place for _, place in kept)
    assert not roll
    assert roll.size_bytes == 0


def test_cameras_share_the_memory_and_one_that_is_due_has_room_for_its_keyframe() -> None:
    ten = timedelta(seconds=10)
    assert share_of(ten, 1000, is_due=False) == Ahead(10, 1000)
    assert share_of(ten, 1000, is_due=True).limit_bytes == GOP_BYTES
    assert share_of(timedelta(), 1000, is_due=False).kept_seconds == 0
