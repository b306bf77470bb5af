"""What parameter sets say of B-frames, beside what the encoder that wrote them really does."""

from fractions import Fraction

import av
import pytest
from av.video.codeccontext import VideoCodecContext

from camera_simulator import VideoCodec, nal_units
from recorder.reordering import reordering_depth


def encoded(codec: str, options: dict[str, str]) -> tuple[bytes, int]:
    """The parameter sets, and how many pictures are sent at most ahead of one that is shown before them."""
    encoder = av.CodecContext.create(codec, "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = 128, 128, "yuv420p"
    encoder.framerate = Fraction(25)
    encoder.options = options
    frames = [av.VideoFrame(128, 128, "yuv420p") for _ in range(24)]
    for number, frame in enumerate(frames):
        for plane in frame.planes:
            plane.update(bytes((number * 3 + n // 7) % 256 for n in range(plane.buffer_size)))
        frame.pts = number
    packets = [packet for frame in [*frames, None] for packet in encoder.encode(frame)]
    shown = [packet.pts or 0 for packet in packets]
    depth = max(sum(earlier > pts for earlier in shown[:n]) for n, pts in enumerate(shown))
    kind = VideoCodec.H264 if codec == "libx264" else VideoCodec.H265
    sets = [unit for unit in nal_units.split(bytes(packets[0])) if nal_units.is_parameter_set(kind, unit)]
    return nal_units.join(sets), depth


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("bframes=0", 0),
        ("bframes=1:b-adapt=0", 1),
        ("bframes=2:b-pyramid=none:b-adapt=0", 1),
        ("bframes=3:b-pyramid=normal:b-adapt=0", 2),
        ("bframes=3:b-adapt=0:cqm=jvt:nal-hrd=vbr:vbv-maxrate=500:vbv-bufsize=500:bitrate=400:sar=4/3", 2),
        ("bframes=2:b-pyramid=none:b-adapt=0:colorprim=bt709:fullrange=on:interlaced=1", 1),
        ("cabac=0:8x8dct=0:bframes=0:ref=1", 0),
    ],
)
def test_h264_says_how_deep_it_reorders(options: str, expected: int) -> None:
    sets, depth = encoded("libx264", {"preset": "veryfast", "x264-params": f"{options}:scenecut=0"})
    assert depth == expected
    assert reordering_depth("h264", sets) == expected


@pytest.mark.parametrize(("options", "expected"), [("bframes=0", 0), ("bframes=2:b-adapt=0", 2), ("bframes=3", 2)])
def test_h265_says_how_deep_it_reorders(options: str, expected: int) -> None:
    sets, depth = encoded("libx265", {"preset": "ultrafast", "x265-params": f"{options}:log-level=none:pools=none"})
    assert depth <= expected
    assert reordering_depth("hevc", sets) == expected


def test_a_camera_without_b_frames_and_without_usability_information_reorders_nothing() -> None:
    # As many cameras send them: Main profile, one reference frame, no VUI at all (ITU-T H.264, 7.3.2.1.1).
    main = "1" + "011" + "1"  # sps id 0, log2_max_frame_num 6, order type 0
    rest = "00101" + "010" + "0" + "000010100" + "00110" + "1" + "1" + "0" + "0" + "1"
    bits = "01100111" + f"{77:08b}" + "00000000" + f"{31:08b}" + main + rest
    padded = bits.ljust(-(-len(bits) // 8) * 8, "0")
    unit = int(padded, 2).to_bytes(len(padded) // 8, "big")
    assert reordering_depth("h264", b"\0\0\0\1" + unit) == 0


@pytest.mark.parametrize("codec", ["h264", "hevc", "mjpeg"])
@pytest.mark.parametrize("sets", [b"", b"\0\0\1", b"\0\0\0\1\x67\x4d", b"\0\0\0\1\x42\x01", b"\xff" * 20])
def test_sets_that_can_not_be_read_say_nothing(codec: str, sets: bytes) -> None:
    assert reordering_depth(codec, sets) == 0
