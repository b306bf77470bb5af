"""Short looks at cameras: what they find, what they leave alone, and the pictures that they bring."""

import io
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from statistics import mean, stdev
from typing import Any
from uuid import UUID

import av
import pytest
from av.video.frame import VideoFrame
from uuid_utils.compat import uuid7

from camera_simulator import AudioCodec, CameraSimulator, CameraSpec, VideoCodec
from camfleet_contract.cameras import RtspTransport
from camfleet_contract.commands import LARGEST_JPEG_BYTES
from camfleet_contract.heartbeats import CameraCondition
from recorder.cameras import Cameras
from recorder.capturing import Capturing
from recorder.clock import SystemClock
from recorder.errors import CameraError, CameraUnreachable, PasswordRefused, UndecodablePicture, UnknownCamera
from recorder.looks import Looks
from recorder.newest_picture import newest_picture
from recorder.pictures import jpeg_of
from recorder.sights import Keyframe, Sight, frames_per_second
from recorder.sources import RtspClient
from recorder.spool import Spool
from recorder.stream import Transport
from tests.recorder.commanded import QUICK
from tests.recorder.rig import always, camera, config, running, sealed
from tests.recorder.waiting import until

PASSWORD = "s3cret/pass"
GUARDED = CameraSpec(name="yard", user="viewer", password=PASSWORD)


def descriptions(simulator: CameraSimulator) -> int:
    return sum(each.method == "DESCRIBE" for each in simulator.camera("yard").requests)


@pytest.mark.parametrize(
    ("spec", "capturing", "codec", "audio"),
    [
        (CameraSpec(name="yard", audio=AudioCodec.AAC), QUICK, "h264", "aac"),
        (CameraSpec(name="yard", codec=VideoCodec.H265, fps=10, gop_frames=10), QUICK, "hevc", None),
        (CameraSpec(name="yard", codec=VideoCodec.MJPEG, fps=5, gop_frames=5), QUICK, "mjpeg", None),
        (
            CameraSpec(name="yard", b_frames=2, audio=AudioCodec.PCM_ALAW),
            Capturing(open_seconds=3, read_seconds=2, client=RtspClient.LIBAV),
            "h264",
            "pcm_alaw",
        ),
        (CameraSpec(name="yard"), Capturing(open_seconds=3, read_seconds=2, transport=Transport.UDP), "h264", None),
    ],
    ids=["H.264 and AAC", "H.265", "MJPEG", "libav, B-frames and G.711", "UDP"],
)
async def test_a_camera_that_nobody_records_is_connected_to_for_a_moment(
    spool: Spool, spec: CameraSpec, capturing: Capturing, codec: str, audio: str | None
) -> None:
    async with CameraSimulator([spec], port=0) as simulator:
        yard = camera(simulator.url("yard"))
        cameras = Cameras(spool, capturing=capturing)
        cameras.apply(config(cameras=(yard,)))
        before = datetime.now(UTC)
        seen = await Looks(cameras, capturing, SystemClock(), spool).at(yard.id, counts_frames=True)
        await simulator.camera("yard").wait_for_viewers(0)
    sight = seen.sight
    assert (sight.codec, sight.width, sight.height, sight.audio) == (codec, 640, 360, audio)
    assert sight.frames_per_second == pytest.approx(spec.fps, rel=0.1)
    assert seen.seconds_to_keyframe is not None
    assert 0 < seen.seconds_to_keyframe < 45
    assert not seen.is_recording
    assert seen.stream.transport is (RtspTransport.UDP if capturing.transport is Transport.UDP else RtspTransport.TCP)
    assert before <= sight.arrived_at <= datetime.now(UTC)
    picture = jpeg_of(sight)
    frame = decoded(picture.content)
    assert (frame.width, frame.height) == (picture.width, picture.height) == (640, 360)
    assert stdev(brightness(frame)[::97]) > 10, "it shows something"


@pytest.mark.parametrize("client", list(RtspClient))
async def test_a_camera_that_is_recorded_is_seen_through_its_one_connection_and_loses_no_packet(
    spool: Spool, client: RtspClient
) -> None:
    capturing = Capturing(open_seconds=3, read_seconds=2, client=client)
    async with CameraSimulator([GUARDED], port=0) as simulator:
        yard = camera(simulator.url("yard"))
        cameras = Cameras(spool, capturing=capturing)
        cameras.apply(config(always(yard)))
        async with running(cameras):
            await until(lambda: cameras.states()[0].condition is CameraCondition.RECORDING)
            asked = descriptions(simulator)
            looks = Looks(cameras, capturing, SystemClock(), spool)
            seen = await looks.at(yard.id, counts_frames=True)
            picture = jpeg_of((await looks.at(yard.id, counts_frames=False)).sight)
            assert descriptions(simulator) == asked, "no second connection"
            newest = seen.sight.arrived_at
            await until(lambda: any(s.sealed and s.sealed.start > newest for s in sealed(spool)))
    assert seen.is_recording
    assert seen.seconds_to_keyframe is None
    assert (seen.sight.codec, seen.sight.width, seen.sight.height) == ("h264", 640, 360)
    assert seen.sight.frames_per_second == pytest.approx(25, rel=0.1)
    assert (picture.width, picture.height) == (640, 360)
    pieces = sorted((s.sealed.start, s.sealed.end) for s in sealed(spool) if s.sealed)
    assert all(abs(start - end) < timedelta(seconds=0.1) for (_, end), (start, _) in pairwise(pieces))


