"""RTP as a camera sends it inside of its RTSP connection, made of NAL units."""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from recorder.rtsp.h264 import H264
from recorder.rtsp.h265 import H265
from recorder.rtsp.messages import Message
from recorder.rtsp.playing import Playing
from recorder.rtsp.rtp import TrackClock
from recorder.rtsp.sounds import G711, Aac
from recorder.rtsp.units import AccessUnit

VIDEO, VIDEO_REPORTS, AUDIO, AUDIO_REPORTS = 0, 1, 2, 3
VIDEO_TYPE, AUDIO_TYPE = 96, 97
FRAME = 3600


def playing(
    kind: type[H264 | H265] = H264, heard: list[Message] | None = None, sound: Aac | G711 | None = None
) -> Playing:
    return Playing(
        {
            VIDEO: kind(VIDEO, VIDEO_TYPE, TrackClock(90_000)),
            AUDIO: sound or Aac(AUDIO, AUDIO_TYPE, TrackClock(16_000), 1024),
        },
        {VIDEO_REPORTS: VIDEO, AUDIO_REPORTS: AUDIO},
        (heard if heard is not None else []).append,
    )


def frame(channel: int, data: bytes) -> bytes:
    return struct.pack(">cBH", b"$", channel, len(data)) + data


@dataclass
class Sender:
    """Counts the packets of a track."""

    channel: int = VIDEO
    payload_type: int = VIDEO_TYPE
    sequence: int = 65_530
    extras: Iterator[int] = field(default_factory=lambda: iter(()))
    """Which bits of the first byte the coming packets have set: padding 0x20, extension 0x10, the number of sources."""

    def packet(self, payload: bytes, time: int, *, marker: bool = False) -> bytes:
        flags = next(self.extras, 0)
        second = self.payload_type | (0x80 if marker else 0)
        head = struct.pack(">BBHII", 0x80 | flags, second, self.sequence, time % (1 << 32), 7)
        head += b"srce" * (flags & 15) + (struct.pack(">HH", 1, 1) + b"more" if flags & 0x10 else b"")
        self.sequence = (self.sequence + 1) % (1 << 16)
        return frame(self.channel, head + payload + (b"\0\0\3" if flags & 0x20 else b""))


def h264_payloads(unit: bytes, limit: int) -> list[bytes]:
    """A NAL unit alone, or in fragments."""
    if len(unit) <= limit:
        return [unit]
    head = bytes((unit[0] & 0xE0 | 28,))
    return [head + bytes((flags | unit[0] & 31,)) + part for flags, part in fragments(unit[1:], limit)]


def h265_payloads(unit: bytes, limit: int) -> list[bytes]:
    if len(unit) <= limit:
        return [unit]
    head = bytes((unit[0] & 0x81 | 49 << 1, unit[1]))
    return [head + bytes((flags | unit[0] >> 1 & 63,)) + part for flags, part in fragments(unit[2:], limit)]


def fragments(body: bytes, limit: int) -> list[tuple[int, bytes]]:
    parts = [body[at : at + limit] for at in range(0, len(body), limit)]
    return [
        ((0x80 if number == 0 else 0) | (0x40 if number == len(parts) - 1 else 0), part)
        for number, part in enumerate(parts)
    ]


def aggregate(units: Iterable[bytes], head: bytes) -> bytes:
    """STAP-A (`head` 0x78) or an aggregation packet of H.265 (0x60 0x01)."""
    return head + b"".join(struct.pack(">H", len(unit)) + unit for unit in units)


def prefixed(*units: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(unit)) + unit for unit in units)


def access_unit(
    data: bytes, ticks: int, sets: tuple[bytes, ...] = (), *, is_keyframe: bool = False, is_damaged: bool = False
) -> AccessUnit:
    """A picture in one piece."""
    return AccessUnit(True, (data,), len(data), ticks, is_keyframe, sets, is_damaged)


def in_one_piece(units: Iterable[AccessUnit]) -> list[AccessUnit]:
    """The same, to be compared: how many pieces there are has no meaning."""
    return [each._replace(pieces=(each.data,)) for each in units]


def pictures(channel: int, count: int, first: int = 0) -> bytes:
    """Small ones, each a packet."""
    sender = Sender(channel, sequence=first)
    return b"".join(sender.packet(b"\x41\x9a", (first + number) * FRAME) for number in range(count))
