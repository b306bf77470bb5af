"""RTP packets of a video track, joined to access units: what H.264 and H.265 have in common.

An access unit ends where libav's parsers end it: before the first slice of another picture, before what introduces one
(delimiter, parameter sets, SEI), and where the timestamp changes. The marker bit only tells it earlier, and is believed
once it was right for a while: some cameras set it on every packet, or at the end of every slice.
"""

import struct
from abc import ABC, abstractmethod
from enum import Enum, auto

from recorder.rtsp.rtp import HEADER, HEADER_BYTES, PLAIN, TrackClock, payload
from recorder.rtsp.units import AccessUnit

HELD_LIMIT_BYTES = 64 << 20
"""An access unit that has no end by then has lost it."""
_PROBATION_UNITS = 4
"""After so many right markers they are believed. As long, pictures are searched for start codes."""
_START = b"\0\0\1"
_LENGTH = bytes(4)
_DOLLAR = 0x24
_MODULO_16 = 0xFFFF
_NEXT = 1 << 32
"""One sequence number further."""
_MARKER = 0x80
_MARKED = _MARKER << 48
_LAST_FRAGMENT = 0x40


class Part(Enum):
    """What a NAL unit is to an access unit."""

    INTRODUCES = auto()
    """It comes before a picture: after one, the next access unit begins with it."""
    SETS = auto()
    """The same, and it is a parameter set."""
    FIRST_SLICE = auto()
    FIRST_KEY_SLICE = auto()
    """The first slice of a picture that decoding can begin with."""
    SLICE = auto()
    """Another slice of a picture."""
    GOES_ON = auto()
    """Whatever else belongs to the access unit that is begun."""