@pytest.mark.parametrize("client", list(RtspClient))
async def test_where_no_keyframe_comes_soon_the_newest_on_the_disk_is_shown(spool: Spool, client: RtspClient) -> None:
    patient = Capturing(open_seconds=3, read_seconds=60, client=client)
    async with CameraSimulator([CameraSpec(name="yard", audio=AudioCodec.AAC)], port=0) as simulator:
        yard = camera(simulator.url("yard"))
        cameras = Cameras(spool, capturing=patient)
        cameras.apply(config(always(yard, segment_seconds=60)))
        looks = Looks(cameras, patient, SystemClock(), spool)
        async with running(cameras):
            await until(lambda: newest_picture(spool, yard.id))
            began = datetime.now(UTC) - timedelta(minutes=1)
            simulator.camera("yard").stall()
            sight, asked_at = None, began
            while sight is None or sight.arrived_at > asked_at:  # what was on its way may still come
                asked_at = datetime.now(UTC)
                sight = (await looks.at(yard.id, counts_frames=False)).sight
            assert sight.arrived_at > began
            assert (sight.codec, sight.width, sight.height, sight.audio) == ("h264", 640, 360, "aac")
            shown = decoded(jpeg_of(sight).content)
            assert stdev(brightness(shown)[::97]) > 10, "it shows something"
            assert newest_picture(spool, uuid7()) is None


async def test_a_wrong_password_is_told_without_it_and_not_tried_again_and_again(spool: Spool) -> None:
    async with CameraSimulator([GUARDED], port=0) as simulator:
        wrong = simulator.url("yard").replace("s3cret%2Fpass", "wr0ng-pass")
        yard = camera(wrong)
        cameras = Cameras(spool, capturing=QUICK)
        cameras.apply(config(cameras=(yard,)))
        looks = Looks(cameras, QUICK, SystemClock(), spool)
        with pytest.raises(PasswordRefused, match="The camera refused user or password") as refused:
            await looks.at(yard.id, counts_frames=False)
        asked = descriptions(simulator)
        with pytest.raises(PasswordRefused, match="since cameras lock the account") as spared:
            await looks.at(yard.id, counts_frames=False)
        assert descriptions(simulator) == asked
        assert "wr0ng-pass" not in f"{refused.value} {spared.value}"
        mended = camera(simulator.url("yard"), camera_id=yard.id)
        cameras.apply(config(cameras=(mended,)))
        assert (await looks.at(yard.id, counts_frames=False)).sight.codec == "h264"


async def test_a_camera_that_refuses_its_recording_is_not_asked_once_more(spool: Spool) -> None:
    async with CameraSimulator([GUARDED], port=0) as simulator:
        yard = camera(simulator.url("yard").replace("s3cret%2Fpass", "wr0ng-pass"))
        cameras = Cameras(spool, capturing=QUICK)
        cameras.apply(config(always(yard)))
        async with running(cameras):
            await until(lambda: any("refused user" in state.reason for state in cameras.states()))
            asked = descriptions(simulator)
            with pytest.raises(PasswordRefused, match="since cameras lock the account"):
                await Looks(cameras, QUICK, SystemClock(), spool).at(yard.id, counts_frames=False)
            assert descriptions(simulator) == asked


async def test_a_look_says_what_is_wrong_in_the_recorders_own_words(spool: Spool) -> None:
    async with CameraSimulator([CameraSpec(name="yard", gop_frames=250)], port=0) as simulator:
        yard, gone = camera(simulator.url("yard")), camera("rtsp://viewer:wr0ng-pass@127.0.0.1:9/yard")
        cameras = Cameras(spool, capturing=QUICK)
        cameras.apply(config(cameras=(yard, gone)))
        looks = Looks(cameras, QUICK, SystemClock(), spool)
        with pytest.raises(CameraUnreachable) as told:
            await looks.at(gone.id, counts_frames=False)
        assert "wr0ng-pass" not in str(told.value)
        with pytest.raises(UnknownCamera):
            await looks.at(UUID(int=1), counts_frames=False)
        simulator.camera("yard").stall()
        with pytest.raises(CameraError, match="nothing"):
            await looks.at(yard.id, counts_frames=False)


