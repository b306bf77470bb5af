"""When the packets of one connection were: in order within their track, stamped in UTC."""

from datetime import datetime
from fractions import Fraction

from av.packet import Packet
from av.stream import Stream

from recorder.clock import Anchor, Clock

TOLERANCE_SECONDS = 5.0
"""Media time and wall time further apart than this are not the same time any more."""
_SUSTAINED_SECONDS = 10.0
_SETTLING_SECONDS = 10.0


class Timeline:
    """Rewrites timestamps where cameras get them wrong, and knows each packet's place in seconds from the first.

    `place` never changes the order of packets. Stamps come from the wall clock as it was when the timeline began, so
    that a step of the clock never reorders footage.
    """

    def __init__(self, clock: Clock, video_index: int) -> None:
        self._clock = clock
        self.anchor = Anchor.take(clock)
        self._video_index = video_index
        self._tracks: dict[int, _Track] = {}
        self._origin: float | None = None
        """The monotonic moment of media second 0."""
        self._first_arrival = self.anchor.monotonic
        self._apart_since: float | None = None
        self._is_settled = False

    def place(self, packet: "Packet[Stream]", arrival: float) -> float | None:
        """Mend the packet's timestamps; seconds from the first video packet. None before there was one."""
        is_video = packet.stream_index == self._video_index
        if self._origin is None:
            if not is_video:
                return None
            self._origin = self._first_arrival = arrival
        track = self._tracks.get(packet.stream_index)
        if track is None:
            track = self._tracks[packet.stream_index] = self._begin_track(packet, arrival)
        seconds = track.place(packet, arrival)
        if is_video and not self._is_settled and arrival - self._first_arrival < _SETTLING_SECONDS:
            # The first packets waited while libav looked at the stream. The one that waited least tells best.
            self._origin = min(self._origin, arrival - seconds)
        return seconds

    def settle(self) -> None:
        """From now on stamps don't move: a segment begins by them."""
        self._is_settled = True

    def stamp(self, seconds: float) -> datetime:
        """The UTC time of a place."""
        return self.anchor.wall_at((self._origin or 0.0) + seconds)

    def is_astray(self, arrival: float) -> bool:
        """Whether stamps have long been off the wall clock: it stepped, or the camera's clock drifts.

        A network that held packets back makes them late for a moment only; that is no reason.
        """
        video = self._tracks.get(self._video_index)
        if video is None:
            return False
        # Both at the newest packet's arrival, so that a stall before this one isn't mistaken for drift.
        since = arrival - video.last_arrival
        error = (self._clock.now() - self.stamp(video.last_seconds)).total_seconds() - since
        if abs(error) <= TOLERANCE_SECONDS:
            self._apart_since = None
            return False
        if self._apart_since is None:
            self._apart_since = arrival
        return arrival - self._apart_since >= _SUSTAINED_SECONDS

    def _begin_track(self, packet: "Packet[Stream]", arrival: float) -> "_Track":
        first = _decoding_time(packet) or 0
        own_seconds = float(first * packet.time_base)
        video = self._tracks.get(self._video_index)
        if video is not None and abs(own_seconds + video.shift_seconds - video.last_seconds) < TOLERANCE_SECONDS:
            shift = video.shift_seconds  # the camera's own relation of picture and sound
        else:
            shift = arrival - (self._origin or arrival) - own_seconds
        return _Track(packet.time_base, shift)


class _Track:
    """One track's clock: what has to be added to its timestamps, and where it was last."""

    def __init__(self, time_base: Fraction, shift_seconds: float) -> None:
        # A float, since arithmetic with fractions would be most of what a packet costs.
        self._tick_seconds = float(time_base)
        self._shift = self._ticks(shift_seconds)
        self._last: int | None = None
        self.last_arrival = 0.0

    @property
    def shift_seconds(self) -> float:
        return self._shift * self._tick_seconds

    @property
    def last_seconds(self) -> float:
        return (self._last or 0) * self._tick_seconds

    def place(self, packet: "Packet[Stream]", arrival: float) -> float:
        time = _decoding_time(packet)
        if self._last is None:
            dts = (time or 0) + self._shift
        elif time is None:
            dts = self._last + max(1, self._ticks(arrival - self.last_arrival))
        else:
            dts = time + self._shift
            step, waited = dts - self._last, arrival - self.last_arrival
            if step > self._ticks(waited + TOLERANCE_SECONDS) or step < -self._ticks(TOLERANCE_SECONDS):
                # The camera's clock jumped or wrapped: time goes on as it did here.
                mended = self._last + max(1, self._ticks(waited))
                self._shift += mended - dts
                dts = mended
            else:
                dts = max(dts, self._last + 1)
        pts = dts if packet.pts is None else max(dts, packet.pts + self._shift)
        packet.dts, packet.pts = dts, pts
        self._last, self.last_arrival = dts, arrival
        return dts * self._tick_seconds

    def _ticks(self, seconds: float) -> int:
        return round(seconds / self._tick_seconds)


def _decoding_time(packet: "Packet[Stream]") -> int | None:
    # The first keyframe of an RTSP stream comes without dts, often without pts too.
    return packet.dts if packet.dts is not None else packet.pts
