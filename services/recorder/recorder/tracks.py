"""What of a camera's stream goes into segments, and how it is described in a file."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from recorder.audio import AudioPolicy
from recorder.parameter_sets import picture_size

DEFAULT_TIME_BASE = Fraction(1, 90_000)


def _describe(track: VideoStream, parameter_sets: bytes | None) -> None:
    if parameter_sets is not None:
        track.codec_context.extradata = parameter_sets


@dataclass(frozen=True, slots=True)
class Tracks:
    """What of an open input goes into segments."""

    video: VideoStream
    audio: AudioStream | None
    policy: AudioPolicy = AudioPolicy.COPY
    describe: Callable[[VideoStream, bytes | None], None] = _describe
    """Makes a segment's track say how its pictures are coded, by these parameter sets if there are any."""
    is_plain: bool = False
    """Its samples are as MP4 has them: pictures with their NAL units after their lengths, sound in AAC."""


def time_base_of(track: Stream | None) -> Fraction:
    """How its times count, in seconds."""
    return DEFAULT_TIME_BASE if track is None else track.time_base or DEFAULT_TIME_BASE


def add_pictures(output: OutputContainer, tracks: Tracks, parameter_sets: bytes | None) -> VideoStream:
    """The track of `output` that takes the pictures, which these parameter sets describe if there are any."""
    video = output.add_stream_from_template(tracks.video)
    video.time_base = time_base_of(tracks.video)
    tracks.describe(video, parameter_sets)
    codec = tracks.video.codec_context.name
    # What was seen when the stream was opened may be another size, or none.
    if parameter_sets is not None and (size := picture_size(parameter_sets, codec)):
        video.width, video.height = size
    if codec == "hevc":
        video.codec_context.codec_tag = "hvc1"  # browsers and Apple play no other
    return video
