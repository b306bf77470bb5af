"""Generated media, given files, and pictures that tell the second."""

import dataclasses
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest
from PIL import ImageChops

from camera_simulator import AudioCodec, CameraSimulator, CameraSpec, Clock, Kind, Media, VideoCodec, nal_units
from camera_simulator.generation import media_for
from camera_simulator.live import next_number
from camera_simulator.media import UnplayableError, load
from camera_simulator.pictures import Painter
from camera_simulator.scenes import Scene
from tests.camera_simulator.viewing import watch

SPEC = CameraSpec(name="yard", loop_seconds=1, fps=50, gop_frames=10, audio=AudioCodec.AAC)


def test_the_same_spec_gives_the_same_bytes(tmp_path: Path) -> None:
    first, again = (media_for(SPEC, tmp_path / folder) for folder in ("a", "b"))
    assert first == again
    assert media_for(dataclasses.replace(SPEC, seed=1), tmp_path / "a").video.units != first.video.units


def test_generated_media_is_read_from_the_cache_the_second_time(tmp_path: Path) -> None:
    first = media_for(SPEC, tmp_path)
    (file,) = tmp_path.iterdir()
    written = file.stat().st_mtime_ns
    assert media_for(SPEC, tmp_path) == first
    assert file.stat().st_mtime_ns == written


@pytest.mark.parametrize("codec", [VideoCodec.H264, VideoCodec.H265])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_gops_have_the_length_asked_for_and_the_loop_is_whole(codec: VideoCodec, b_frames: int, tmp_path: Path) -> None:
    spec = CameraSpec(name="yard", codec=codec, fps=30, gop_frames=12, b_frames=b_frames, loop_seconds=1)
    video = media_for(spec, tmp_path).video
    assert [index for index, unit in enumerate(video.units) if unit.is_keyframe] == [0, 12, 24]
    assert video.loop_ticks == 36 * 3000
    assert [unit.dts for unit in video.units] == [3000 * index for index in range(36)]
    assert sorted(unit.pts for unit in video.units) == [
        3000 * index + min(u.pts for u in video.units) for index in range(36)
    ]
    assert all(unit.pts >= unit.dts for unit in video.units)
    assert (max(unit.pts - unit.dts for unit in video.units) > 0) == (b_frames > 0)


def test_a_loop_longer_than_libav_waits_for_sound_has_sound(tmp_path: Path) -> None:
    spec = CameraSpec(name="yard", audio=AudioCodec.AAC, loop_seconds=15, fps=2, gop_frames=2, width=64, height=64)
    media = media_for(spec, tmp_path)
    assert media.audio is not None
    assert media.audio.loop_ticks / media.audio.clock_hz == pytest.approx(15, abs=0.1)


def test_the_bit_rate_is_about_what_was_asked_for(tmp_path: Path) -> None:
    spec = CameraSpec(name="yard", loop_seconds=4, bitrate_bps=2_000_000)
    bits = 8 * sum(len(unit.data) for unit in media_for(spec, tmp_path).video.units)
    assert bits / 4 == pytest.approx(2_000_000, rel=0.25)


def test_parameter_sets_can_be_left_to_the_description(tmp_path: Path) -> None:
    media = media_for(dataclasses.replace(SPEC, in_band_parameter_sets=False), tmp_path)
    for unit in media.video.units:
        assert not any(nal_units.is_parameter_set(VideoCodec.H264, nal) for nal in nal_units.split(unit.data))
    assert len(media.video.parameter_sets) == 2


async def test_streams_without_parameter_sets_in_band_play(media_cache: Path) -> None:
    spec = dataclasses.replace(SPEC, in_band_parameter_sets=False)
    async with CameraSimulator([spec], cache=media_cache) as simulator:
        watched = await watch(simulator.url("yard"), 30)
        sent = [unit.sha256 for unit in simulator.camera("yard").sent()]
    assert watched.digests == sent[:30]


@pytest.mark.parametrize("codec", [VideoCodec.H264, VideoCodec.H265])
async def test_a_given_file_is_played(codec: VideoCodec, media_cache: Path, tmp_path: Path) -> None:
    """MP4 keeps NAL units with length prefixes: what arrives must have start codes, and the same pictures."""
    spec = dataclasses.replace(SPEC, codec=codec, b_frames=2)
    source = media_for(spec, media_cache)
    path = tmp_path / "given.mp4"
    _write_mp4(source, _file_of(source, media_cache), path)
    media = load(path)
    assert [_pictures(codec, unit.data) for unit in media.video.units] == [
        _pictures(codec, unit.data) for unit in source.video.units
    ]
    assert media.audio is not None
    assert source.audio is not None
    assert [unit.data for unit in media.audio.units] == [unit.data for unit in source.audio.units]

    async with CameraSimulator([CameraSpec(name="file", file=path)], cache=media_cache) as simulator:
        watched = await watch(simulator.url("file"), 40)
        sent = [unit.sha256 for unit in simulator.camera("file").sent()]
    assert watched.digests == sent[:40]


