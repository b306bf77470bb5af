"""What a sequence parameter set says of the pictures that follow it."""

from dataclasses import dataclass

from recorder.bits import Bits

_H264_BASELINE = 66
_HIGH_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
"""Those whose sets carry chroma format, bit depths and scaling lists (ITU-T H.264, 7.3.2.1.1)."""
_MONOCHROME, _YUV420, _YUV422, _YUV444 = range(4)
_UNSAID = 2
"""Assumed where a stream may reorder and doesn't say how deep: two levels of B-frames."""
_EXTENDED_ASPECT_RATIO = 255
_LARGEST_SIDE = 1 << 15
_MOST_BITS = 15
_MOST_REFERENCES = 255


@dataclass(frozen=True, slots=True)
class Sequence:
    """Width and height are what is shown."""

    width: int
    height: int
    chroma: int
    """How colour is sampled: 0 not at all, 1 for 4:2:0, 2 for 4:2:2, 3 for 4:4:4."""
    luma_bits: int
    chroma_bits: int
    reordered: int
    """How many pictures are sent at most ahead of one that is shown before them."""


def h264_sequence(sps: bytes) -> Sequence:
    """Of a NAL unit (ITU-T H.264, 7.3.2.1.1). ValueError if it can't be one."""
    bits = Bits(_plain(sps))
    bits.skip(8)
    profile = bits.number(8)
    bits.skip(16)
    bits.unsigned()
    chroma, luma_bits, chroma_bits, are_planes_apart = _YUV420, 8, 8, 0
    if profile in _HIGH_PROFILES:
        chroma = bits.unsigned()
        are_planes_apart = bits.number(1) if chroma == _YUV444 else 0
        luma_bits, chroma_bits = 8 + bits.unsigned(), 8 + bits.unsigned()
        bits.skip(1)
        if bits.number(1):
            _skip_scaling_lists(bits, 12 if chroma == _YUV444 else 8)
    bits.unsigned()
    order = bits.unsigned()
    if order == 0:
        bits.unsigned()
    elif order == 1:
        bits.skip(1)
        bits.skip_unsigned(2)
        bits.skip_unsigned(min(bits.unsigned(), _MOST_REFERENCES))
    references = bits.unsigned()
    bits.skip(1)
    across, down = 16 * (bits.unsigned() + 1), 16 * (bits.unsigned() + 1)
    fields = 2 - bits.number(1)
    bits.skip(fields)  # whether frames are coded by fields, if they may be, and how motion is predicted
    sampled = _MONOCHROME if are_planes_apart else chroma
    width, height = _cropped(bits, across, down * fields, sampled, fields)
    try:
        said = _h264_reordered(bits) if bits.number(1) else None
    except ValueError:
        said = 0  # cut short: nothing can be known
    if said is None:
        # Order type 2, the baseline profile and a single reference leave no room for B-frames.
        may_reorder = profile != _H264_BASELINE and order in {0, 1}
        said = min(_UNSAID, max(0, references - 1)) if may_reorder else 0
    return _checked(Sequence(width, height, chroma, luma_bits, chroma_bits, said))


def h265_sequence(sps: bytes) -> Sequence:
    """Of a NAL unit (ITU-T H.265, 7.3.2.2.1 and 7.3.3). ValueError if it can't be one."""
    bits = Bits(_plain(sps))
    bits.skip(16 + 4)
    layers = bits.number(3)
    bits.skip(1 + 88 + 8)
    present = [(bits.number(1), bits.number(1)) for _ in range(layers)]
    if layers:
        bits.skip(2 * (8 - layers))
    for has_profile, has_level in present:
        bits.skip(88 * has_profile + 8 * has_level)
    bits.unsigned()
    chroma = bits.unsigned()
    are_planes_apart = bits.number(1) if chroma == _YUV444 else 0
    across, down = bits.unsigned(), bits.unsigned()
    width, height = _cropped(bits, across, down, _MONOCHROME if are_planes_apart else chroma)
    luma_bits, chroma_bits = 8 + bits.unsigned(), 8 + bits.unsigned()
    bits.unsigned()
    reordered = 0
    for _ in range(layers + 1 if bits.number(1) else 1):
        bits.unsigned()
        reordered = bits.unsigned()
        bits.unsigned()
    return _checked(Sequence(width, height, chroma, luma_bits, chroma_bits, reordered))


def _cropped(bits: Bits, width: int, height: int, sampled: int, fields: int = 1) -> tuple[int, int]:
    """What is left of the coded picture. The edges are told in samples of colour, and in lines of a field."""
    if not bits.number(1):
        return width, height
    left, right, top, bottom = (bits.unsigned() for _ in range(4))
    across = 2 if sampled in {_YUV420, _YUV422} else 1
    down = fields * (2 if sampled == _YUV420 else 1)
    return width - across * (left + right), height - down * (top + bottom)


def _h264_reordered(bits: Bits) -> int | None:
    """max_num_reorder_frames of the VUI parameters (ITU-T H.264, E.1.1); None where they leave it open."""
    if bits.number(1) and bits.number(8) == _EXTENDED_ASPECT_RATIO:
        bits.skip(32)
    if bits.number(1):
        bits.skip(1)
    if bits.number(1):
        bits.skip(4)
        bits.skip(24 if bits.number(1) else 0)
    if bits.number(1):
        bits.skip_unsigned(2)
    if bits.number(1):
        bits.skip(65)
    has_buffer = False
    for _ in ("NAL", "VCL"):
        if bits.number(1):
            _skip_buffer(bits)
            has_buffer = True
    bits.skip(2 if has_buffer else 1)
    if not bits.number(1):
        return None
    bits.skip(1)
    bits.skip_unsigned(4)
    return bits.unsigned()


def _skip_buffer(bits: Bits) -> None:
    """The parameters of a hypothetical decoder's buffer (ITU-T H.264, E.1.2)."""
    count = bits.unsigned() + 1
    bits.skip(8)
    for _ in range(count):
        bits.skip_unsigned(2)
        bits.skip(1)
    bits.skip(20)


def _skip_scaling_lists(bits: Bits, lists: int) -> None:
    """ITU-T H.264, 7.3.2.1.1.1."""
    for number in range(lists):
        if not bits.number(1):
            continue
        last = scale = 8
        for _ in range(16 if number < 6 else 64):  # noqa: PLR2004 - six lists of 4x4, then those of 8x8
            if scale:
                scale = (last + bits.signed()) % 256
            last = scale or last


def _checked(sequence: Sequence) -> Sequence:
    is_picture = 0 < sequence.width <= _LARGEST_SIDE and 0 < sequence.height <= _LARGEST_SIDE
    if not is_picture or sequence.chroma > _YUV444 or max(sequence.luma_bits, sequence.chroma_bits) > _MOST_BITS:
        raise ValueError("no such pictures")
    return sequence


def _plain(unit: bytes) -> bytes:
    """Without the bytes that keep start codes out of a NAL unit."""
    return unit.replace(b"\0\0\3", b"\0\0")
