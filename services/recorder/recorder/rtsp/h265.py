"""RTP payloads of H.265 (RFC 7798), without decoding order numbers."""

import struct

from recorder.rtsp.pictures import Part, Pictures
from recorder.rtsp.units import AccessUnit

_AGGREGATION, _FRAGMENT = 48, 49
_LAST_SINGLE = 47
# ITU-T H.265, table 7-1. VPS, SPS and PPS are 32 to 34; IRAP pictures 16 to 23; the rest as libav's parser groups them.
_SETS = range(32, 35)
_SLICES, _KEY_SLICES = range(32), range(16, 24)
_INTRODUCES = {35, 36, 37, 39, *range(41, 45)}


class H265(Pictures):
    header_bytes = 2
    keeps_sets = False
    quick = struct.Struct(">IQ3xI")  # with a byte of the source, since there is no number of three bytes

    def _payload(self, data: bytes, view: memoryview, begin: int, end: int, units: list[AccessUnit]) -> None:
        first = data[begin]
        kind = first >> 1 & 0x3F
        if kind == _FRAGMENT:
            if end - begin > 2:  # noqa: PLR2004 - the header that all NAL units have
                second, flags = data[begin + 1], data[begin + 2]
                nal_header = bytes((first & 0x81 | (flags & 0x3F) << 1, second))
                self._fragment(view, begin + 3, end, nal_header, flags, units)
                if self._fragment_at >= 0:
                    self._inner = data[begin - 1] << 24 | first << 16 | second << 8 | flags & 0x3F
        elif kind <= _LAST_SINGLE:
            self._end_fragments(units)
            self._nal(view[begin:end], units)
        elif kind == _AGGREGATION:
            self._end_fragments(units)
            at = begin + 2
            while at + 2 < end:
                size = data[at] << 8 | data[at + 1]
                self._nal(view[at + 2 : min(at + 2 + size, end)], units)
                at += 2 + size

    def _part(self, nal: bytes | memoryview) -> Part:
        kind = nal[0] >> 1 & 0x3F
        if nal[0] & 1 or nal[1] >> 3:
            return Part.GOES_ON  # another layer than the one that everybody decodes
        if kind in _SLICES:
            if len(nal) < 3 or not nal[2] & 0x80:  # noqa: PLR2004 - first_slice_segment_in_pic_flag follows the header
                return Part.SLICE
            return Part.FIRST_KEY_SLICE if kind in _KEY_SLICES else Part.FIRST_SLICE
        if kind in _SETS:
            return Part.SETS
        return Part.INTRODUCES if kind in _INTRODUCES else Part.GOES_ON
