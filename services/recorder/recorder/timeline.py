"""When the packets of one connection were: in order within their track, stamped in UTC."""

from bisect import insort
from datetime import datetime
from fractions import Fraction

from recorder.clock import Anchor, Clock
from recorder.samples import Sample

TOLERANCE_SECONDS = 5.0
"""Media time and wall time further apart than this are not the same time any more."""
_BACKWARD_SECONDS = 0.5
"""Further back than this a timestamp isn't unsteady: the camera's clock was set back."""
_SUSTAINED_SECONDS = 10.0
_SETTLING_SECONDS = 10.0
_FROZEN_PACKETS = 2
"""So many packets in a row with the time of the one before them say nothing of time: their arrival does."""
_PAUSE_SECONDS = 1.0
"""After a longer silence time goes on by the clock on the wall, before that by the distance of the frames."""
_GUESSING_SECONDS = 2.0
_LEAD_SECONDS = 0.1
"""How long before it is shown a connection's first picture is decoded, per picture that may overtake it."""


class Timeline:
    """Rewrites timestamps where cameras get them wrong, and knows each packet's place in seconds from the first.

    `place` never changes the order of packets. Stamps come from the wall clock as it was when the timeline began, so
    that a step of the clock never reorders footage.
    """

    def __init__(self, clock: Clock, video_index: int) -> None:
        self._clock = clock
        self.anchor = Anchor.take(clock)
        self._video_index = video_index
        self._depth = 0
        self._tracks: dict[int, _Track] = {}
        self._origin: float | None = None
        """The monotonic moment of media second 0."""
        self._first_arrival = self.anchor.monotonic
        self._apart_since: float | None = None
        self._is_settled = False
        self._guessed: Sample | None = None
        """The first video packet, if it came without a time."""
        self._shown: list[int] = []
        """When the pictures after that one are shown."""

    def expect_reordering(self, depth: int) -> None:
        """From the coming keyframe on, a picture may be sent after up to so many that are shown later (B-frames)."""
        self._depth = depth
        if (video := self._tracks.get(self._video_index)) is not None:
            video.depth = depth

    def place(self, packet: Sample, arrival: float) -> float | None:
        """Mend the packet's timestamps; seconds from the first video packet. None before there was one.

        Of pictures that are sent out of their order the place is that of the latest shown so far: places never go
        back, and a keyframe's is its own.
        """
        is_video = packet.stream_index == self._video_index
        if self._origin is None:
            if not is_video:
                return None
            self._origin = self._first_arrival = arrival
        track = self._tracks.get(packet.stream_index)
        if track is None:
            track = self._tracks[packet.stream_index] = self._begin_track(packet, arrival)
            if is_video and _time(packet) is None:
                self._guessed = packet
        seconds = track.place(packet, arrival)
        if self._guessed is not None and is_video and packet is not self._guessed:
            self._shown.append(packet.pts or 0)
            # Two tell the distance of frames; with B-frames, as many as may come out of order and two that follow.
            if len(self._shown) >= (2 * self._depth + 3 if self._depth else 2):
                self._mend_first(self._guessed)
                self._guessed = None
        if is_video and not self.is_settled(arrival):
            # The first packets waited while libav looked at the stream. The one that waited least tells best.
            self._origin = min(self._origin, arrival - seconds)
        return seconds

    def settle(self) -> None:
        """From now on stamps don't move: a segment begins by them."""
        self._is_settled = True

    def is_sure(self, arrival: float) -> bool:
        """Whether the first picture's time is known, or nothing tells it any more."""
        return self._guessed is None or arrival - self._first_arrival > _GUESSING_SECONDS

    def is_settled(self, now: float) -> bool:
        """Whether stamps don't move any more."""
        return self._is_settled or now - self._first_arrival >= _SETTLING_SECONDS

    def stamp(self, seconds: float) -> datetime:
        """The UTC time of a place."""
        return self.anchor.wall_at((self._origin or 0.0) + seconds)

    @property
    def frame_seconds(self) -> float:
        """The distance of the newest video packet from the one before."""
        video = self._tracks.get(self._video_index)
        return 0.0 if video is None else video.frame_seconds

    def is_astray(self, arrival: float) -> bool:
        """Whether stamps have long been off the wall clock: it stepped, or the camera's clock drifts.

        A network that held packets back makes them late for a moment only; that is no reason.
        """
        video = self._tracks.get(self._video_index)
        if video is None:
            return False
        # Both at the newest packet's arrival, so that neither a stall before this one is mistaken for drift, nor a disk
        # that kept packets waiting after they had come.
        came_at = Anchor.take(self._clock).wall_at(video.last_arrival)
        error = (came_at - self.stamp(video.last_seconds)).total_seconds()
        if abs(error) <= TOLERANCE_SECONDS:
            self._apart_since = None
            return False
        if self._apart_since is None:
            self._apart_since = arrival
        return arrival - self._apart_since >= _SUSTAINED_SECONDS

    def _mend_first(self, first: Sample) -> None:
        """Show the first picture a frame before the earliest of the others.

        libav leaves its time out, and counts the others from what PLAY answered in RTP-Info. Where pictures come in
        their order that is this picture's time, unless the camera tells nonsense.
        """
        earliest, following = sorted(self._shown)[:2]
        if self._depth or not 0 < (earliest - (first.pts or 0)) * first.time_base <= 1:
            first.pts = earliest - (following - earliest)
            first.dts = min(first.dts or 0, first.pts)

    def _begin_track(self, packet: Sample, arrival: float) -> "_Track":
        own_seconds = float((_time(packet) or 0) * packet.time_base)
        video = self._tracks.get(self._video_index)
        if video is not None and abs(own_seconds + video.shift_seconds - video.last_seconds) < TOLERANCE_SECONDS:
            shift = video.shift_seconds  # the camera's own relation of picture and sound
        else:
            shift = arrival - (self._origin or arrival) - own_seconds
        is_video = packet.stream_index == self._video_index
        return _Track(packet.time_base, shift, self._depth if is_video else 0)


