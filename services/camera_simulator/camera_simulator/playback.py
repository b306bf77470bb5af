"""Where a track stands on its camera's free-running clock."""

from dataclasses import dataclass

from camera_simulator.media import AccessUnit, Track


@dataclass(slots=True)
class Cursor:
    """The next unit of an endlessly repeated track.

    Position follows from the clock alone: a camera nobody watches costs nothing, and a viewer who comes back finds the
    stream where it would be by then. `origin_ticks` is when the first loop began, on the track's clock.
    """

    track: Track
    origin_ticks: int = 0
    first_number: int = 0
    index: int = 0
    loops: int = 0

    @property
    def unit(self) -> AccessUnit:
        return self.track.units[self.index]

    @property
    def number(self) -> int:
        """Counts the camera's units of this kind since it was switched on."""
        return self.first_number + self.loops * len(self.track.units) + self.index

    @property
    def due_ticks(self) -> int:
        return self._loop_start_ticks + self.unit.dts

    @property
    def due_seconds(self) -> float:
        """When the unit is sent, on the camera's clock."""
        return self.due_ticks / self.track.clock_hz

    @property
    def presented_ticks(self) -> int:
        return self._loop_start_ticks + self.unit.pts

    @property
    def _loop_start_ticks(self) -> int:
        return self.origin_ticks + self.loops * self.track.loop_ticks

    def advance(self) -> None:
        self.index += 1
        if self.index == len(self.track.units):
            self.index = 0
            self.loops += 1

    def seek(self, seconds: float) -> None:
        """To the first unit that is due at or after this moment of the camera's clock."""
        ticks = max(0, round(seconds * self.track.clock_hz) - self.origin_ticks)
        self.loops, self.index = ticks // self.track.loop_ticks, 0
        while self.due_seconds < seconds:
            self.advance()

    def next_keyframe_seconds(self) -> float:
        """When the next keyframe is due, the unit at hand included."""
        ahead = Cursor(self.track, self.origin_ticks, self.first_number, self.index, self.loops)
        while not ahead.unit.is_keyframe:
            ahead.advance()
        return ahead.due_seconds
