"""PyAV as a client of simulated cameras."""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import av

from camera_simulator import Kind, VideoCodec, nal_units

READ_LIMIT_SECONDS = 10


@dataclass(frozen=True)
class Seen:
    kind: Kind
    sha256: str
    pts: int | None
    dts: int | None
    is_keyframe: bool


@dataclass
class Watched:
    """What one run of a client got; it ends when `is_enough`, or with the stream."""

    packets: list[Seen] = field(default_factory=list)
    codecs: dict[str, str] = field(default_factory=dict)
    parameter_sets: tuple[bytes, ...] = ()
    """Those of the last keyframe."""

    def of(self, kind: Kind) -> list[Seen]:
        return [packet for packet in self.packets if packet.kind is kind]

    @property
    def digests(self) -> list[str]:
        return [packet.sha256 for packet in self.of(Kind.VIDEO)]


async def watch(
    url: str,
    is_enough: Callable[[Watched], bool] | int = 30,
    transport: str = "tcp",
    limit_seconds: float | None = None,
) -> Watched:
    """In a thread, since the simulator runs on this loop. A number means: that many pictures."""
    return await asyncio.to_thread(_watch, url, is_enough, transport, limit_seconds or READ_LIMIT_SECONDS)


def _watch(url: str, is_enough: Callable[[Watched], bool] | int, transport: str, limit_seconds: float) -> Watched:
    watched = Watched()
    # Nothing is worth waiting for: neither a measured frame rate nor, for five seconds, sound that may never come.
    options = {"rtsp_transport": transport, "fpsprobesize": "0", "analyzeduration": "1000000"}
    with av.open(url, options=options, timeout=(limit_seconds, limit_seconds)) as container:
        kinds = {stream.index: Kind(stream.type) for stream in container.streams}
        watched.codecs = {stream.type: stream.codec_context.name for stream in container.streams}
        for packet in container.demux():
            if packet.size:
                digest = hashlib.sha256(bytes(packet)).hexdigest()
                kind = kinds[packet.stream_index]
                if kind is Kind.VIDEO and packet.is_keyframe:
                    codec = VideoCodec.H264 if watched.codecs["video"] == "h264" else VideoCodec.H265
                    units = nal_units.split(bytes(packet))
                    watched.parameter_sets = tuple(unit for unit in units if nal_units.is_parameter_set(codec, unit))
                watched.packets.append(Seen(kind, digest, packet.pts, packet.dts, packet.is_keyframe))
            if len(watched.digests) >= is_enough if isinstance(is_enough, int) else is_enough(watched):
                break
    return watched
