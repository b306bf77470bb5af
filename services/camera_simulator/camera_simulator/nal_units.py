"""NAL units of H.264 (ITU-T H.264 table 7-1) and H.265 (ITU-T H.265 table 7-1)."""

import re

from camera_simulator.specs import VideoCodec

START_CODE = b"\x00\x00\x00\x01"
_ANY_START_CODE = re.compile(rb"\x00\x00\x00?\x01")
_PARAMETER_SETS = {VideoCodec.H264: (7, 8), VideoCodec.H265: (32, 33, 34)}


def split(annex_b: bytes) -> list[bytes]:
    """The NAL units of an Annex-B byte stream, without start codes."""
    return [stripped for unit in _ANY_START_CODE.split(annex_b) if (stripped := unit.rstrip(b"\x00"))]


def join(units: list[bytes]) -> bytes:
    """Annex B with four-byte start codes only, which is what libav's depacketizers write."""
    return b"".join(START_CODE + unit for unit in units)


def unit_type(codec: VideoCodec, unit: bytes) -> int:
    return unit[0] & 0x1F if codec is VideoCodec.H264 else unit[0] >> 1 & 0x3F


def is_parameter_set(codec: VideoCodec, unit: bytes) -> bool:
    return unit_type(codec, unit) in _PARAMETER_SETS[codec]
