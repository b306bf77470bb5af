"""RTP payloads: RFC 6184 for H.264, RFC 7798 for H.265, RFC 3640 for AAC, RFC 3551 for G.711."""

import struct
from typing import NamedTuple

from camera_simulator.specs import VideoCodec

PAYLOAD_LIMIT_BYTES = 1400
_FU_A = 28
_H265_FU = 49


class Payload(NamedTuple):
    """What follows the RTP header, ready to be sent to any number of viewers."""

    data: bytes
    marker: bool


def packetize_video(codec: VideoCodec, units: list[bytes]) -> tuple[Payload, ...]:
    """One access unit: each NAL unit alone, or in fragments when it is too large; the marker closes the unit."""
    fragment = _h264_fragments if codec is VideoCodec.H264 else _h265_fragments
    parts = [part for unit in units for part in ([unit] if len(unit) <= PAYLOAD_LIMIT_BYTES else fragment(unit))]
    return tuple(Payload(part, index == len(parts) - 1) for index, part in enumerate(parts))


def packetize_aac(frame: bytes) -> tuple[Payload, ...]:
    """Mode AAC-hbr, one frame a packet: 16 bits of header length, then 13 bits of size and 3 of index."""
    return (Payload(struct.pack("!HH", 16, len(frame) << 3) + frame, marker=True),)


def packetize_g711(samples: bytes) -> tuple[Payload, ...]:
    return (Payload(samples, marker=False),)


def _h264_fragments(unit: bytes) -> list[bytes]:
    indicator = unit[0] & 0xE0 | _FU_A
    return [bytes((indicator, flags | unit[0] & 0x1F)) + part for flags, part in _cut(unit[1:], header_bytes=2)]


def _h265_fragments(unit: bytes) -> list[bytes]:
    indicator = bytes((unit[0] & 0x81 | _H265_FU << 1, unit[1]))
    kind = unit[0] >> 1 & 0x3F
    return [indicator + bytes((flags | kind,)) + part for flags, part in _cut(unit[2:], header_bytes=3)]


def _cut(body: bytes, header_bytes: int) -> list[tuple[int, bytes]]:
    """Fragments with their start (0x80) and end (0x40) bits."""
    size = PAYLOAD_LIMIT_BYTES - header_bytes
    starts = range(0, len(body), size)
    return [
        ((0x80 if start == 0 else 0) | (0x40 if start == starts[-1] else 0), body[start : start + size])
        for start in starts
    ]
