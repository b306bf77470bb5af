"""Encoded media in memory: access units as a viewer will see them, and their RTP payloads."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.bitstream import BitStreamFilterContext
from av.packet import Packet
from av.video.stream import VideoStream

from camera_simulator import nal_units
from camera_simulator.jpeg import packetize_jpeg
from camera_simulator.rtp import Payload, packetize_aac, packetize_g711, packetize_video
from camera_simulator.specs import VIDEO_CLOCK_HZ, AudioCodec, MetadataCodec, VideoCodec

G711_UNIT_SAMPLES = 320  # 40 ms, what most cameras send
_VIDEO_CODECS = {"h264": VideoCodec.H264, "hevc": VideoCodec.H265, "mjpeg": VideoCodec.MJPEG}
_AUDIO_CODECS = {codec.value: codec for codec in AudioCodec if codec is not AudioCodec.NONE}


class Kind(StrEnum):
    VIDEO = "video"
    AUDIO = "audio"
    METADATA = "application"


class UnplayableError(Exception):
    """There is nothing here that a camera can send; the message says why."""


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """One picture, one audio frame or one document of metadata.

    `data` is what libav hands out after depacketizing: video in Annex B with four-byte start codes, AAC frames
    without ADTS header, plain G.711 samples. Of JPEG it is the picture as encoded: RTP carries its headers abridged.
    `pts` and `dts` count ticks of the track's clock from the loop's start.
    """

    pts: int
    dts: int
    is_keyframe: bool
    sha256: str
    data: bytes = field(repr=False)
    payloads: tuple[Payload, ...] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Track:
    """One stream of a media; it starts anew after `loop_ticks`."""

    kind: Kind
    codec: VideoCodec | AudioCodec | MetadataCodec
    clock_hz: int
    units: tuple[AccessUnit, ...] = field(repr=False)
    loop_ticks: int
    parameter_sets: tuple[bytes, ...] = ()
    """Video: the parameter sets, without start codes. AAC: the one AudioSpecificConfig."""
    channels: int = 1
    fps: float = 0.0


@dataclass(frozen=True, slots=True)
class Media:
    video: Track
    audio: Track | None
    metadata: Track | None = None

    @property
    def tracks(self) -> tuple[Track, ...]:
        return tuple(track for track in (self.video, self.audio, self.metadata) if track is not None)


def video_unit(codec: VideoCodec, units: list[bytes], pts: int, dts: int, *, is_keyframe: bool) -> AccessUnit:
    data = nal_units.join(units)
    digest = hashlib.sha256(data).hexdigest()
    return AccessUnit(pts, dts, is_keyframe, digest, data, packetize_video(codec, units))


def jpeg_unit(picture: bytes, pts: int, dts: int) -> AccessUnit:
    return AccessUnit(pts, dts, True, hashlib.sha256(picture).hexdigest(), picture, packetize_jpeg(picture))


def load(path: Path, *, in_band_parameter_sets: bool = True) -> Media:
    """Reads a whole file. Raises `UnplayableError`."""
    try:
        video = _load_video(path, in_band_parameter_sets=in_band_parameter_sets)
        return Media(video, _load_audio(path))
    except (av.FFmpegError, OSError) as error:
        raise UnplayableError(f"{path} can't be read: {error}") from error


def _load_video(path: Path, *, in_band_parameter_sets: bool) -> Track:
    with av.open(path) as container:
        if not container.streams.video:
            raise UnplayableError(f"{path} has no video")
        stream = container.streams.video[0]
        codec = _VIDEO_CODECS.get(stream.codec_context.name)
        if codec is None:
            raise UnplayableError(f"{path}: {stream.codec_context.name} can't be sent, only H.264, H.265 and MJPEG")
        packets = list(_packets(container, stream))
        extradata = bytes(stream.codec_context.extradata or b"")
        fps = float(stream.average_rate or 0)
    while packets and not packets[0].is_keyframe:
        packets.pop(0)
    if not packets:
        raise UnplayableError(f"{path} has no keyframe")
    times = _decode_times(path, packets)
    if codec is VideoCodec.MJPEG:
        pictures = [bytes(packet) for packet in packets]
        return _video_track(
            codec, [jpeg_unit(picture, *time) for picture, time in zip(pictures, times, strict=True)], (), fps
        )
    sets = _parameter_sets(codec, nal_units.split(bytes(packets[0]))) or _parameter_sets(
        codec, nal_units.split(extradata)
    )
    if not sets:
        raise UnplayableError(f"{path} has no parameter sets: nobody could decode it")
    units = []
    for packet, (pts, dts) in zip(packets, times, strict=True):
        nals = nal_units.split(bytes(packet))
        slices = [unit for unit in nals if not nal_units.is_parameter_set(codec, unit)]
        own = _parameter_sets(codec, nals) or sets if packet.is_keyframe else ()
        whole = [*(own if in_band_parameter_sets else ()), *slices]
        units.append(video_unit(codec, whole, pts, dts, is_keyframe=packet.is_keyframe))
    return _video_track(codec, units, sets, fps)


def _video_track(codec: VideoCodec, units: list[AccessUnit], sets: tuple[bytes, ...], fps: float) -> Track:
    last = units[-1].dts
    loop_ticks = last + (round(last / (len(units) - 1)) if len(units) > 1 else VIDEO_CLOCK_HZ)
    return Track(Kind.VIDEO, codec, VIDEO_CLOCK_HZ, tuple(units), loop_ticks, sets, fps=fps)


def _packets(container: av.container.InputContainer, stream: VideoStream) -> "Iterator[Packet[VideoStream]]":
    """The packets, those of H.26x with start codes, whichever form the container keeps them in."""
    length_prefixed = bytes(stream.codec_context.extradata or b"")[:1] == b"\x01"
    name = {"h264": "h264_mp4toannexb", "hevc": "hevc_mp4toannexb"}.get(stream.codec_context.name)
    convert = BitStreamFilterContext(name, in_stream=stream) if name and length_prefixed else None
    for packet in container.demux(stream):
        if packet.size:
            yield from convert.filter(packet) if convert else [packet]


def _decode_times(path: Path, packets: "list[Packet[VideoStream]]") -> list[tuple[int, int]]:
    """(pts, dts) of each packet, the first dts being 0.

    Decode times follow from the order of presentation: containers that don't store them (NUT) hand out guesses that
    go backwards around B-frames.
    """
    seconds = [packet.pts * packet.time_base for packet in packets if packet.pts is not None]
    if len(seconds) != len(packets):
        raise UnplayableError(f"{path} has pictures without timestamps; put it into an MP4 file first")
    pts = [round(value * VIDEO_CLOCK_HZ) for value in seconds]
    ordered = sorted(pts)
    delay = max(shown - own for shown, own in zip(ordered, pts, strict=True))
    return [(own - ordered[0] + delay, shown - ordered[0]) for shown, own in zip(ordered, pts, strict=True)]


def _parameter_sets(codec: VideoCodec, units: list[bytes]) -> tuple[bytes, ...]:
    return tuple(unit for unit in units if nal_units.is_parameter_set(codec, unit))


def _load_audio(path: Path) -> Track | None:
    with av.open(path) as container:
        if not container.streams.audio:
            return None
        stream = container.streams.audio[0]
        codec = _AUDIO_CODECS.get(stream.codec_context.name)
        if codec is None:
            raise UnplayableError(f"{path}: audio in {stream.codec_context.name} can't be sent, only AAC and G.711")
        frames = [bytes(packet) for packet in container.demux(stream) if packet.size]
        return _aac_track(path, stream, frames) if codec is AudioCodec.AAC else _g711_track(codec, stream, frames)


def _aac_track(path: Path, stream: AudioStream, frames: list[bytes]) -> Track:
    config = bytes(stream.codec_context.extradata or b"")
    if not config:
        raise UnplayableError(f"{path}: AAC with ADTS headers can't be sent; put it into an MP4 file first")
    samples = stream.codec_context.frame_size or 1024
    units = tuple(
        AccessUnit(n * samples, n * samples, True, hashlib.sha256(frame).hexdigest(), frame, packetize_aac(frame))
        for n, frame in enumerate(frames)
    )
    loop = len(units) * samples
    return Track(Kind.AUDIO, AudioCodec.AAC, stream.rate, units, loop, (config,), stream.channels)


def _g711_track(codec: AudioCodec, stream: AudioStream, frames: list[bytes]) -> Track:
    """In units of 40 ms; what is left over at the end is cut off."""
    samples = b"".join(frames)
    size = G711_UNIT_SAMPLES * stream.channels
    pieces = [samples[start : start + size] for start in range(0, len(samples) - size + 1, size)]
    units = tuple(
        AccessUnit(
            n * G711_UNIT_SAMPLES,
            n * G711_UNIT_SAMPLES,
            True,
            hashlib.sha256(piece).hexdigest(),
            piece,
            packetize_g711(piece),
        )
        for n, piece in enumerate(pieces)
    )
    return Track(Kind.AUDIO, codec, stream.rate, units, len(units) * G711_UNIT_SAMPLES, (), stream.channels)
