"""Our own RTSP client against the camera simulator: everything that was sent arrives, bit for bit."""

import asyncio
from hashlib import sha256
from pathlib import Path

import pytest

from camera_simulator import AudioCodec, Authentication, CameraSimulator, CameraSpec, Kind, VideoCodec
from recorder.errors import CameraRefused, PasswordRefused, StreamEnded
from recorder.rtsp.decoder_configuration import decoder_configuration
from recorder.rtsp.session import Session
from recorder.rtsp.units import AccessUnit
from tests.recorder.footage import nal_units as footage_units
from tests.recorder.rtsp.playback import nal_units, play

PASSWORD = "p@ss:wörd/%20"


@pytest.fixture
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.getbasetemp() / "media"


def hashed(units: list[bytes], codec: VideoCodec) -> str:
    if codec is VideoCodec.H265:
        units = [unit for unit in units if unit[0] >> 1 & 63 not in {32, 33, 34}]
    return sha256(b"|".join(units)).hexdigest()


@pytest.mark.parametrize(
    ("codec", "audio", "block_bytes"),
    [
        (VideoCodec.H264, AudioCodec.AAC, 1 << 18),
        (VideoCodec.H264, AudioCodec.PCM_MULAW, 700),
        (VideoCodec.H265, AudioCodec.PCM_ALAW, 1 << 18),
        (VideoCodec.H265, AudioCodec.NONE, 700),
    ],
)
async def test_everything_sent_arrives_as_it_was(
    cache: Path, codec: VideoCodec, audio: AudioCodec, block_bytes: int
) -> None:
    spec = CameraSpec(name="yard", codec=codec, audio=audio, fps=50, gop_frames=10, loop_seconds=1)
    async with CameraSimulator([spec], port=0, cache=cache) as simulator:
        url = simulator.url("yard")
        units = await asyncio.to_thread(play, url, lambda got: sum(unit.is_video for unit in got) >= 70, block_bytes)
        camera = simulator.camera("yard")
        await camera.wait_for_viewers(0)
        pictures = {
            unit.sha256: hashed(footage_units(unit.data, annex_b=True), codec) for unit in camera.media.video.units
        }
        sent, heard = camera.sent(Kind.VIDEO), camera.sent(Kind.AUDIO)
    got = [unit for unit in units if unit.is_video]
    sounds = [unit for unit in units if not unit.is_video]
    assert [hashed(nal_units(unit.data), codec) for unit in got] == [pictures[unit.sha256] for unit in sent[: len(got)]]
    assert [unit.is_keyframe for unit in got] == [unit.is_keyframe for unit in sent[: len(got)]]
    assert [unit.ticks for unit in got] == [unit.rtp_time - sent[0].rtp_time for unit in sent[: len(got)]]
    assert [sha256(unit.data).hexdigest() for unit in sounds] == [unit.sha256 for unit in heard[: len(sounds)]]
    assert bool(sounds) is (audio is not AudioCodec.NONE)
    assert not any(unit.is_damaged for unit in units)
    assert all(len(unit.parameter_sets) == (3 if codec is VideoCodec.H265 else 2) for unit in got if unit.is_keyframe)


@pytest.mark.parametrize("authentication", [Authentication.BASIC, Authentication.DIGEST])
async def test_the_right_password_opens_and_a_wrong_one_is_tried_once(
    cache: Path, authentication: Authentication
) -> None:
    spec = CameraSpec(name="yard", user="us er", password=PASSWORD, authentication=authentication, loop_seconds=1)
    async with CameraSimulator([spec], port=0, cache=cache) as simulator:
        camera, url = simulator.camera("yard"), simulator.url("yard")
        assert await asyncio.to_thread(play, url, lambda got: len(got) >= 3)
        camera.requests.clear()
        camera.change_password("another")
        with pytest.raises(PasswordRefused) as caught:
            await asyncio.to_thread(Session.open, url)
        answers = [(answered.method, answered.status) for answered in camera.requests if answered.method != "TEARDOWN"]
    assert answers == [("OPTIONS", 200), ("DESCRIBE", 401), ("DESCRIBE", 401)]
    assert "p@ss" not in str(caught.value)


async def test_another_resolution_in_mid_stream_comes_with_its_parameter_sets(cache: Path) -> None:
    spec = CameraSpec(name="yard", fps=50, gop_frames=10, loop_seconds=1)
    async with CameraSimulator([spec], port=0, cache=cache) as simulator:
        camera = simulator.camera("yard")

        def sizes(units: list[AccessUnit]) -> list[tuple[int, int]]:
            made = [decoder_configuration("h264", unit.parameter_sets) for unit in units if unit.parameter_sets]
            return [(each.width, each.height) for each in made if each is not None]

        watching = asyncio.create_task(
            asyncio.to_thread(play, simulator.url("yard"), lambda units: (320, 180) in sizes(units))
        )
        await camera.wait_for_sent(20)
        await camera.change_media(width=320, height=180)
        units = await watching
    assert set(sizes(units)) == {(640, 360), (320, 180)}
    assert not any(unit.is_damaged for unit in units)


async def test_a_stream_that_the_camera_ends_is_over(cache: Path) -> None:
    spec = CameraSpec(name="yard", audio=AudioCodec.AAC, loop_seconds=1)
    async with CameraSimulator([spec], port=0, cache=cache) as simulator:
        watching = asyncio.create_task(asyncio.to_thread(play, simulator.url("yard"), lambda _: False))
        await simulator.camera("yard").wait_for_sent(10)
        simulator.camera("yard").end_stream()
        with pytest.raises(StreamEnded):
            await watching


async def test_a_session_outlives_its_timeout(cache: Path) -> None:
    spec = CameraSpec(name="yard", session_timeout_seconds=3, loop_seconds=1, user="viewer", password="word")
    async with CameraSimulator([spec], port=0, cache=cache) as simulator:
        camera = simulator.camera("yard")
        seconds = 5 * 90_000
        await asyncio.to_thread(play, simulator.url("yard"), lambda got: bool(got) and got[-1].ticks > seconds)
        assert [each.status for each in camera.requests if each.method == "GET_PARAMETER"][:3] == [200] * 3


async def test_a_camera_that_serves_nobody_else_is_told_apart(cache: Path) -> None:
    async with CameraSimulator([CameraSpec(name="yard", loop_seconds=1)], port=0, cache=cache) as simulator:
        simulator.camera("yard").refuse(453)
        with pytest.raises(CameraRefused, match="too many clients"):
            await asyncio.to_thread(Session.open, simulator.url("yard"))
