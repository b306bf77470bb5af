"""What an MP4 track says to a decoder: the records `avcC` and `hvcC` (ISO/IEC 14496-15), made of parameter sets."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from recorder.rtsp.bits import Bits
from recorder.rtsp.description import VideoCodec
from recorder.rtsp.unsuited import Unsuited

_H264_SPS, _H264_PPS = 7, 8
_VPS, _SPS, _PPS = 32, 33, 34
_LENGTH_SIZE_MINUS_ONE = 3
_PLAIN_PROFILES = {66, 77, 88}
"""Baseline, Main and Extended: their pictures are 4:2:0 with 8 bits."""
_CHROMA_PROFILES = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135}
"""Those whose SPS says how colour is sampled (ITU-T H.264, 7.3.2.1.1)."""
_MONOCHROME, _YUV420, _YUV422, _YUV444 = range(4)
_LARGEST_SIDE = 1 << 15
_SETS_LIMIT = 31


@dataclass(frozen=True, slots=True)
class DecoderConfiguration:
    """Fits pictures whose NAL units follow their length in four bytes."""

    record: bytes
    """The `extradata` of a track."""
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class _Picture:
    width: int
    height: int
    chroma: int
    luma_bits: int
    chroma_bits: int


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
    except (ValueError, IndexError, struct.error):
        raise Unsuited("The camera's parameter sets can't be read.") from None


def _avc(found: dict[int, list[bytes]]) -> DecoderConfiguration:
    sets, others = found[_H264_SPS], found[_H264_PPS]
    picture = _h264_picture(sets[0])
    record = bytes((1, *sets[0][1:4], 0xFC | _LENGTH_SIZE_MINUS_ONE, 0xE0 | len(sets)))
    record += b"".join(struct.pack(">H", len(each)) + each for each in sets)
    record += bytes((len(others),)) + b"".join(struct.pack(">H", len(each)) + each for each in others)
    if sets[0][1] not in _PLAIN_PROFILES:
        record += bytes((0xFC | picture.chroma, 0xF8 | picture.luma_bits - 8, 0xF8 | picture.chroma_bits - 8, 0))
    return DecoderConfiguration(record, picture.width, picture.height)


def _hevc(found: dict[int, list[bytes]]) -> DecoderConfiguration:
    plain = _unescaped(found[_SPS][0])
    picture = _h265_picture(plain)
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


def _h264_picture(sps: bytes) -> _Picture:
    """ITU-T H.264, 7.3.2.1.1."""
    bits = Bits(_unescaped(sps))
    bits.skip(8)
    profile = bits.number(8)
    bits.skip(16)
    bits.unsigned()
    chroma, luma_bits, chroma_bits, are_planes_apart = _YUV420, 8, 8, 0
    if profile in _CHROMA_PROFILES:
        chroma = bits.unsigned()
        if chroma == _YUV444:
            are_planes_apart = bits.number(1)
        luma_bits, chroma_bits = 8 + bits.unsigned(), 8 + bits.unsigned()
        bits.skip(1)
        if bits.number(1):
            _skip_scaling(bits, 12 if chroma == _YUV444 else 8)
    bits.unsigned()
    order = bits.unsigned()
    if order == 0:
        bits.unsigned()
    elif order == 1:
        bits.skip(1)
        for _ in range(2):
            bits.unsigned()
        for _ in range(min(bits.unsigned(), 255)):
            bits.unsigned()
    bits.unsigned()
    bits.skip(1)
    width, rows = 16 * (bits.unsigned() + 1), 16 * (bits.unsigned() + 1)
    is_whole_frames = bits.number(1)
    if not is_whole_frames:
        bits.skip(1)
    bits.skip(1)
    cropped = [bits.unsigned() for _ in range(4)] if bits.number(1) else [0, 0, 0, 0]
    sampled = _MONOCHROME if are_planes_apart else chroma
    across = 2 if sampled in {_YUV420, _YUV422} else 1
    down = (2 if sampled == _YUV420 else 1) * (2 - is_whole_frames)
    height = rows * (2 - is_whole_frames)
    return _checked(width - across * sum(cropped[:2]), height - down * sum(cropped[2:]), chroma, luma_bits, chroma_bits)


def _h265_picture(plain: bytes) -> _Picture:
    """ITU-T H.265, 7.3.2.2.1, of an SPS without escapes."""
    bits = Bits(plain)
    bits.skip(16 + 4)
    others = bits.number(3)
    bits.skip(1 + 96)
    if others:
        described = [(bits.number(1), bits.number(1)) for _ in range(8)][:others]
        bits.skip(sum(88 * has_profile + 8 * has_level for has_profile, has_level in described))
    bits.unsigned()
    chroma = bits.unsigned()
    if chroma == _YUV444:
        bits.skip(1)
    width, height = bits.unsigned(), bits.unsigned()
    cropped = [bits.unsigned() for _ in range(4)] if bits.number(1) else [0, 0, 0, 0]
    across, down = (2 if chroma in {_YUV420, _YUV422} else 1), (2 if chroma == _YUV420 else 1)
    luma_bits, chroma_bits = 8 + bits.unsigned(), 8 + bits.unsigned()
    return _checked(width - across * sum(cropped[:2]), height - down * sum(cropped[2:]), chroma, luma_bits, chroma_bits)


def _skip_scaling(bits: Bits, lists: int) -> None:
    """ITU-T H.264, 7.3.2.1.1.1."""
    for number in range(lists):
        if not bits.number(1):
            continue
        last = following = 8
        for _ in range(16 if number < 6 else 64):  # noqa: PLR2004 - the first six are of 4x4 blocks
            if following:
                following = (last + bits.signed()) % 256
            last = following or last


def _checked(width: int, height: int, chroma: int, luma_bits: int, chroma_bits: int) -> _Picture:
    if not (0 < width <= _LARGEST_SIDE and 0 < height <= _LARGEST_SIDE and chroma <= _YUV444):
        raise ValueError("no such picture")
    if max(luma_bits, chroma_bits) > 15:  # noqa: PLR2004 - three bits in the record
        raise ValueError("no such colours")
    return _Picture(width, height, chroma, luma_bits, chroma_bits)


def _unescaped(nal: bytes) -> bytes:
    """Without the bytes that keep start codes out of a NAL unit."""
    return nal.replace(b"\0\0\3", b"\0\0")
