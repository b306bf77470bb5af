"""What becomes of a camera's sound: copied, encoded to AAC, or dropped."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from fractions import Fraction

import av
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

_IN_MP4 = frozenset({"aac", "ac3", "eac3", "alac", "mp3", "opus", "flac"})
_HOLE_SECONDS = 0.5


class AudioPolicy(StrEnum):
    """The setting `AUDIO`."""

    COPY = "copy"
    """Copy what MP4 holds, encode the rest (G.711 above all) to AAC."""
    AAC = "aac"
    """Copy AAC, encode everything else."""
    NONE = "none"


class CopiedAudio:
    """An audio track whose packets are copied."""

    def __init__(self, output: OutputContainer, source: AudioStream) -> None:
        self._track = output.add_stream_from_template(source)
        self._track.time_base = source.time_base or Fraction(1, 90_000)

    def packets(self, packet: "Packet[Stream]") -> Iterator["Packet[Stream]"]:
        packet.stream = self._track
        yield packet

    def rest(self) -> Iterator["Packet[Stream]"]:
        yield from ()


class EncodedAudio:
    """An audio track that is decoded and encoded to AAC, one encoder a segment."""

    def __init__(self, output: OutputContainer, source: AudioStream) -> None:
        self._source = source
        self._track = output.add_stream("aac", rate=source.rate, layout=source.layout.name)
        self._frames = self._new_resampler()
        self._next_second: float | None = None
        self._last_dts: int | None = None

    def packets(self, packet: "Packet[Stream]") -> Iterator["Packet[Stream]"]:
        try:
            decoded = self._source.codec_context.decode(packet)
        except av.FFmpegError:
            return  # a broken packet of sound is no reason to lose pictures
        for frame in decoded:
            start = float((frame.pts or 0) * (frame.time_base or 0))
            if self._next_second is not None and abs(start - self._next_second) > _HOLE_SECONDS:
                # Sound stopped and came back: encoded as one piece it would run ahead of the pictures.
                self._frames = self._new_resampler()
            self._next_second = start + frame.samples / frame.sample_rate
            for part in self._frames.resample(frame):
                yield from self._in_order(self._track.encode(part))

    def rest(self) -> Iterator["Packet[Stream]"]:
        for part in self._frames.resample(None):
            yield from self._in_order(self._track.encode(part))
        yield from self._in_order(self._track.encode(None))

    def _in_order(self, packets: "Iterable[Packet[Stream]]") -> Iterator["Packet[Stream]"]:
        """Sound that came in pieces which overlap is encoded so, and the muxer takes no step back: it would end all."""
        for packet in packets:
            if packet.dts is not None and self._last_dts is not None and packet.dts <= self._last_dts:
                packet.dts = packet.pts = self._last_dts + 1
            self._last_dts = packet.dts
            yield packet

    def _new_resampler(self) -> AudioResampler:
        context = self._track.codec_context
        return AudioResampler("fltp", self._source.layout, self._source.rate, frame_size=context.frame_size or 1024)


AudioTrack = CopiedAudio | EncodedAudio


def audio_track(output: OutputContainer, source: AudioStream, policy: AudioPolicy) -> AudioTrack:
    """The track of `output` that takes the packets of `source`; not for AudioPolicy.NONE."""
    codec = source.codec_context.codec.canonical_name  # a decoder may have another, as `mp3float`
    if codec == "aac" or (policy is AudioPolicy.COPY and codec in _IN_MP4):
        return CopiedAudio(output, source)
    return EncodedAudio(output, source)
