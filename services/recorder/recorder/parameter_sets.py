"""The parameter sets in front of a keyframe: they say which resolution and profile the following pictures have."""

from recorder.rtsp.decoder_configuration import decoder_configuration
from recorder.rtsp.unsuited import Unsuited
from recorder.samples import Sample, pieces_of

_HEAD_BYTES = 16 << 10
_START = b"\0\0\1"
# ITU-T H.264 table 7-1: SPS, PPS. ITU-T H.265 table 7-1: VPS, SPS, PPS.
_H264_SETS, _H264_PICTURES = {7, 8}, range(1, 6)
_HEVC_SETS, _HEVC_PICTURES = {32, 33, 34}, range(32)


def parameter_sets(packet: Sample, codec: str) -> bytes | None:
    """Those of a keyframe in Annex B form, as sample descriptions are made from; None unless it brings all of them."""
    if isinstance(packet.opaque, bytes):
        return packet.opaque or None  # our own client tells them apart from the picture
    head = bytes(pieces_of(packet)[0][:_HEAD_BYTES])
    if codec not in {"h264", "hevc"} or not head.startswith((b"\0" + _START, _START)):
        return None
    wanted, pictures = (_H264_SETS, _H264_PICTURES) if codec == "h264" else (_HEVC_SETS, _HEVC_PICTURES)
    sets, found = bytearray(), set()
    for unit in head.split(_START)[1:]:
        if not unit:
            continue
        kind = unit[0] & 31 if codec == "h264" else unit[0] >> 1 & 63
        if kind in pictures:
            break
        if kind in wanted:
            found.add(kind)
            # Zeros before a start code belong to it; a set ends with a one bit.
            sets += b"\0" + _START + unit.rstrip(b"\0")
    return bytes(sets) if found == wanted else None


def picture_size(sets: bytes, codec: str) -> tuple[int, int] | None:
    """Width and height by parameter sets in Annex B form; None where they can't be read."""
    if codec not in {"h264", "hevc"}:
        return None
    try:
        found = decoder_configuration("h264" if codec == "h264" else "hevc", sets.split(b"\0" + _START)[1:])
    except Unsuited:
        return None
    return None if found is None else (found.width, found.height)
