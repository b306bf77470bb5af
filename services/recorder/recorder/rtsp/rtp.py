"""Packets of RTP (RFC 3550, section 5) and the clock that counts in them."""

import struct

HEADER = struct.Struct(">BBHI")
"""What a packet begins with: two bytes of flags, sequence number and timestamp."""
HEADER_BYTES = 12
PLAIN = 0x80
"""The first byte of a packet without sources, extension and padding."""
_VERSION = 2
_NEARBY_SECONDS = 10.0
"""Sound and picture that are further apart are so by mistake."""
_NOTICED_SECONDS = 0.04
_DRIFT_SECONDS = 1.0
_HALF, _WHOLE = 1 << 31, 1 << 32


def payload(data: bytes, start: int, stop: int) -> tuple[int, int] | None:
    """Where the payload of a packet is, without sources, extension and padding; None if it is no packet."""
    if stop - start < HEADER_BYTES:
        return None
    first = data[start]
    if first >> 6 != _VERSION:
        return None
    at = start + HEADER_BYTES + 4 * (first & 0x0F)
    if first & 0x10:
        if stop - at < 4:  # noqa: PLR2004 - an extension's own header
            return None
        at += 4 + 4 * (data[at + 2] << 8 | data[at + 3])
    if first & 0x20 and at < stop:
        stop -= data[stop - 1]
    return (at, stop) if at <= stop else None


class TrackClock:
    """Makes a track's 32-bit timestamps a scale that doesn't wrap."""

    def __init__(self, clock_hz: int, origin: int | None = None) -> None:
        """`origin` is the timestamp of the session's beginning, where the camera told it (RTP-Info)."""
        self.clock_hz = clock_hz
        self._origin = origin
        self._last: int | None = None
        self._ticks = 0
        self._report: tuple[int, int] | None = None
        self._is_following = False
        self.beside: TrackClock | None = None
        """The other track's. Where the camera doesn't tell it, what comes at once is taken to have been at once."""

    @property
    def seconds(self) -> float:
        """The place of the newest timestamp; 0 before the first."""
        return self._ticks / self.clock_hz

    def ticks(self, time: int) -> int:
        """The place of a timestamp, which is taken to be less than half a cycle from the one before."""
        if self._last is None:
            self._ticks = self._start(time)
        else:
            self._ticks += (time - self._last + _HALF) % _WHOLE - _HALF
        self._last = time
        return self._ticks

    def _start(self, time: int) -> int:
        if self._origin is not None:
            started = _signed(time - self._origin)
            # Some cameras name an origin that has nothing to do with what they send.
            if abs(started) <= _NEARBY_SECONDS * self.clock_hz:
                return started
        return round(self.beside.seconds * self.clock_hz) if self.beside is not None else 0

    def reported(self, ntp: int, time: int) -> None:
        """What the camera's clock showed (in seconds, with 32 bits behind the point) at a timestamp of this track."""
        self._report = ntp, time

    def follow(self, leader: "TrackClock") -> None:
        """Shift this scale so that what happened at once is at one place in both, as far as the camera reported it.

        Sound and picture of many cameras drift apart; a shift that nobody would notice is left out.
        """
        mine, theirs = self.reported_seconds(), leader.reported_seconds()
        if mine is None or theirs is None:
            return
        error = theirs - mine
        # A camera whose sound was right doesn't move it by much any more: its timestamps have stopped, or jumped.
        limit, self._is_following = (_DRIFT_SECONDS if self._is_following else _NEARBY_SECONDS), True
        if _NOTICED_SECONDS < abs(error) < limit:
            self._ticks += round(error * self.clock_hz)

    def reported_seconds(self) -> float | None:
        """Where this scale was when the camera's clock began."""
        if self._report is None or self._last is None:
            return None
        ntp, time = self._report
        return (self._ticks + _signed(time - self._last)) / self.clock_hz - ntp / (1 << 32)


def _signed(difference: int) -> int:
    return (difference + _HALF) % _WHOLE - _HALF
