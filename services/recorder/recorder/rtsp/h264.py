"""RTP payloads of H.264 (RFC 6184), packetization modes 0 and 1."""

import struct

from recorder.rtsp.pictures import Part, Pictures
from recorder.rtsp.units import AccessUnit

_STAP_A, _FU_A = 24, 28
_LAST_SINGLE = 23
_SEI = 6
_RECOVERY_POINT = 6
"""The SEI of that number (ITU-T H.264, D.2.8)."""
# ITU-T H.264, table 7-1.
_PARTS = {
    5: Part.FIRST_KEY_SLICE,
    1: Part.FIRST_SLICE,
    2: Part.FIRST_SLICE,
    7: Part.SETS,
    8: Part.SETS,
} | dict.fromkeys((_SEI, 9), Part.INTRODUCES)


class H264(Pictures):
    header_bytes = 1
    keeps_sets = True
    quick = struct.Struct(">IQ4xH")

    def _payload(self, data: bytes, view: memoryview, begin: int, end: int, units: list[AccessUnit]) -> None:
        indicator = data[begin]
        kind = indicator & 0x1F
        if kind == _FU_A:
            if end - begin > 1:
                flags = data[begin + 1]
                nal_header = bytes((indicator & 0xE0 | flags & 0x1F,))
                self._fragment(view, begin + 2, end, nal_header, flags, units)
                if self._fragment_at >= 0:
                    self._inner = indicator << 8 | flags & 0x1F
        elif kind <= _LAST_SINGLE:
            self._end_fragments(units)
            self._nal(view[begin:end], units)
        elif kind == _STAP_A:
            self._end_fragments(units)
            at = begin + 1
            while at + 2 < end:
                size = data[at] << 8 | data[at + 1]
                self._nal(view[at + 2 : min(at + 2 + size, end)], units)
                at += 2 + size

    def _part(self, nal: bytes | memoryview) -> Part:
        part = _PARTS.get(nal[0] & 0x1F, Part.GOES_ON)
        if part is Part.FIRST_SLICE or part is Part.FIRST_KEY_SLICE:
            # first_mb_in_slice, an Exp-Golomb number: 0 is one set bit.
            return part if len(nal) > 1 and nal[1] & 0x80 else Part.SLICE
        return part

    def _recovery_point(self, nal: bytes | memoryview) -> bool:
        """A stream that refreshes its picture bit by bit has these instead of keyframes; libav takes them for such."""
        if nal[0] & 0x1F != _SEI:
            return False
        at = 1
        while at + 2 < len(nal):  # a message has a type, a size and content
            kind = size = 0
            while at < len(nal) and nal[at] == 0xFF:  # noqa: PLR2004 - ITU-T H.264, 7.3.2.3.1
                kind, at = kind + 0xFF, at + 1
            kind, at = kind + (nal[at] if at < len(nal) else 0), at + 1
            while at < len(nal) and nal[at] == 0xFF:  # noqa: PLR2004 - the same
                size, at = size + 0xFF, at + 1
            size, at = size + (nal[at] if at < len(nal) else 0), at + 1
            if kind == _RECOVERY_POINT:
                return True
            at += size
        return False
