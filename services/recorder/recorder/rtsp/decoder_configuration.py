"""What an MP4 track says to a decoder: the records `avcC` and `hvcC` (ISO/IEC 14496-15), made of parameter sets."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from recorder.rtsp.description import VideoCodec
from recorder.rtsp.unsuited import Unsuited
from recorder.sequences import h264_sequence, h265_sequence

_H264_SPS, _H264_PPS = 7, 8
_VPS, _SPS, _PPS = 32, 33, 34
_LENGTH_SIZE_MINUS_ONE = 3
_PLAIN_PROFILES = {66, 77, 88}
"""Baseline, Main and Extended: their pictures are 4:2:0 with 8 bits."""
_SETS_LIMIT = 31


@dataclass(frozen=True, slots=True)
class DecoderConfiguration:
    """Fits pictures whose NAL units follow their length in four bytes."""

    record: bytes
    """The `extradata` of a track."""
    width: int
    height: int


def decoder_configuration(codec: VideoCodec, parameter_sets: Sequence[bytes]) -> DecoderConfiguration | None:
    """None unless there is one of each kind of parameter set. Unsuited if they can't be read."""
    wanted = (_H264_SPS, _H264_PPS) if codec == "h264" else (_VPS, _SPS, _PPS)
    found: dict[int, list[bytes]] = {kind: [] for kind in wanted}
    for each in parameter_sets:
        kind = each[0] & 0x1F if codec == "h264" else each[0] >> 1 & 0x3F
        if each not in found.setdefault(kind, []):
            found[kind].append(each)
    if not all(found[kind] for kind in wanted):
        return None
    if max(len(sets) for sets in found.values()) > _SETS_LIMIT:
        raise Unsuited("The camera sends too many parameter sets.")
    try:
        return _avc(found) if codec == "h264" else _hevc(found)
    except (ValueError, struct.error):
        raise Unsuited("The camera's parameter sets can't be read.") from None


def _avc(found: dict[int, list[bytes]]) -> DecoderConfiguration:
    sets, others = found[_H264_SPS], found[_H264_PPS]
    picture = h264_sequence(sets[0])
    record = bytes((1, *sets[0][1:4], 0xFC | _LENGTH_SIZE_MINUS_ONE, 0xE0 | len(sets)))
    record += b"".join(struct.pack(">H", len(each)) + each for each in sets)
    record += bytes((len(others),)) + b"".join(struct.pack(">H", len(each)) + each for each in others)
    if sets[0][1] not in _PLAIN_PROFILES:
        record += bytes((0xFC | picture.chroma, 0xF8 | picture.luma_bits - 8, 0xF8 | picture.chroma_bits - 8, 0))
    return DecoderConfiguration(record, picture.width, picture.height)


def _hevc(found: dict[int, list[bytes]]) -> DecoderConfiguration:
    picture = h265_sequence(found[_SPS][0])
    plain = found[_SPS][0].replace(b"\0\0\3", b"\0\0")
    layers, is_nested = (plain[2] >> 1 & 7) + 1, plain[2] & 1
    # 12 bytes of profile, tier and level stand in the record as they stand in the SPS.
    record = b"\1" + plain[3:15] + struct.pack(">HB", 0xF000, 0xFC)
    record += bytes((0xFC | picture.chroma, 0xF8 | picture.luma_bits - 8, 0xF8 | picture.chroma_bits - 8, 0, 0))
    record += bytes((layers << 3 | is_nested << 2 | _LENGTH_SIZE_MINUS_ONE, 3))
    for kind in (_VPS, _SPS, _PPS):
        # Complete: there are none in the samples.
        record += struct.pack(">BH", 0x80 | kind, len(found[kind]))
        record += b"".join(struct.pack(">H", len(each)) + each for each in found[kind])
    return DecoderConfiguration(record, picture.width, picture.height)
