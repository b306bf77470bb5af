"""How many pictures a stream sends ahead of one that is shown before them: what its parameter sets say of B-frames."""

from collections.abc import Iterator

_START = b"\0\0\1"
_H264_SPS, _H265_SPS = 7, 33
_H264_BASELINE = 66
_HIGH_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
"""Those whose sets carry chroma format, bit depths and scaling lists (ITU-T H.264, 7.3.2.1.1)."""
_UNSAID = 2
"""Assumed where a stream may reorder and doesn't say how deep: two levels of B-frames."""
_DEEPEST = 16
_EXTENDED_ASPECT_RATIO = 255
_YUV444 = 3


def reordering_depth(codec: str, parameter_sets: bytes) -> int:
    """From parameter sets with start codes (Annex B); 0 for other codecs and for sets that can't be read."""
    read = {"h264": _h264, "hevc": _h265}.get(codec)
    if read is None:
        return 0
    wanted = _H264_SPS if codec == "h264" else _H265_SPS
    for unit in parameter_sets.split(_START):
        kind = (unit[0] & 31 if codec == "h264" else unit[0] >> 1 & 63) if unit else -1
        if kind == wanted:
            try:
                return min(read(_Bits(unit)), _DEEPEST)
            except IndexError:
                return 0  # cut short: nothing can be known
    return 0


def _h264(bits: "_Bits") -> int:
    """ITU-T H.264, 7.3.2.1.1 and E.1.1."""
    bits.skip(8)
    profile = bits.take(8)
    bits.skip(16)
    bits.golomb()
    if profile in _HIGH_PROFILES:
        _skip_picture_format(bits)
    bits.golomb()
    order_type = bits.golomb()
    if order_type == 0:
        bits.golomb()
    elif order_type == 1:
        bits.skip(1)
        for _ in range(2):
            bits.golomb()
        for _ in range(bits.golomb()):
            bits.golomb()
    references = bits.golomb()
    bits.skip(1)
    bits.golomb()
    bits.golomb()
    if not bits.take(1):
        bits.skip(1)
    bits.skip(1)
    if bits.take(1):
        for _ in range(4):
            bits.golomb()
    said = _h264_usability(bits) if bits.take(1) else None
    if said is not None:
        return said
    # Order type 2, the baseline profile and a single reference leave no room for B-frames.
    return 0 if profile == _H264_BASELINE or order_type not in {0, 1} else min(_UNSAID, max(0, references - 1))


def _skip_picture_format(bits: "_Bits") -> None:
    chroma = bits.golomb()
    bits.skip(1 if chroma == _YUV444 else 0)
    bits.golomb()
    bits.golomb()
    bits.skip(1)
    if bits.take(1):
        _skip_scaling_lists(bits, 12 if chroma == _YUV444 else 8)


def _h264_usability(bits: "_Bits") -> int | None:
    """max_num_reorder_frames of the VUI parameters; None where they leave it open."""
    if bits.take(1) and bits.take(8) == _EXTENDED_ASPECT_RATIO:
        bits.skip(32)
    if bits.take(1):
        bits.skip(1)
    if bits.take(1):
        bits.skip(4)
        bits.skip(24 if bits.take(1) else 0)
    if bits.take(1):
        bits.golomb()
        bits.golomb()
    if bits.take(1):
        bits.skip(65)
    has_hrd = False
    for _ in ("NAL", "VCL"):
        if bits.take(1):
            _skip_hrd(bits)
            has_hrd = True
    bits.skip(2 if has_hrd else 1)
    if not bits.take(1):
        return None
    bits.skip(1)
    for _ in range(4):
        bits.golomb()
    return bits.golomb()


def _skip_hrd(bits: "_Bits") -> None:
    count = bits.golomb() + 1
    bits.skip(8)
    for _ in range(count):
        bits.golomb()
        bits.golomb()
        bits.skip(1)
    bits.skip(20)


def _skip_scaling_lists(bits: "_Bits", count: int) -> None:
    for number in range(count):
        if not bits.take(1):
            continue
        last = scale = 8
        for _ in range(16 if number < 6 else 64):  # noqa: PLR2004 - six lists of 4x4, then those of 8x8
            if scale:
                code = bits.golomb()
                scale = (last + (code + 1) // 2 * (1 if code % 2 else -1)) % 256
            last = scale or last


def _h265(bits: "_Bits") -> int:
    """ITU-T H.265, 7.3.2.2.1 and 7.3.3."""
    bits.skip(16 + 4)
    layers = bits.take(3)
    bits.skip(1 + 88 + 8)
    present = [(bits.take(1), bits.take(1)) for _ in range(layers)]
    if layers:
        bits.skip(2 * (8 - layers))
    for has_profile, has_level in present:
        bits.skip(88 if has_profile else 0)
        bits.skip(8 if has_level else 0)
    bits.golomb()
    if bits.golomb() == _YUV444:
        bits.skip(1)
    bits.golomb()
    bits.golomb()
    if bits.take(1):
        for _ in range(4):
            bits.golomb()
    for _ in range(3):
        bits.golomb()
    depth = 0
    for _ in range(layers + 1 if bits.take(1) else 1):
        bits.golomb()
        depth = bits.golomb()
        bits.golomb()
    return depth


class _Bits:
    """The bits of a NAL unit without its emulation prevention bytes. IndexError past its end."""

    def __init__(self, unit: bytes) -> None:
        raw = unit.replace(b"\0\0\3", b"\0\0")
        self._value, self._left = int.from_bytes(raw, "big"), 8 * len(raw)

    def take(self, count: int) -> int:
        self.skip(count)
        return self._value >> self._left & ((1 << count) - 1)

    def skip(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise IndexError

    def golomb(self) -> int:
        """ue(v) of both standards' clause 9."""
        zeros = sum(1 for _ in self._leading_zeros())
        return (1 << zeros) - 1 + self.take(zeros)

    def _leading_zeros(self) -> Iterator[None]:
        while not self.take(1):
            yield
