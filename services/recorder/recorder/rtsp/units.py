"""What a camera's stream consists of once RTP is taken off."""

from collections.abc import Sequence
from typing import NamedTuple


class AccessUnit(NamedTuple):
    """One picture, or one piece of sound."""

    is_video: bool
    pieces: Sequence[bytes | memoryview]
    """One after the other, video: NAL units, each after its length in four bytes, as MP4 has them; those of H.265
    without parameter sets, which an `hvc1` track has in its sample entry only. Sound: one AAC frame, or G.711 samples.

    Pieces lie in what was received, all of which stays in memory for as long as any piece of it does."""
    size_bytes: int
    """Of all pieces."""
    ticks: int
    """Time of presentation in the track's clock, on a scale that starts near 0 and never wraps. The scales of both
    tracks have the same origin: as the camera tells it, else by when they came."""
    is_keyframe: bool
    parameter_sets: tuple[bytes, ...] = ()
    """Those that came with the picture, each a NAL unit, in their order."""
    is_damaged: bool = False
    """Packets of it are missing. What came is here, as with libav; decoders conceal the rest."""

    @property
    def data(self) -> bytes:
        """All pieces in one, which is a copy."""
        return b"".join(self.pieces)