class Pictures(ABC):
    """Depacketizes one video track."""

    header_bytes: int
    """Of a NAL unit."""
    keeps_sets: bool
    """Whether parameter sets stay in the access units."""
    quick: struct.Struct
    """Three numbers: channel and length; type, sequence number and timestamp; what stands in front of the content of a
    fragment."""

    def __init__(self, channel: int, payload_type: int, clock: TrackClock) -> None:
        self.damaged = 0
        """Access units of which packets are missing."""
        self._key = _DOLLAR << 8 | channel
        self._payload_type = payload_type
        self.clock = clock
        self._plain = (0x8000 | payload_type) << 48
        self._wanted = -1
        """The first eight bytes of the next packet, if it has no marker and is of the same time: type, sequence number
        and timestamp. -1 before the first."""
        self._inner = -1
        """What `quick` reads last where the NAL unit that is coming goes on; -1 if none is."""
        self._time = -1
        self._is_marked = False
        self._right_markers = 0
        self._markers_lie = False
        self._units = 0
        self._is_annex_b = False
        # The access unit that is being joined:
        self._held_bytes = 0
        self._pieces: list[bytes | memoryview] = []
        self._sets: list[bytes] = []
        self._has_picture = False
        self._is_keyframe = False
        self._recovers = False
        self._is_damaged = False
        # The NAL unit of it whose fragments are coming:
        self._fragment_at = -1
        self._fragment_part = Part.GOES_ON

    def take(self, data: bytes, view: memoryview, at: int, end: int, units: list[AccessUnit]) -> int:
        """Take this channel's frames from `at` on, as many as are there in a row, one at least, which is whole; where
        the next begins.
        """
        unpack, append, mine = self.quick.unpack_from, self._pieces.append, self._key
        head = 4 + HEADER_BYTES + self.header_bytes + 1
        last, usual = end - head, -1
        wanted, inner = self._wanted, self._inner
        while at <= last:
            # Nearly all packets are inner fragments: no marker, no loss, no other time, no beginning and no end.
            word, identity, fragment = unpack(data, at)
            stop = at + 4 + (word & 0xFFFF)
            if stop > end:
                break
            if identity == wanted and fragment == inner and (word == usual or self._holds(word, head)):
                append(view[at + head : stop])
                wanted += _NEXT
                usual, at = word, stop
                continue
            if word >> 16 != mine:
                break
            self._wanted = wanted
            if identity == wanted | _MARKED and fragment == inner | _LAST_FRAGMENT and self._holds(word, head):
                append(view[at + head : stop])
                self._wanted += _NEXT
                self._end_fragments(units)
                self._marked(units)
            else:
                self._packet(data, view, at + 4, stop, units)
            append, wanted, inner = self._pieces.append, self._wanted, self._inner
            at = stop
        self._wanted = wanted
        while at + 4 <= end and data[at] << 8 | data[at + 1] == mine:
            # Shorter than a fragment's head, and the last that is here.
            stop = at + 4 + (data[at + 2] << 8 | data[at + 3])
            if stop > end:
                break
            self._packet(data, view, at + 4, stop, units)
            at = stop
        return at

    def _holds(self, word: int, head: int) -> bool:
        """Whether it is of this channel, and its length that of a fragment."""
        return word >> 16 == self._key and word & 0xFFFF >= head - 4

    def taken(self, size_bytes: int) -> None:
        """The whole buffer of that size is taken: what is still being joined keeps it in memory."""
        self._held_bytes = self._held_bytes + size_bytes if self._pieces else 0
        if self._held_bytes > HELD_LIMIT_BYTES:
            self._begin_unit()
            self.damaged += 1

    def _packet(self, data: bytes, view: memoryview, start: int, stop: int, units: list[AccessUnit]) -> None:
        found = (
            (start + HEADER_BYTES, stop)
            if data[start] == PLAIN and stop - start >= HEADER_BYTES
            else payload(data, start, stop)
        )
        if found is None:
            return
        _, second, sequence, time = HEADER.unpack_from(data, start)
        if second & 0x7F != self._payload_type:
            return
        if self._wanted >= 0 and sequence != self._wanted >> 32 & _MODULO_16:
            self._is_damaged = True
        self._wanted = self._plain | (sequence + 1 & _MODULO_16) << 32 | time
        if time != self._time:
            if self._fragment_at >= 0:
                self._end_fragments(units)
            self._picture_is_over(units)
            self._time = time
        begin, end = found
        if end - begin >= self.header_bytes:
            self._payload(data, view, begin, end, units)
        if second & _MARKER:
            self._marked(units)

    def _marked(self, units: list[AccessUnit]) -> None:
        """The packet that was taken last says that the picture ends with it."""
        self._is_marked = True
        if self._has_picture and self._right_markers >= _PROBATION_UNITS and self._fragment_at < 0:
            self._emit(units)

    @abstractmethod
    def _payload(self, data: bytes, view: memoryview, begin: int, end: int, units: list[AccessUnit]) -> None:
        """Single NAL unit, several of them, or a fragment."""

    @abstractmethod
    def _part(self, nal: bytes | memoryview) -> Part:
        """What a NAL unit is, by its header and the first byte behind it."""

    def _recovery_point(self, nal: bytes | memoryview) -> bool:  # noqa: ARG002 - H.265 knows better
        """Whether it says that decoding can begin here although no keyframe follows."""
        return False

    def _fragment(
        self, view: memoryview, begin: int, end: int, nal_header: bytes, flags: int, units: list[AccessUnit]
    ) -> None:
        """The content of a fragment whose head is read; `flags` has its beginning (0x80) and its end (0x40)."""
        if flags & 0x80:
            if self._fragment_at >= 0:
                self._end_fragments(units)
            self._fragment_part = self._part(nal_header + view[begin : begin + 1])
            self._place(self._fragment_part, units)
            self._fragment_at = len(self._pieces)
            self._pieces += (_LENGTH + nal_header, view[begin:end])
        elif self._fragment_at >= 0:
            self._pieces.append(view[begin:end])
        else:
            self._is_damaged = True  # its beginning was lost, and with it what it is: libav would add it to another
            return
        if flags & 0x40:
            self._end_fragments(units)

    def _end_fragments(self, units: list[AccessUnit]) -> None:
        """The NAL unit whose fragments came is as whole as it gets."""
        at, self._fragment_at = self._fragment_at, -1
        self._inner = -1
        if at < 0:
            return
        parts = self._pieces[at:]
        nal_header = parts[0][len(_LENGTH) :]
        if self._is_looked_at(self._fragment_part):
            del self._pieces[at:]
            parts[0] = nal_header
            self._add(self._fragment_part, b"".join(parts), units)
        else:
            size = sum(map(len, parts)) - len(_LENGTH)
            self._pieces[at] = size.to_bytes(len(_LENGTH), "big") + nal_header

    def _nal(self, nal: bytes | memoryview, units: list[AccessUnit]) -> None:
        """A whole NAL unit."""
        if len(nal) >= self.header_bytes:
            part = self._part(nal)
            self._place(part, units)
            self._add(part, nal, units)

    def _is_looked_at(self, part: Part) -> bool:
        """Whether a NAL unit is worth the copy that looking at all of it takes."""
        return part is Part.SETS or part is Part.INTRODUCES or self._units < _PROBATION_UNITS or self._is_annex_b

    def _add(self, part: Part, nal: bytes | memoryview, units: list[AccessUnit]) -> None:
        """A whole NAL unit, which is in its place."""
        others: list[bytes] = []
        if self._is_looked_at(part):
            nal = bytes(nal)
            if _START in nal:
                # No NAL unit holds a start code: the camera sends a byte stream in what should be single units.
                self._is_annex_b = True
                nal, *others = (each.rstrip(b"\0") for each in nal.split(_START))
        if part is Part.SETS:
            self._sets.append(bytes(nal))
        elif part is Part.INTRODUCES and self._recovery_point(nal):
            self._recovers = True
        if nal and (part is not Part.SETS or self.keeps_sets):
            self._pieces += (len(nal).to_bytes(4, "big"), nal)
        for each in others:
            self._nal(each, units)

    def _place(self, part: Part, units: list[AccessUnit]) -> None:
        """Ends the access unit if this NAL unit begins another."""
        if part is Part.GOES_ON or part is Part.SLICE:
            if self._is_marked:  # it would have been cut off had the marker been believed
                self._markers_lie, self._right_markers = True, 0
            if part is Part.SLICE and not self._has_picture:
                self._has_picture = self._is_damaged = True
            return
        self._picture_is_over(units)
        if part is Part.FIRST_SLICE or part is Part.FIRST_KEY_SLICE:
            self._has_picture = True
            self._is_keyframe = self._recovers or part is Part.FIRST_KEY_SLICE

    def _picture_is_over(self, units: list[AccessUnit]) -> None:
        """If there is one; what introduces the next stays."""
        if self._has_picture:
            if self._is_marked and not self._markers_lie:
                self._right_markers += 1
            self._emit(units)
        self._is_marked = False

    def _emit(self, units: list[AccessUnit]) -> None:
        pieces, ticks, sets = self._pieces, self.clock.ticks(self._time), tuple(self._sets)
        units.append(AccessUnit(True, pieces, sum(map(len, pieces)), ticks, self._is_keyframe, sets, self._is_damaged))
        self._units += 1
        self.damaged += self._is_damaged
        self._begin_unit()

    def _begin_unit(self) -> None:
        self._pieces, self._sets, self._held_bytes = [], [], 0
        self._has_picture = self._is_keyframe = self._recovers = self._is_damaged = False
        self._fragment_at = self._inner = -1
