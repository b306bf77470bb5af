"""RTP packets of an audio track: AAC (RFC 3640, mode AAC-hbr) and G.711 (RFC 3551)."""

from abc import ABC, abstractmethod

from recorder.rtsp.rtp import TrackClock, header, payload
from recorder.rtsp.units import AccessUnit

_DOLLAR = 0x24
_MODULO_16 = 0xFFFF
_HEADER_BITS = 16
"""Of a frame: 13 for its size, 3 for its index."""


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
        """Take this channel's frames from `at` on, as many as are there in a row; where they end."""
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
        payload_type, _, sequence, time = header(data, start)
        if payload_type != self._payload_type:
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
