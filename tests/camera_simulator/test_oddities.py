"""What odd cameras send, beside what other programs make of it."""

import asyncio
import json
from dataclasses import replace
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import av
import pytest
from PIL import Image

from camera_simulator import CameraSimulator, CameraSpec, Kind, VideoCodec
from tests.camera_simulator.viewing import watch

QUICK = CameraSpec(name="yard", fps=50, gop_frames=10, loop_seconds=1)
PICTURES = 60


async def probed(url: str, *arguments: str) -> dict[str, object]:
    """What Debian's ffprobe, an FFmpeg of another age, says of a stream."""
    command = ["ffprobe", "-v", "error", "-rtsp_transport", "tcp", "-of", "json", *arguments, url]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await asyncio.wait_for(process.communicate(), 90)
    assert process.returncode == 0
    return dict(json.loads(output))


def test_jpeg_pictures_come_whole_and_ffprobe_knows_them(media_cache: Path) -> None:
    def first_pictures(url: str) -> list[Image.Image]:
        with av.open(url, options={"rtsp_transport": "tcp"}, timeout=10) as container:
            frames = container.decode(video=0)
            return [next(frames).to_image() for _ in range(5)]

    async def run() -> None:
        spec = replace(QUICK, codec=VideoCodec.MJPEG)
        async with CameraSimulator([spec], cache=media_cache) as simulator:
            camera, url = simulator.camera("yard"), simulator.url("yard")
            found = await probed(url, "-show_entries", "stream=codec_name,width,height")
            assert found["streams"] == [{"codec_name": "mjpeg", "width": 640, "height": 360}]
            got = await asyncio.to_thread(first_pictures, url)
            digests = [unit.sha256 for unit in camera.sent(Kind.VIDEO, viewer=2)]
            sources = {unit.sha256: unit.data for unit in camera.media.video.units}
        assert any(len(unit.payloads) > 1 for unit in camera.media.video.units), "nothing was sent in fragments"
        for picture, digest in zip(got, digests, strict=False):
            # Decoded alike to the last pixel: RTP carries the scan as it is and the headers abridged.
            with av.open(BytesIO(sources[digest]), "r", format="mjpeg") as source:
                assert next(source.decode(video=0)).to_image().tobytes() == picture.tobytes()

    asyncio.run(run())


async def test_frames_may_come_at_changing_distances(media_cache: Path) -> None:
    spec = replace(QUICK, uneven_frames=True, b_frames=2)
    async with CameraSimulator([spec], cache=media_cache) as simulator:
        watched = await watch(simulator.url("yard"), PICTURES)
        units = simulator.camera("yard").media.video.units
    shown = sorted(packet.pts for packet in watched.of(Kind.VIDEO) if packet.pts is not None)[:-3]
    assert {later - earlier for earlier, later in pairwise(shown)} == {450, 900, 1350, 1800, 4500}
    assert sum(later - earlier for earlier, later in pairwise(shown)) == pytest.approx(
        1800 * (len(shown) - 1), rel=0.05
    )
    assert all(unit.pts >= unit.dts for unit in units)
    assert all(earlier.dts < later.dts for earlier, later in pairwise(units))


async def test_metadata_is_a_third_track_that_players_leave_alone(media_cache: Path) -> None:
    spec = replace(QUICK, metadata=True)
    async with CameraSimulator([spec], cache=media_cache) as simulator:
        found = await probed(simulator.url("yard"), "-analyzeduration", "1000000", "-show_entries", "stream=codec_type")
        await simulator.camera("yard").wait_for_viewers(0)
        sent = simulator.camera("yard").sent(Kind.METADATA)
    kinds = [stream["codec_type"] for stream in found["streams"]]  # type: ignore[attr-defined]
    assert kinds == ["video", "data"]
    assert sent


async def test_unsteady_timestamps_repeat_or_go_back_and_the_pictures_stay(media_cache: Path) -> None:
    spec = replace(QUICK, unsteady_ticks=2000)
    async with CameraSimulator([spec], cache=media_cache) as simulator:
        watched = await watch(simulator.url("yard"), PICTURES)
        sent = simulator.camera("yard").sent()
    assert watched.digests == [unit.sha256 for unit in sent[: len(watched.digests)]]
    assert any(later.rtp_time <= earlier.rtp_time for earlier, later in pairwise(sent))


async def test_frozen_timestamps_are_all_the_same(media_cache: Path) -> None:
    spec = replace(QUICK, frozen_timestamps=True)
    async with CameraSimulator([spec], cache=media_cache) as simulator:
        watched = await watch(simulator.url("yard"), PICTURES)
        sent = simulator.camera("yard").sent()
    assert watched.digests == [unit.sha256 for unit in sent[: len(watched.digests)]]
    assert len({unit.rtp_time for unit in sent}) == 1


async def test_a_stream_can_be_announced_as_what_it_is_not(media_cache: Path) -> None:
    spec = replace(QUICK, announced_as="H263-1998")
    async with CameraSimulator([spec], cache=media_cache) as simulator:
        camera = simulator.camera("yard")

        def codec() -> str:
            options = {"rtsp_transport": "tcp", "analyzeduration": "100000"}
            with av.open(simulator.url("yard"), options=options, timeout=10) as container:
                return container.streams.video[0].codec_context.name

        assert await asyncio.to_thread(codec) == "h263"
        await camera.wait_for_request("DESCRIBE", 200)


async def test_the_keyframe_distance_changes_while_running(media_cache: Path) -> None:
    async with CameraSimulator([QUICK], cache=media_cache) as simulator:
        camera = simulator.camera("yard")
        watching = asyncio.create_task(watch(simulator.url("yard"), 150))
        await camera.wait_for_sent(20)
        await camera.change_media(gop_frames=50)
        await watching
        keyframes = [unit.number for unit in camera.sent() if unit.is_keyframe]
    assert {later - earlier for earlier, later in pairwise(keyframes)} == {10, 50}


@pytest.mark.parametrize(
    "fields", [{"width": 648, "height": 362}, {"width": 2048, "height": 64}, {"clock": "live"}], ids=str
)
def test_jpeg_that_rtp_cannot_carry_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"JPEG"):
        CameraSpec(name="yard", codec=VideoCodec.MJPEG, **fields)  # type: ignore[arg-type]


async def test_cameras_that_are_made_together_may_have_clocks_of_their_own(media_cache: Path) -> None:
    specs = [CameraSpec(name="early", phase_seconds=100.5), CameraSpec(name="late")]
    async with CameraSimulator(specs, cache=media_cache) as simulator:
        early, late = (simulator.camera(spec.name).broadcast for spec in specs)
        assert early.elapsed - late.elapsed > 100
