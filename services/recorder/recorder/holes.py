"""Where a stream that goes on had no pictures for a while: pure, over the places and the arrivals of its pictures."""

SHORTEST_SECONDS = 1.0
_TIMES = 4.0
"""A hole is so many times longer than pictures have lately been apart: at one picture a second, 2 s are none."""
_REMEMBERED = 0.99
"""Of the longest distance, from picture to picture: cameras change their rate while running."""


class Holes:
    """Told of every picture of one timeline."""

    def __init__(self) -> None:
        self.frame_seconds = 0.0
        """The last distance of two pictures that was none."""
        self._last: float | None = None
        self._arrivals = (0.0, 0.0)
        """Of the last two pictures."""
        self._longest = 0.0

    def before(self, second: float, arrival: float) -> bool:
        """Whether there was a hole before this picture, which is at `second` and came at `arrival`.

        A camera's clock that jumps makes a distance without a wait; a network that holds pictures back, a wait without
        a distance. libav hands out a picture when the next one begins: the wait may be the one before.
        """
        last, self._last = self._last, second
        waited, self._arrivals = arrival - self._arrivals[0], (self._arrivals[1], arrival)
        if last is None:
            return False
        distance = second - last
        shortest = max(SHORTEST_SECONDS, _TIMES * self._longest)
        is_hole = self._longest > 0 and min(distance, 2 * waited) > shortest
        self._longest = max(distance, self._longest * _REMEMBERED)
        if not is_hole:
            self.frame_seconds = max(0.0, distance)
        return is_hole
