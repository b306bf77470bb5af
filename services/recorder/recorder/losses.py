"""How much of what a camera sent came damaged, over all its connections."""

from collections.abc import Callable


class Losses:
    """Written by whoever connects, one at a time; may be read by any thread, and never goes back."""

    def __init__(self) -> None:
        # Both at once: between two assignments a reader would see a connection twice, or not at all.
        self._counted: tuple[int, Callable[[], int]] | None = None

    @property
    def total(self) -> int | None:
        """Pictures and pieces of sound that something is missing of, or in front of. None while nobody counts."""
        if self._counted is None:
            return None
        before, count = self._counted
        return before + count()

    def connected(self, count: Callable[[], int]) -> None:
        """A connection is on that counts by itself."""
        self._counted = (self.total or 0, count)

    def disconnected(self) -> None:
        """It is over; what it counted stays."""
        if self._counted is not None:
            self._counted = (self.total or 0, lambda: 0)