async def test_a_camera_that_is_about_to_be_recorded_is_not_connected_to_twice(spool: Spool) -> None:
    async with CameraSimulator([GUARDED], port=0) as simulator:
        yard = camera(simulator.url("yard"))
        cameras = Cameras(spool, capturing=QUICK)
        cameras.apply(config(always(yard)))
        looks = Looks(cameras, QUICK, SystemClock(), spool)
        async with running(cameras):
            await until(lambda: cameras.source(yard.id)[1])
            seen = await looks.at(yard.id, counts_frames=False)
            assert seen.seconds_to_keyframe is None
            assert simulator.camera("yard").next_session_number() == 2, "there was one session before this question"


async def test_a_recorded_camera_that_stands_still_in_the_middle_of_a_look_ends_it(spool: Spool) -> None:
    async with CameraSimulator([CameraSpec(name="yard")], port=0) as simulator:
        yard = camera(simulator.url("yard"))
        cameras = Cameras(spool, capturing=QUICK)
        cameras.apply(config(always(yard)))
        looks = Looks(cameras, QUICK, SystemClock(), spool)
        async with running(cameras):
            await until(lambda: cameras.states()[0].condition is CameraCondition.RECORDING)
            simulator.camera("yard").stall()
            with pytest.raises(CameraError, match="The camera has sent nothing for"):
                await looked_until_it_fails(looks, yard.id)


def test_a_big_picture_is_made_to_fit() -> None:
    picture = jpeg_of(keyframe_of(painted(3840, 2160, random.Random(7).randbytes)))
    assert (picture.width, picture.height) == (1920, 1080)
    assert len(picture.content) <= LARGEST_JPEG_BYTES
    assert decoded(picture.content).width == 1920


@pytest.mark.parametrize(("sent", "shown"), [(16, 0), (126, 128), (235, 255)])
def test_black_is_black_and_white_is_white(sent: int, shown: int) -> None:
    grey = painted(64, 64, lambda size: bytes([sent]) * size)
    assert mean(brightness(decoded(jpeg_of(keyframe_of(grey)).content))) == pytest.approx(shown, abs=4)


@pytest.mark.parametrize("data", [b"", b"\0\0\0\1\x65nonsense", b"x" * (17 << 20)], ids=["nothing", "broken", "huge"])
def test_what_is_no_picture_is_told_so(data: bytes) -> None:
    sight = Sight("h264", 0, 0, None, Keyframe(b"", data, has_lengths=False), datetime.now(UTC), 0.0)
    with pytest.raises(UndecodablePicture, match="The camera's picture"):
        jpeg_of(sight)


def test_pictures_are_counted_by_their_own_times() -> None:
    assert frames_per_second([n / 25 for n in range(26)]) == 25
    assert frames_per_second([0.0, 0.12, 0.04, 0.08, 0.24, 0.16, 0.20, 0.36, 0.28, 0.32, 0.48, 0.40]) is None
    reordered = [(n + (2, -1, -1)[n % 3]) / 25 for n in range(51)]
    assert frames_per_second(reordered) == pytest.approx(25)
    assert frames_per_second([]) is None
    assert frames_per_second([1.0]) is None
    assert frames_per_second([0.0, 2.0]) == 0.5


def decoded(jpeg: bytes) -> VideoFrame:
    with av.open(io.BytesIO(jpeg), "r", format="mjpeg") as opened:
        return next(opened.decode(video=0))


async def looked_until_it_fails(looks: Looks, camera_id: UUID) -> None:
    while True:  # what was on its way may still come
        await looks.at(camera_id, counts_frames=False)


def brightness(jpeg: VideoFrame) -> bytes:
    """Of each pixel, from 0 to 255."""
    return b"".join(bytes(jpeg.planes[0])[y * jpeg.planes[0].line_size :][: jpeg.width] for y in range(jpeg.height))


def painted(width: int, height: int, bright: Callable[[int], bytes]) -> VideoFrame:
    """A picture without colours."""
    frame = VideoFrame(width, height, "yuv420p")
    for number, plane in enumerate(frame.planes):
        plane.update(bright(plane.buffer_size) if number == 0 else bytes([128]) * plane.buffer_size)
    return frame


def keyframe_of(frame: VideoFrame) -> Sight:
    encoder: Any = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, "yuv420p"
    encoder.time_base = Fraction(1, 25)
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "qp": "18"}
    data = b"".join(bytes(packet) for packet in (*encoder.encode(frame), *encoder.encode(None)))
    keyframe = Keyframe(b"", data, has_lengths=False)
    return Sight("h264", frame.width, frame.height, None, keyframe, datetime.now(UTC), 0.0)