class _Track:
    """One track's clock: what has to be added to its timestamps, and where it was last."""

    def __init__(self, time_base: Fraction, shift_seconds: float, depth: int) -> None:
        self.depth = depth
        # A float, since arithmetic with fractions would be most of what a packet costs.
        self._tick_seconds = float(time_base)
        self._shift = self._ticks(shift_seconds)
        self._backward = self._ticks(_BACKWARD_SECONDS)
        self._newest: int | None = None
        """The latest time that any packet is shown."""
        self._advance = 0
        """The step of `_newest` before the present one: over the B-frames, where there are some."""
        self._said: int | None = None
        """The newest packet's time as the camera told it."""
        self._repeats = 0
        self._dts = 0
        self._frame = 0
        self._ahead: list[int] = []
        """When the newest packets are shown, in order, one more than may overtake."""
        self.last_arrival = 0.0
        self._late_seconds = 0.0
        """By how much the newest packet came later after the one before than it is shown after it."""

    @property
    def shift_seconds(self) -> float:
        return self._shift * self._tick_seconds

    @property
    def last_seconds(self) -> float:
        return (self._newest or 0) * self._tick_seconds

    @property
    def frame_seconds(self) -> float:
        return self._frame * self._tick_seconds

    def place(self, packet: Sample, arrival: float) -> float:
        time = _time(packet)
        self._repeats = self._repeats + 1 if time is not None and time == self._said else 0
        self._said = time
        if self._newest is None:
            pts = (time or 0) + self._shift
            dts = pts - self._ticks(self.depth * _LEAD_SECONDS)
            self._ahead.append(pts)
            self._newest = pts
        else:
            # Written out, without `max`: this is done for each packet of each camera.
            newest, waited = self._newest, arrival - self.last_arrival
            pts = self._mended(time, waited, newest)
            dts = pts if self.depth == 0 else self._overtaken(pts)
            if dts > self._dts + 1:
                self._frame = dts - self._dts
            else:
                dts = self._dts + 1
            pts = max(pts, dts)
            late = waited - (pts - newest) * self._tick_seconds
            self._late_seconds = late if late > 0 else 0.0
            if pts > newest:
                self._advance, self._newest = pts - newest, pts
        packet.dts, packet.pts = dts, pts
        self._dts, self.last_arrival = dts, arrival
        return self._newest * self._tick_seconds

    def _mended(self, time: int | None, waited: float, newest: int) -> int:
        """When the packet is shown, on our clock; where the camera's jumped or wrapped, time goes on as it did here.

        libav hands out a picture when something follows it: what a camera sends after a stall comes right behind what
        it sent before, and that one late.
        """
        waited += self._late_seconds
        pts = None if time is None else time + self._shift
        has_jumped = pts is not None and (
            (pts - newest) * self._tick_seconds > waited + TOLERANCE_SECONDS or pts < self._dts - self._backward
        )
        if pts is not None and not has_jumped and self._repeats < _FROZEN_PACKETS:
            return pts
        by_arrival = newest + max(1, self._ticks(waited))
        onward = newest + self._advance if self._advance and waited < _PAUSE_SECONDS else by_arrival
        if pts is None:
            return onward
        mended = onward if has_jumped else by_arrival
        self._shift += mended - pts
        return mended

    def _overtaken(self, pts: int) -> int:
        """The decoding time: when the earliest of the packets that may still overtake each other is shown.

        So each is decoded in the order it was sent, and none later than it is shown (ISO/IEC 14496-12, 8.6.1). RTP
        carries only the time a picture is shown, and libav's own guess comes late and leaves packets out.
        """
        insort(self._ahead, pts)
        missing = self.depth + 1 - len(self._ahead)
        if missing < 0:
            del self._ahead[:-missing]
        return self._ahead[0] - (self._ticks(missing * _LEAD_SECONDS) if missing > 0 else 0)

    def _ticks(self, seconds: float) -> int:
        return round(seconds / self._tick_seconds)


def _time(packet: Sample) -> int | None:
    # The first keyframe of an RTSP stream comes without dts, often without pts too.
    return packet.pts if packet.pts is not None else packet.dts
