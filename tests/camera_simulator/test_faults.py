"""Each way to misbehave, seen from the outside."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import av
import pytest

from camera_simulator import AudioCodec, Camera, CameraSimulator, CameraSpec, Fault, Kind, VideoCodec
from tests.camera_simulator.rtsp_client import connected
from tests.camera_simulator.viewing import Watched, watch

SPEC = CameraSpec(name="yard", audio=AudioCodec.PCM_ALAW, fps=50, gop_frames=10, loop_seconds=1, own_port=True)
LONG = 100_000


@pytest.fixture
async def simulator(media_cache: Path) -> AsyncIterator[CameraSimulator]:
    async with CameraSimulator([SPEC], cache=media_cache) as running:
        yield running


@pytest.fixture
def camera(simulator: CameraSimulator) -> Camera:
    return simulator.camera("yard")


@pytest.fixture
def url(simulator: CameraSimulator) -> str:
    return simulator.url("yard")


async def test_a_dropped_viewer_loses_the_stream_and_may_come_back(camera: Camera, url: str) -> None:
    watching = asyncio.create_task(watch(url, LONG))
    await camera.wait_for_sent(20)
    camera.drop()
    assert 0 < len((await watching).digests) < LONG
    await camera.wait_for_viewers(0)
    assert len((await watch(url, 5)).digests) == 5


async def test_a_stalled_camera_keeps_connections_and_sends_nothing(camera: Camera, url: str) -> None:
    watching = asyncio.create_task(watch(url, LONG, limit_seconds=2))
    await camera.wait_for_sent(20)
    camera.stall()
    sent = len(camera.sent())
    async with connected(url) as client:
        assert (await client.ask("DESCRIBE")).status == 200
    with pytest.raises(av.ExitError):
        await watching
    assert len(camera.sent()) == sent


async def test_after_a_stall_the_stream_goes_on_at_a_keyframe(camera: Camera, url: str) -> None:
    watching = asyncio.create_task(watch(url, lambda watched: _has_gap(watched) and len(watched.digests) > 80))
    await camera.wait_for_sent(20)
    camera.stall()
    before = len(camera.sent())
    # The stream's own clock tells when enough is missing.
    stalled_until = camera.broadcast.elapsed + 0.5
    while camera.broadcast.elapsed < stalled_until:
        async with connected(url) as client:
            await client.ask("OPTIONS")
    camera.resume()
    watched = await watching
    after = camera.sent()[before]
    assert after.is_keyframe
    assert after.number > camera.sent()[before - 1].number + 1
    assert watched.digests == [unit.sha256 for unit in camera.sent()][: len(watched.digests)]


def _has_gap(watched: Watched) -> bool:
    times = [packet.pts for packet in watched.of(Kind.VIDEO) if packet.pts is not None]
    return any(later - earlier > 10_000 for earlier, later in pairwise(times))


async def test_a_silent_camera_accepts_and_never_answers(camera: Camera, url: str) -> None:
    camera.silence()
    with pytest.raises(av.FFmpegError):
        await watch(url, limit_seconds=1)
    await camera.wait_for_request("OPTIONS", 0)
    camera.resume()
    assert len((await watch(url, 2)).digests) == 2


@pytest.mark.parametrize(
    ("status", "error"), [(401, av.HTTPUnauthorizedError), (404, av.HTTPNotFoundError), (453, av.HTTPOtherClientError)]
)
async def test_a_refusing_camera_answers_with_its_status(
    camera: Camera, url: str, status: int, error: type[Exception]
) -> None:
    camera.refuse(status)
    assert camera.fault is Fault.REFUSING
    with pytest.raises(error):
        await watch(url)
    assert {request.status for request in camera.requests} == {status}
    camera.resume()
    assert len((await watch(url, 2)).digests) == 2


async def test_a_server_error_is_one_for_the_client(camera: Camera, url: str) -> None:
    camera.refuse(503)
    with pytest.raises(av.HTTPServerError):
        await watch(url)


async def test_only_errors_can_be_refusals(camera: Camera) -> None:
    with pytest.raises(ValueError, match="401"):
        camera.refuse(200)


async def test_a_closed_port_refuses_tcp_and_opens_again_as_the_same(camera: Camera, url: str) -> None:
    await camera.refuse_connections()
    with pytest.raises(av.FFmpegError) as refused:
        await watch(url)
    assert "refused" in str(refused.value).lower()
    await camera.accept_connections()
    assert len((await watch(url, 2)).digests) == 2


async def test_a_clean_end_says_goodbye_and_ends_in_order(camera: Camera, url: str) -> None:
    async with connected(url) as client:
        await client.play()
        await camera.wait_for_sent(2)
        camera.end_stream()
        goodbyes: list[bytes] = []
        while not goodbyes:
            channel, data = await client.packet()
            goodbyes += [data] if channel == 1 and data[-8:-4] == b"\x81\xcb\x00\x01" else []
        assert await client.ended()
    await camera.wait_for_viewers(0)


async def test_libav_sees_a_clean_end_as_the_end_of_the_file(camera: Camera, url: str) -> None:
    watching = asyncio.create_task(watch(url, LONG))
    await camera.wait_for_sent(20)
    camera.end_stream()
    watched = await watching
    assert watched.digests == [unit.sha256 for unit in camera.sent()]


@pytest.mark.parametrize("seconds", [3600.0, -3600.0])
async def test_timestamps_jump_while_the_pictures_go_on(camera: Camera, url: str, seconds: float) -> None:
    async def jump() -> None:
        await camera.wait_for_sent(20)
        camera.jump(seconds)

    _, watched = await asyncio.gather(jump(), watch(url, 60))
    units = camera.sent()
    assert watched.digests == [unit.sha256 for unit in units][: len(watched.digests)]
    steps = {(later.rtp_time - earlier.rtp_time) % 2**32 for earlier, later in pairwise(units)}
    assert steps == {1800, (1800 + round(seconds * 90_000)) % 2**32}


async def test_the_rtp_clock_may_wrap_in_mid_stream(media_cache: Path) -> None:
    spec = CameraSpec(name="wrap", fps=50, loop_seconds=1, first_rtp_timestamp=2**32 - 4 * 90_000)
    async with CameraSimulator([spec], cache=media_cache) as simulator:
        watched = await watch(simulator.url("wrap"), 250)
        times = [unit.rtp_time for unit in simulator.camera("wrap").sent()]
    assert times[0] > times[-1]
    shown = [packet.pts for packet in watched.of(Kind.VIDEO) if packet.pts is not None]
    assert {later - earlier for earlier, later in pairwise(shown)} == {1800}


async def test_muted_audio_is_announced_and_never_comes(camera: Camera, url: str) -> None:
    camera.mute_audio()
    watched = await watch(url, 60)
    assert watched.codecs == {"video": "h264", "audio": "pcm_alaw"}
    assert watched.of(Kind.AUDIO) == []


async def test_other_video_comes_in_the_same_session_from_a_keyframe_on(camera: Camera, url: str) -> None:
    async def change() -> None:
        await camera.wait_for_sent(20)
        await camera.change_media(width=320, height=180)

    def has_both(_: Watched) -> bool:
        return sum(unit.media == 1 for unit in camera.sent()) > 40

    _, watched = await asyncio.gather(change(), watch(url, has_both))
    units = camera.sent()
    assert watched.digests == [unit.sha256 for unit in units][: len(watched.digests)]
    assert {unit.viewer for unit in units} == {1}
    first = next(unit for unit in units if unit.media == 1)
    assert first.is_keyframe
    new = {unit.sha256 for unit in camera.sources[1].video.units}
    assert {unit.sha256 for unit in units if unit.media == 1} <= new
    assert camera.sources[0].video.parameter_sets != camera.sources[1].video.parameter_sets
    assert [later.number - earlier.number for earlier, later in pairwise(units)] == [1] * (len(units) - 1)
    assert {(later.rtp_time - earlier.rtp_time) % 2**32 for earlier, later in pairwise(units)} == {1800}


async def test_another_codec_ends_the_sessions_and_is_described_to_the_next(camera: Camera, url: str) -> None:
    watching = asyncio.create_task(watch(url, LONG))
    await camera.wait_for_sent(20)
    await camera.change_media(codec=VideoCodec.H265)
    assert (await watching).codecs["video"] == "h264"
    assert (await watch(url, 30)).codecs["video"] == "hevc"


async def test_a_viewer_may_be_let_in_in_the_middle_of_a_gop(media_cache: Path) -> None:
    spec = CameraSpec(name="middle", gop_frames=500, loop_seconds=1, starts_at_keyframe=False)
    async with CameraSimulator([spec], cache=media_cache) as simulator:
        camera = simulator.camera("middle")
        async with connected(simulator.url("middle")) as client:
            await client.play()
            await camera.wait_for_sent(1)
        await camera.wait_for_viewers(0)
        async with connected(simulator.url("middle")) as client:
            await client.play()
            await camera.wait_for_sent(1)
    assert not camera.sent(viewer=2)[0].is_keyframe
