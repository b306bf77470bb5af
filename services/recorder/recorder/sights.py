"""What a short look at a stream shows: how it is coded, how fast its pictures come, and one picture of it."""

from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from recorder.clock import Clock
from recorder.errors import CameraError
from recorder.parameter_sets import parameter_sets, picture_size
from recorder.samples import PlainSample, Sample, pieces_of
from recorder.tracks import Tracks, time_base_of

_COUNTED_SECONDS = 2.0
"""Pictures are counted over so much of the stream."""
_COUNTING_SECONDS = 4.0
"""By the clock: a stream may stand still meanwhile."""
_SHORTEST_COUNT_SECONDS = 0.5
_REORDERED = 4
"""Where pictures come in another order than they are shown, so many of the last may still lack one before them."""


@dataclass(frozen=True, slots=True)
class Keyframe:
    """A picture that can be decoded by itself."""

    configuration: bytes
    """What the decoder is to know first, as libav has it: for H.264 and H.265 parameter sets in Annex B form."""
    data: bytes = field(repr=False)
    has_lengths: bool
    """Whether its NAL units follow their lengths, not start codes."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen."""

    codec: str
    """As libav calls its decoder."""
    width: int
    height: int
    """0 where the stream doesn't say."""
    audio: str | None
    """The codec of its sound, if there is any."""
    keyframe: Keyframe
    arrived_at: datetime
    """When the keyframe did."""
    arrival: float
    """The same, monotonic."""
    frames_per_second: float | None = None
    """None where they weren't counted, or too few came."""


class Lookout:
    """Sees the next keyframe of a stream, and counts the pictures from there on if it is to.

    Belongs to whoever reads the stream, on whichever thread, and never makes that wait; `sight` may be waited for
    anywhere.
    """

    def __init__(self, clock: Clock, *, counts_frames: bool) -> None:
        self._clock = clock
        self._counts_frames = counts_frames
        self._tracks: Tracks | None = None
        self._seen: Sight | None = None
        self._moments: list[float] = []
        """Of the pictures from the keyframe on, in seconds of the stream's own time."""
        self.sight: Future[Sight] = Future()
        self.sight.set_running_or_notify_cancel()  # whoever stops waiting must not break in on the stream's reader

    @property
    def is_over(self) -> bool:
        return self.sight.done()

    def begin(self, tracks: Tracks) -> None:
        """These are what `feed` brings."""
        self._tracks = tracks

    def feed(self, sample: Sample, arrival: float) -> bool:
        """The next packet, and when it came (monotonic); False when no more is wanted."""
        if self.is_over or self._tracks is None:
            return False
        if sample.stream_index != self._tracks.video.index:
            return True
        if self._seen is None:
            if not sample.is_keyframe:
                return True
            ago = timedelta(seconds=max(0.0, self._clock.monotonic() - arrival))
            self._seen = _sight(sample, self._tracks, self._clock.now() - ago, arrival)
        if sample.pts is not None:
            self._moments.append(float(sample.pts * time_base_of(self._tracks.video)))
        counted = max(self._moments) - min(self._moments) if self._moments else 0.0
        is_counting = counted < _COUNTED_SECONDS and arrival - self._seen.arrival < _COUNTING_SECONDS
        if self._counts_frames and is_counting:
            return True
        self._conclude(self._seen)
        return False

    def lost(self, error: CameraError) -> None:
        """The stream is over; `sight` raises the error, unless enough was seen."""
        if self.is_over:
            return
        if self._seen is not None:
            self._conclude(self._seen)
        else:
            self.sight.set_exception(error)

    def _conclude(self, seen: Sight) -> None:
        rate = frames_per_second(self._moments) if self._counts_frames else None
        self.sight.set_result(replace(seen, frames_per_second=rate))


def frames_per_second(moments: list[float]) -> float | None:
    """By the moments of successive pictures, in the order they came; None if they are too few."""
    shown = sorted(moments)
    if shown != moments:
        shown = shown[:-_REORDERED]
    if len(shown) < 2 or shown[-1] - shown[0] < _SHORTEST_COUNT_SECONDS:  # noqa: PLR2004 - a distance takes two
        return None
    return round((len(shown) - 1) / (shown[-1] - shown[0]), 2)


def _sight(sample: Sample, tracks: Tracks, arrived_at: datetime, arrival: float) -> Sight:
    context = tracks.video.codec_context
    # What the keyframe brings itself is newer than what was told when the stream was opened.
    sets = parameter_sets(sample, context.name)
    size = picture_size(sets, context.name) if sets is not None else None
    width, height = size or (context.width or 0, context.height or 0)
    return Sight(
        codec=context.name,
        width=width,
        height=height,
        audio=tracks.audio.codec_context.codec.canonical_name if tracks.audio is not None else None,
        keyframe=Keyframe(
            configuration=sets or bytes(context.extradata or b""),
            data=b"".join(pieces_of(sample)),
            has_lengths=isinstance(sample, PlainSample),
        ),
        arrived_at=arrived_at,
        arrival=arrival,
    )
