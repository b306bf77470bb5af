"""Frame sizes counted as packets come: a few additions each, everything else happens elsewhere."""

from collections import deque
from dataclasses import dataclass
from datetime import datetime

from recorder.samples import Sample

_KEPT = 600
"""GOPs that wait to be looked at; more only if nobody looks for minutes."""
_CLOSEST_SECONDS = 0.55
"""Keyframes that come sooner are passed over: motion JPEG has nothing else."""


@dataclass(frozen=True, slots=True)
class Gop:
    """A keyframe and the frames that followed it until the next."""

    start: datetime
    seconds: float
    """From its keyframe to the next."""
    keyframe_bytes: int
    delta_bytes: int
    """Of all its other frames together."""
    deltas: int
    stream: int = 0
    """Another number means other parameter sets: sizes from before say nothing about it."""

    @property
    def mean_delta_bytes(self) -> float:
        return self.delta_bytes / self.deltas if self.deltas else 0.0


class Tally:
    """One camera's. The thread that feeds it and the one that takes from it may be two."""

    __slots__ = ("_delta_bytes", "_deltas", "_gops", "_keyframe", "_sets", "_stream")

    def __init__(self) -> None:
        self._gops: deque[Gop] = deque(maxlen=_KEPT)
        self._keyframe: tuple[datetime, float, int] | None = None
        self._delta_bytes = 0
        self._deltas = 0
        self._sets: bytes | None = None
        self._stream = 0

    def frame(self, packet: Sample, stamp: datetime, second: float, sets: bytes | None) -> None:
        """The next frame. `second` is its place in the connection, `sets` are the parameter sets that it needs."""
        if packet.is_keyframe:
            if self._keyframe is None or second - self._keyframe[1] >= _CLOSEST_SECONDS:
                self.keyframe(packet.size, stamp, second, sets)
        else:
            self._delta_bytes += packet.size
            self._deltas += 1

    def keyframe(self, size_bytes: int, stamp: datetime, second: float, sets: bytes | None) -> None:
        """A GOP begins, so the one before is complete."""
        if self._keyframe is not None:
            start, began, keyframe_bytes = self._keyframe
            self._gops.append(Gop(start, second - began, keyframe_bytes, self._delta_bytes, self._deltas, self._stream))
        if sets is not None and sets != self._sets:
            self._stream += self._sets is not None
            self._sets = sets
        self._keyframe = stamp, second, size_bytes
        self._delta_bytes = self._deltas = 0

    def interrupted(self) -> None:
        """The stream broke off, or its stamps begin anew: the GOP that was open doesn't count."""
        self._keyframe = None

    def taken(self) -> list[Gop]:
        """The GOPs that are complete; they aren't given again."""
        gops = []
        while self._gops:
            gops.append(self._gops.popleft())
        return gops
