"""Records for decoders, compared with those that libav's MP4 muxer makes of the same parameter sets."""

import io
from itertools import product
from typing import Literal

import av
import pytest
from av.video.stream import VideoStream
from hypothesis import given
from hypothesis import strategies as st

from recorder.rtsp.decoder_configuration import decoder_configuration
from recorder.rtsp.unsuited import Unsuited
from tests.recorder.footage import nal_units

ENCODERS: dict[Literal["h264", "hevc"], str] = {"h264": "libx264", "hevc": "libx265"}


def encoded(codec: Literal["h264", "hevc"], width: int, height: int, pixels: str, options: dict[str, str]) -> bytes:
    """The parameter sets of an encoder, in Annex B."""
    encoder = av.CodecContext.create(ENCODERS[codec], "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, pixels
    encoder.framerate = 25  # type: ignore[assignment]  # a fraction, as far as PyAV says
    encoder.options = options | ({"x265-params": "log-level=none:repeat-headers=1"} if codec == "hevc" else {})
    frame = av.VideoFrame(width, height, pixels)
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


def as_libav(codec: Literal["h264", "hevc"], stream: bytes) -> VideoStream:
    """The track that libav makes of a byte stream."""
    file = io.BytesIO()
    with av.open(io.BytesIO(stream), "r", format=codec) as source, av.open(file, "w", format="mp4") as output:
        track = output.add_stream_from_template(source.streams.video[0])
        if codec == "hevc":
            track.codec_context.codec_tag = "hvc1"
        for packet in source.demux():
            if packet.size:
                packet.stream, packet.pts, packet.dts = track, 0, 0
                output.mux(packet)
    file.seek(0)
    return av.open(file).streams.video[0]


SIZES = [(640, 360), (1920, 1080), (322, 182)]


@pytest.mark.parametrize(
    ("codec", "size", "pixels", "profile"),
    [
        *product(["h264"], SIZES, ["yuv420p"], ["baseline", "main", "high"]),
        ("h264", (642, 362), "yuv422p", "high422"),
        ("h264", (642, 362), "yuv444p", "high444"),
        *product(["hevc"], SIZES, ["yuv420p"], ["main"]),
        ("hevc", (642, 362), "yuv422p10le", "main422-10"),
        ("hevc", (642, 362), "yuv444p", "main444-8"),
    ],
)
def test_a_record_is_what_libav_writes(
    codec: Literal["h264", "hevc"], size: tuple[int, int], pixels: str, profile: str
) -> None:
    options = {"profile": profile, "preset": "ultrafast"} | ({"interlaced": "1"} if profile == "main" else {})
    stream = encoded(codec, *size, pixels, options)
    made = decoder_configuration(codec, [unit for unit in nal_units(stream, annex_b=True) if is_set(codec, unit)])
    judge = as_libav(codec, stream)
    assert made is not None
    assert (made.width, made.height) == (judge.width, judge.height) == size
    extradata = judge.codec_context.extradata or b""
    if codec == "hevc":
        # libav tells how finely pictures are cut, which nobody asks for.
        assert extradata[13:17] != b""
        extradata = extradata[:13] + made.record[13:16] + extradata[16:]
    assert made.record == extradata


def is_set(codec: str, unit: bytes) -> bool:
    return unit[0] & 31 in {7, 8} if codec == "h264" else unit[0] >> 1 & 63 in {32, 33, 34}


def test_without_all_kinds_of_sets_there_is_no_record() -> None:
    assert decoder_configuration("h264", [b"\x67\x42\0\x1e"]) is None
    assert decoder_configuration("hevc", []) is None


@given(st.lists(st.binary(min_size=1, max_size=60).map(lambda rest: b"\x67" + rest), min_size=1, max_size=3))
def test_what_is_no_parameter_set_is_for_libav(sets: list[bytes]) -> None:
    try:
        made = decoder_configuration("h264", [*sets, b"\x68\xce"])
    except Unsuited:
        return
    assert made is not None
    assert made.width > 0
