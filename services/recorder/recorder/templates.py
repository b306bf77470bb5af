"""Streams as libav would have opened them, made from what a session and its first keyframe say."""

import io
import struct
from collections.abc import Iterable
from fractions import Fraction
from typing import Literal

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from recorder.rtsp.decoder_configuration import decoder_configuration
from recorder.rtsp.description import AudioTrack, VideoTrack
from recorder.rtsp.unsuited import Unsuited

_START = b"\0\0\0\1"
# RFC 2361: the numbers of G.711 in a WAVE header.
_WAVE_FORMATS = {"pcm_alaw": 6, "pcm_mulaw": 7}
_FLV_HEADER = b"FLV\1\4\0\0\0\x09\0\0\0\0"
_FLV_AAC_CONFIG = b"\xaf\0"


class Template:
    """A video and perhaps an audio stream without packets, for segments to be modelled on. Close it."""

    def __init__(self, track: VideoTrack, sets: bytes, keyframe: bytes, sound: AudioTrack | None) -> None:
        """`sets` in Annex B form, `keyframe` of length-prefixed NAL units. Unsuited if libav can't make sense of it."""
        try:
            self._container = _without_packets(track.codec, sets + in_annex_b(keyframe), sound)
        except (av.FFmpegError, IndexError, ValueError) as error:
            raise Unsuited(f"The camera's first picture can't be read: {type(error).__name__}.") from None
        self.video: VideoStream = self._container.streams.video[0]
        self.video.time_base = Fraction(1, track.clock_hz)
        self.video.codec_context.extradata = sets  # as of an RTSP stream that libav opened
        self._codec, self._sets = track.codec, sets
        self.audio: AudioStream | None = None
        if sound is not None:
            self.audio = self._container.streams.audio[0]
            self.audio.time_base = Fraction(1, sound.clock_hz)
            if sound.codec != "aac":
                # A WAVE file has channels without places.
                self.audio.codec_context.layout = "mono" if sound.channels == 1 else "stereo"

    def describe(self, track: VideoStream, sets: bytes | None) -> None:
        """Make a new track say how its pictures are coded; `sets` (Annex B) where a keyframe brought others.

        Its packets are taken for length-prefixed then, and nothing rewrites them.
        """
        if sets is None or sets == self._sets:
            return
        configuration = decoder_configuration(self._codec, sets.split(_START)[1:])
        if configuration is not None:
            track.codec_context.extradata = configuration.record

    def close(self) -> None:
        self._container.close()


def annex_b(units: Iterable[bytes]) -> bytes:
    """NAL units, each after a start code."""
    return b"".join(_START + unit for unit in units)


def in_annex_b(access_unit: bytes) -> bytes:
    """The same with start codes in place of lengths."""
    at, parts = 0, []
    while at + 4 <= len(access_unit):
        end = at + 4 + int.from_bytes(access_unit[at : at + 4], "big")
        parts.append(access_unit[at + 4 : end])
        at = end
    return annex_b(parts)


def _without_packets(codec: Literal["h264", "hevc"], pictures: bytes, sound: AudioTrack | None) -> InputContainer:
    # libav finds resolution and profile by decoding this one picture.
    with av.open(io.BytesIO(pictures), format=codec) as opened:
        streams: list[Stream] = [opened.streams.video[0]]
        if sound is None:
            return _headed(streams)
        with av.open(io.BytesIO(_sound_file(sound)), format="flv" if sound.codec == "aac" else "wav") as heard:
            return _headed([*streams, heard.streams.audio[0]])


def _headed(streams: list[Stream]) -> InputContainer:
    """A file that is only a head, written and opened again: libav makes MP4's own descriptions on the way."""
    file = io.BytesIO()
    with av.open(file, "w", format="mov", options={"movflags": "empty_moov"}) as output:
        for stream in streams:
            output.add_stream_from_template(stream)
        output.start_encoding()
    return av.open(io.BytesIO(file.getvalue()), "r", format="mov")


def _sound_file(sound: AudioTrack) -> bytes:
    """The smallest file that says what the session says of its sound."""
    if sound.codec == "aac":
        content = _FLV_AAC_CONFIG + sound.config
        tag = struct.pack(">B3s7x", 8, len(content).to_bytes(3, "big")) + content
        return _FLV_HEADER + tag + struct.pack(">I", len(tag))
    form = struct.pack(
        "<HHIIHH", _WAVE_FORMATS[sound.codec], sound.channels, sound.sample_hz, sound.sample_hz, sound.channels, 8
    )
    data = bytes(sound.sample_hz)
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks
