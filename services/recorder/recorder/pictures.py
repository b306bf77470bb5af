"""What was seen of a camera, as a JPEG."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
from av.packet import Packet
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from camfleet_contract.commands import LARGEST_JPEG_BYTES
from recorder.errors import UndecodablePicture
from recorder.sights import Sight
from recorder.templates import in_annex_b

_LONGEST_SIDE = 1920
_QUANTIZERS = (3, 6, 12, 24, 31)
"""The coarser, the smaller: the first that fits is taken. libav's scale for JPEG, 1 to 31."""
_LARGEST_BYTES = 16 << 20
_MOST_PIXELS = 64 << 20
_FULL_RANGE = 2
"""libav's AVCOL_RANGE_JPEG."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG."""

    content: bytes
    width: int
    height: int


def jpeg_of(sight: Sight) -> Picture:
    """At most 1920 pixels wide or high and 1 MiB; takes a moment of CPU. UndecodablePicture."""
    try:
        frame = _decoded(sight)
        width, height = _fitting(frame.width, frame.height)
        scaled = frame.reformat(width=width, height=height, format="yuv420p", dst_color_range=_FULL_RANGE)
        for quantizer in _QUANTIZERS:
            content = _encoded(scaled, quantizer)
            if len(content) <= LARGEST_JPEG_BYTES:
                return Picture(content, width, height)
    except (av.FFmpegError, ValueError, IndexError) as error:
        raise UndecodablePicture(f"The camera's picture can't be decoded ({type(error).__name__}).") from None
    raise UndecodablePicture("The camera's picture doesn't fit into 1 MiB.")


def _decoded(sight: Sight) -> VideoFrame:
    keyframe = sight.keyframe
    if len(keyframe.data) > _LARGEST_BYTES:
        raise UndecodablePicture("The camera's picture is too big to be shown.")
    context: Any = av.CodecContext.create(sight.codec, "r")
    context.thread_count = 1  # more would need memory for as many pictures, for one that isn't urgent
    data = in_annex_b(keyframe.data) if keyframe.has_lengths else keyframe.data
    if keyframe.configuration:
        context.extradata = keyframe.configuration
    packet: Packet[Stream] = Packet(data)
    packet.is_keyframe = True
    frames: list[VideoFrame] = [*context.decode(packet), *context.decode(None)]
    if not frames:
        raise UndecodablePicture("The camera's picture can't be decoded alone.")
    if frames[0].width * frames[0].height > _MOST_PIXELS:
        raise UndecodablePicture("The camera's picture is too big to be shown.")
    return frames[0]


def _fitting(width: int, height: int) -> tuple[int, int]:
    """Even numbers, as the picture's colours need them."""
    scale = min(1.0, _LONGEST_SIDE / max(width, height))
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


def _encoded(frame: VideoFrame, quantizer: int) -> bytes:
    context = av.CodecContext.create("mjpeg", "w")
    if not isinstance(context, VideoCodecContext):
        raise TypeError("not a codec for pictures")
    context.width, context.height, context.pix_fmt = frame.width, frame.height, "yuv420p"
    context.color_range = _FULL_RANGE
    context.time_base = Fraction(1, 25)  # it has to have one
    context.options = {"qmin": str(quantizer), "qmax": str(quantizer)}
    return b"".join(bytes(packet) for packet in (*context.encode(frame), *context.encode(None)))
