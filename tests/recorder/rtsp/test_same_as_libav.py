"""Our own client and libav watch the same camera, of either make: both see what is in the file that it plays."""

import asyncio
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from statistics import median

import av
import pytest

from recorder.rtsp.units import AccessUnit
from recorder.stream import CameraStream
from tests.recorder.camera_process import Make, camera_process
from tests.recorder.footage import make_clip, nal_units
from tests.recorder.rtsp.playback import play

PICTURES = 60
LOOP_SECONDS = 4
PARAMETER_SETS = {"h264": {7, 8}, "hevc": {32, 33, 34}}
Seen = list[tuple[bytes, bool]]
"""What was in each packet of video, and whether it is a keyframe."""


def picture(data: bytes, codec: str, *, annex_b: bool) -> bytes:
    """Without parameter sets: servers repeat them as they see fit."""
    shift, mask = (0, 31) if codec == "h264" else (1, 63)
    units = nal_units(data, annex_b=annex_b)
    return b"|".join(unit for unit in units if unit[0] >> shift & mask not in PARAMETER_SETS[codec])


def in_file(file: Path, codec: str) -> tuple[Seen, set[bytes]]:
    with av.open(str(file)) as container:
        packets = [packet for packet in container.demux() if packet.size]
        video = container.streams.video[0].index
    return (
        [
            (picture(bytes(packet), codec, annex_b=False), packet.is_keyframe)
            for packet in packets
            if packet.stream_index == video
        ],
        {bytes(packet) for packet in packets if packet.stream_index != video},
    )


def seen_by_libav(url: str, codec: str) -> tuple[Seen, list[bytes]]:
    pictures, sounds = [], []
    with closing(CameraStream.open(url)) as stream:
        for packet in stream.packets():
            if packet.stream_index == stream.video.index:
                pictures.append((picture(bytes(packet), codec, annex_b=True), packet.is_keyframe))
            else:
                sounds.append(bytes(packet))
            if len(pictures) == PICTURES:
                break
    return pictures, sounds


def is_enough(units: list[AccessUnit]) -> bool:
    return sum(unit.is_video for unit in units) >= PICTURES


@pytest.mark.parametrize("make", list(Make), ids=str)
@pytest.mark.parametrize(("encoder", "codec"), [("libx264", "h264"), ("libx265", "hevc")])
async def test_both_see_the_same_packets(tmp_path: Path, make: Make, encoder: str, codec: str) -> None:
    file = await asyncio.to_thread(make_clip, tmp_path / "clip.mov", seconds=LOOP_SECONDS, codec=encoder)
    async with camera_process(make, file) as camera:
        units, (pictures, sounds) = await asyncio.gather(
            asyncio.to_thread(play, camera.url, is_enough), asyncio.to_thread(seen_by_libav, camera.url, codec)
        )
    source, source_sounds = in_file(file, codec)
    numbers = {data: number for number, (data, _) in enumerate(source)}
    assert len(numbers) == len(source), "every packet tells where it belongs"
    ours = [(picture(unit.data, codec, annex_b=False), unit.is_keyframe) for unit in units if unit.is_video]
    for seen in (ours[1:], pictures[1:]):  # GStreamer lets new viewers in amid a picture
        places = [numbers[data] for data, _ in seen]
        assert all((before + 1) % len(source) == after for before, after in pairwise(places))
        assert [is_keyframe for _, is_keyframe in seen] == [source[place][1] for place in places]
    heard = [unit.data for unit in units if not unit.is_video]
    assert heard
    assert source_sounds.issuperset(heard)
    assert source_sounds.issuperset(sounds)
    assert median(b.ticks - a.ticks for a, b in pairwise(unit for unit in units if unit.is_video)) == 3600
    assert not any(unit.is_damaged for unit in units)
