"""What recording promises, kept with cameras of two makes: our simulator, and GStreamer's RTSP server.

Each camera is a process of its own that plays a file whose every packet is known, and asks for a digest.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from camfleet_contract.gaps import GapCause
from camfleet_contract.heartbeats import CameraCondition
from camfleet_contract.recordings import RecordingStatus
from recorder.cameras import Cameras
from recorder.capturing import Capturing
from recorder.errors import PasswordRefused
from recorder.sources import RtspClient
from recorder.spool import Segment, Spool
from recorder.stream import CameraStream, Transport
from tests.recorder.camera_process import CameraProcess, Make, camera_process, video_units
from tests.recorder.footage import make_clip
from tests.recorder.rig import always, camera, config, once, running, sealed, whole_second
from tests.recorder.waiting import until

LOOP_SECONDS = 4
GOP_FRAMES = 25
FRAME = timedelta(seconds=0.04)
QUICK = Capturing(open_seconds=5, read_seconds=3)
"""Long enough for a loaded machine to be late, or that would be another gap."""


@pytest.fixture(scope="module")
def h264(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clips") / "h264.mov", seconds=LOOP_SECONDS)


@pytest.fixture(scope="module")
def h265(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clips") / "h265.mov", seconds=LOOP_SECONDS, codec="libx265", audio=None)


@pytest.fixture(params=list(Make), ids=str)
def make(request: pytest.FixtureRequest) -> Make:
    return Make(request.param)


@pytest.fixture
async def yard(make: Make, h264: Path) -> AsyncIterator[CameraProcess]:
    async with camera_process(make, h264) as camera:
        yield camera


def condition(cameras: Cameras) -> CameraCondition:
    return cameras.states()[0].condition


def places(spool: Spool, segments: list[Segment], file: Path) -> list[int]:
    """For each recorded video packet its number in the camera's loop; it fails for one that the camera doesn't have."""
    source = video_units(file)
    assert len(set(source)) == len(source), "every packet tells where it belongs"
    number = {unit: place for place, unit in enumerate(source)}
    return [number[unit] for segment in segments for unit in video_units(spool.segments.file(segment))]


def breaks(found: list[int]) -> int:
    """How often a packet isn't followed by the camera's next one."""
    return sum((before + 1) % (LOOP_SECONDS * GOP_FRAMES) != after for before, after in pairwise(found))


@pytest.mark.parametrize(
    ("transport", "client"),
    [
        pytest.param(Transport.TCP, RtspClient.AUTO, id="tcp-auto"),
        pytest.param(Transport.TCP, RtspClient.LIBAV, id="tcp-libav"),
        pytest.param(Transport.UDP, RtspClient.AUTO, id="udp-auto"),
    ],
)
@pytest.mark.parametrize("codec", ["h264", "h265"])
async def test_every_packet_is_the_cameras_and_none_is_missing_at_a_cut(
    spool: Spool, make: Make, codec: str, transport: Transport, client: RtspClient, request: pytest.FixtureRequest
) -> None:
    file: Path = request.getfixturevalue(codec)
    async with camera_process(make, file) as served:
        cameras = Cameras(spool, capturing=Capturing(transport=transport, client=client))
        cameras.apply(config(always(camera(served.url))))
        async with running(cameras):
            await until(lambda: len(sealed(spool)) >= 3)
            # Only our own client counts what comes damaged, and it reads both makes wherever it may.
            is_ours = (transport, client) == (Transport.TCP, RtspClient.AUTO)
            assert list(cameras.damaged().values()) == ([0] if is_ours else [])
    segments = sealed(spool)
    found = await asyncio.to_thread(places, spool, segments, file)
    assert breaks(found) == 0
    firsts = [places(spool, [segment], file)[0] for segment in segments]
    assert all(first % GOP_FRAMES == 0 for first in firsts), "each segment begins with a keyframe"
    facts = [segment.sealed for segment in segments if segment.sealed]
    assert all(before.end == after.start for before, after in pairwise(facts))
    assert sum(fact.packets for fact in facts) == len(found)
    assert {fact.codec for fact in facts} == {"hevc" if codec == "h265" else "h264"}


async def test_a_schedule_is_kept(spool: Spool, yard: CameraProcess, h264: Path) -> None:
    start, end = whole_second(8), whole_second(10)
    cameras = Cameras(spool)
    cameras.apply(config(once(camera(yard.url), start, end)))
    async with running(cameras):
        await until(lambda: any(r.status.is_final for r in spool.recordings.to_register(end + timedelta(days=1))))
    (segment,) = sealed(spool)
    assert segment.sealed is not None
    # A keyframe that is the first picture of the window begins it: no picture before it shows any of it.
    assert start - timedelta(seconds=1.1) <= segment.sealed.start <= start + FRAME
    assert end - timedelta(seconds=0.1) <= segment.sealed.end <= end + timedelta(seconds=0.05)
    assert breaks(places(spool, [segment], h264)) == 0
    (recording,) = spool.recordings.to_register(end + timedelta(days=1))
    assert recording.status is RecordingStatus.COMPLETED
    assert spool.gaps.to_report(datetime.now(UTC)) == []


async def test_a_killed_camera_that_is_started_again_is_recorded_again(
    spool: Spool, yard: CameraProcess, h264: Path
) -> None:
    cameras = Cameras(spool, capturing=QUICK)
    cameras.apply(config(always(camera(yard.url))))
    async with running(cameras):
        await until(lambda: len(sealed(spool)) >= 1)
        await yard.kill()
        await until(lambda: condition(cameras) is CameraCondition.UNREACHABLE)
        await yard.start()
        back = datetime.now(UTC)
        await until(lambda: any(segment.opened_at > back for segment in sealed(spool)))
    before = [segment for segment in sealed(spool) if segment.opened_at < back]
    after = [segment for segment in sealed(spool) if segment.opened_at > back]
    assert breaks(places(spool, before, h264)) == 0
    assert breaks(places(spool, after, h264)) == 0
    assert len({segment.recording_id for segment in sealed(spool)}) == 1
    assert told(spool) == {GapCause.CAMERA_UNREACHABLE}


async def test_a_camera_that_freezes_is_a_stall_and_is_recorded_again_when_it_goes_on(
    spool: Spool, yard: CameraProcess, h264: Path
) -> None:
    cameras = Cameras(spool, capturing=QUICK)
    cameras.apply(config(always(camera(yard.url))))
    async with running(cameras):
        await until(lambda: len(sealed(spool)) >= 1)
        yard.freeze()
        await until(lambda: condition(cameras) is CameraCondition.STALLED)
        # Whoever connects now is accepted by the kernel, and never answered.
        await until(lambda: condition(cameras) is CameraCondition.UNREACHABLE)
        yard.thaw()
        back = datetime.now(UTC)
        await until(lambda: any(segment.opened_at > back for segment in sealed(spool)))
    for is_after in (False, True):
        segments = [segment for segment in sealed(spool) if (segment.opened_at > back) is is_after]
        assert breaks(places(spool, segments, h264)) == 0
    assert told(spool) == {GapCause.STREAM_STALLED}


async def test_a_wrong_password_is_told_and_the_right_one_tried_at_once(spool: Spool, yard: CameraProcess) -> None:
    with pytest.raises(PasswordRefused):
        await asyncio.to_thread(CameraStream.open, yard.url_for("wr0ng"))
    wrong = camera(yard.url_for("wr0ng"))
    cameras = Cameras(spool, capturing=QUICK)
    cameras.apply(config(always(wrong)))
    async with running(cameras):
        await until(lambda: condition(cameras) is CameraCondition.REFUSED)
        assert "wr0ng" not in cameras.states()[0].reason
        cameras.apply(config(always(camera(yard.url, camera_id=wrong.id))))
        # Far sooner than the five minutes that a refused password waits.
        await until(lambda: condition(cameras) is CameraCondition.RECORDING)


def told(spool: Spool) -> set[GapCause]:
    """The causes of all gaps, without that of the first connection."""
    gaps = spool.gaps.to_report(datetime.now(UTC))
    return {gap.cause for gap in gaps if "not sent its first picture" not in gap.detail}