def _file_of(media: Media, cache: Path) -> Path:
    (path,) = [each for each in cache.iterdir() if load(each) == media]
    return path


def _write_mp4(source: Media, nut: Path, path: Path) -> None:
    times = iter(source.video.units)
    with av.open(nut) as taken, av.open(path, "w") as given:
        streams = {stream.index: given.add_stream_from_template(stream) for stream in taken.streams}
        for packet in taken.demux():
            if packet.size:
                if packet.stream.type == "video":
                    unit = next(times)
                    packet.pts, packet.dts = (
                        round(Fraction(ticks, 90_000) / Fraction(packet.time_base)) for ticks in (unit.pts, unit.dts)
                    )
                packet.stream = streams[packet.stream_index]
                given.mux(packet)


def _pictures(codec: VideoCodec, data: bytes) -> list[bytes]:
    """Slices only: x265 tells its options once, and where that goes is the container's choice."""
    first_other = 6 if codec is VideoCodec.H264 else 32
    return [unit for unit in nal_units.split(data) if nal_units.unit_type(codec, unit) < first_other]


def test_a_file_that_is_no_video_is_refused_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no video")
    with pytest.raises(UnplayableError, match=r"notes\.txt"):
        load(path)


def test_every_frame_shows_another_clock() -> None:
    painter = Painter("yard", 640, 360, seed=0)
    first, second = (painter.paint(7, clock).crop((0, 0, 320, 64)) for clock in ("00:01.00", "00:02.00"))
    assert ImageChops.difference(first, second).getbbox() is not None


def test_live_cameras_show_streets_of_their_own_in_which_something_moves() -> None:
    gate, yard = (Scene(name, 320, 180, fps=10, seed=0) for name in ("gate", "yard"))
    first, later, other = gate.paint(20, "12:00:00"), gate.paint(21, "12:00:00"), yard.paint(20, "12:00:00")
    assert ImageChops.difference(first, later).getbbox() is not None
    assert ImageChops.difference(first, other).getbbox() is not None
    strip = (0, 150, 320, 180)
    assert ImageChops.difference(first.crop(strip), gate.paint(20, "12:00:01").crop(strip)).getbbox() is not None


def test_a_busy_moment_delays_live_pictures_and_a_slow_encoder_leaves_some_out() -> None:
    assert next_number(9, elapsed_seconds=0.95, fps=10) == 10
    assert next_number(9, elapsed_seconds=2.9, fps=10) == 10, "late, and caught up"
    assert next_number(9, elapsed_seconds=3.2, fps=10) == 32, "too far behind"


@pytest.mark.parametrize("codec", [VideoCodec.H264, VideoCodec.H265])
async def test_a_live_camera_encodes_what_its_description_promises(codec: VideoCodec, media_cache: Path) -> None:
    spec = CameraSpec(name="live", codec=codec, clock=Clock.LIVE, fps=20, gop_frames=10, audio=AudioCodec.AAC)
    async with CameraSimulator([spec], cache=media_cache) as simulator:
        camera = simulator.camera("live")
        for viewer in (1, 2):
            watched = await watch(simulator.url("live"), 25)
            sent = [unit.sha256 for unit in camera.sent(viewer=viewer)]
            assert watched.digests == sent[:25]
            assert watched.of(Kind.AUDIO)
            assert watched.of(Kind.VIDEO)[0].is_keyframe
            await camera.wait_for_viewers(0)
        units = camera.sent(viewer=2)
        keyframes = [index for index, unit in enumerate(units) if unit.is_keyframe]
        assert len(keyframes) >= 2
        assert {later - earlier for earlier, later in pairwise(keyframes)} == {10}
        assert len({unit.sha256 for unit in camera.sent()}) == len(camera.sent())
        assert watched.parameter_sets == camera.media.video.parameter_sets


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "a b"},
        {"name": "/a"},
        {"width": 63},
        {"height": 361},
        {"fps": 0},
        {"loop_seconds": 0},
        {"codec": "mpeg2"},
        {"b_frames": -1},
    ],
)
def test_a_spec_that_can_not_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        dataclasses.replace(SPEC, **wrong)  # type: ignore[arg-type]  # wrong on purpose
