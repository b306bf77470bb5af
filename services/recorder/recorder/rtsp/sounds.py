"""RTP packets of an audio track: AAC (RFC 3640, mode AAC-hbr) and G.711 (RFC 3551)."""

import struct
from abc import ABC, abstractmethod

from recorder.rtsp.rtp import HEADER, HEADER_BYTES, PLAIN, TrackClock, payload
from recorder.rtsp.units import AccessUnit

_DOLLAR = 0x24
_MODULO_16 = 0xFFFF
_HEADER_BITS = 16
"""Of a frame: 13 for its size, 3 for its index."""
_USUAL = struct.Struct(">IHHI4xHH")
"""A packet with one frame: channel and length; type; sequence number; timestamp; the bits of all frames' headers, and
the one frame's header."""
_USUAL_BYTES = _USUAL.size


class Sounds(ABC):
    """Depacketizes one audio track."""

    def __init__(self, channel: int, payload_type: int, clock: TrackClock) -> None:
        self.damaged = 0
        """Packets after which one is missing."""
        self._key = _DOLLAR << 8 | channel
        self._payload_type = payload_type
        self.clock = clock
        self._expected = -1

    def take(self, data: bytes, view: memoryview, at: int, end: int, units: list[AccessUnit]) -> int:
        """Take this channel's frames from `at` on, one at least, which is whole; where the next begins."""
        while at + 4 <= end and data[at] << 8 | data[at + 1] == self._key:
            stop = at + 4 + (data[at + 2] << 8 | data[at + 3])
            if stop > end:
                break
            self._packet(data, view, at + 4, stop, units)
            at = stop
        return at

    def _packet(self, data: bytes, view: memoryview, start: int, stop: int, units: list[AccessUnit]) -> None:
        found = payload(data, start, stop)
        if found is None:
            return
        _, second, sequence, time = HEADER.unpack_from(data, start)
        if second & 0x7F != self._payload_type:
            return  # comfort noise, for one
        is_damaged = sequence != self._expected and self._expected >= 0
        self.damaged += is_damaged
        self._expected = sequence + 1 & _MODULO_16
        begin, end = found
        if begin < end:
            self._payload(bytes(view[begin:end]), self.clock.ticks(time), is_damaged, units)

    @abstractmethod
    def _payload(self, content: bytes, ticks: int, is_damaged: bool, units: list[AccessUnit]) -> None:
        """What one packet carries."""


class G711(Sounds):
    """Every packet is as many samples as it has bytes."""

    def _payload(self, content: bytes, ticks: int, is_damaged: bool, units: list[AccessUnit]) -> None:
        units.append(AccessUnit(False, (content,), len(content), ticks, True, (), is_damaged))


class Aac(Sounds):
    """A packet carries several frames, one, or a piece of one."""

    def __init__(self, channel: int, payload_type: int, clock: TrackClock, frame_ticks: int) -> None:
        super().__init__(channel, payload_type, clock)
        self._frame_ticks = frame_ticks
        self._pieces = b""
        self._pieces_ticks = 0
        self._plain = PLAIN << 8 | payload_type

    def take(self, data: bytes, view: memoryview, at: int, end: int, units: list[AccessUnit]) -> int:
        if at + _USUAL_BYTES <= end:
            # Nearly all packets are one frame as a whole, with nothing missing before it.
            word, kind, sequence, time, bits, size = _USUAL.unpack_from(data, at)
            size >>= 3
            stop: int = at + _USUAL_BYTES + size
            if (
                sequence == self._expected
                and word == self._key << 16 | HEADER_BYTES + 4 + size
                and kind & 0xFF7F == self._plain
                and bits == _HEADER_BITS
                and size
                and stop <= end
            ):
                self._expected = sequence + 1 & _MODULO_16
                content = data[at + _USUAL_BYTES : stop]
                units.append(AccessUnit(False, (content,), size, self.clock.ticks(time), True))
                return stop
        return super().take(data, view, at, end, units)

    def _payload(self, content: bytes, ticks: int, is_damaged: bool, units: list[AccessUnit]) -> None:
        count = (content[0] << 8 | content[1]) // _HEADER_BITS if len(content) > 2 else 0  # noqa: PLR2004 - its length
        at = 2 + 2 * count
        if not count or at > len(content):
            self.damaged += 1
            return
        for number in range(count):
            size = (content[2 + 2 * number] << 8 | content[3 + 2 * number]) >> 3
            frame = content[at : at + size]
            at += size
            if len(frame) < size:
                if count > 1:
                    self.damaged += 1  # only a frame that is alone may go on in the next packet (RFC 3640, 3.1)
                    return
                frame = self._joined(frame, size, ticks, is_damaged)
            if frame:
                place = ticks + number * self._frame_ticks
                units.append(AccessUnit(False, (frame,), len(frame), place, True, (), is_damaged))

    def _joined(self, piece: bytes, size: int, ticks: int, is_damaged: bool) -> bytes:
        """The frame, once its last piece is there."""
        if is_damaged or ticks != self._pieces_ticks:
            self._pieces, self._pieces_ticks = b"", ticks
        self._pieces += piece
        if len(self._pieces) < size:
            return b""
        frame, self._pieces = self._pieces, b""
        return frame if len(frame) == size else b""
