"""The packets before a recording begins: whole GOPs, the oldest let go by time and by bytes."""

from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta

from recorder.samples import PlainSample, Sample

GOP_BYTES = 64 << 20
"""What a camera that is due may keep before it begins: a GOP beyond this is let go, the next keyframe begins."""
PACKET_BYTES = 800
"""What a kept packet costs beside its data, as measured."""
SLACK_SECONDS = 2.0
"""Kept longer than asked for: a recording that is being begun must find what it was promised."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """How much is kept of a camera that isn't recorded."""

    seconds: float = 0.0
    """0: only what is needed to begin with a keyframe."""
    limit_bytes: int = GOP_BYTES

    @property
    def kept_seconds(self) -> float:
        """What is kept, so that a moment `seconds` ago is still there when it is asked for."""
        return self.seconds + SLACK_SECONDS if self.seconds else 0.0


NOTHING_AHEAD = Ahead()


def share_of(pre_roll: timedelta, share_bytes: int, *, is_due: bool) -> Ahead:
    """What one camera keeps; one that `is_due` has room for the GOP that its recording begins with."""
    if not pre_roll:
        return NOTHING_AHEAD
    return Ahead(pre_roll.total_seconds(), max(share_bytes, GOP_BYTES) if is_due else share_bytes)


@dataclass(slots=True)
class _Gop:
    """A keyframe and what followed it, with places in seconds."""

    first_second: float
    packets: list[tuple[Sample, float]] = field(default_factory=list)
    size_bytes: int = 0


class PreRoll:
    """Begins with a keyframe, always. Not thread-safe: its owner locks."""

    def __init__(self) -> None:
        self._gops: deque[_Gop] = deque()
        self.size_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._gops)

    @property
    def last_second(self) -> float:
        """Where the newest packet is. There must be one."""
        return self._gops[-1].packets[-1][1]

    def keep(self, packet: Sample, second: float, ahead: Ahead, *, begins_gop: bool) -> None:
        """The next packet; what exceeds the bytes goes, the oldest first."""
        if begins_gop:
            self._gops.append(_Gop(second))
        gop = self._gops[-1]
        gop.packets.append((packet, second))
        if isinstance(packet, PlainSample):
            packet.own()
        size = packet.size + PACKET_BYTES
        gop.size_bytes += size
        self.size_bytes += size
        while self.size_bytes > ahead.limit_bytes and self._gops:
            self._drop()

    def forget_before(self, second: float, next_second: float) -> None:
        """Let go what nobody needs who begins at `second`; the next keyframe comes at `next_second`."""
        while self._gops and (self._gops[1].first_second if len(self._gops) > 1 else next_second) <= second:
            self._drop()

    def begin_of(self, second: float) -> float:
        """Where footage that is to hold `second` begins: with the GOP that covers it, else with the first."""
        first = self._gops[0].first_second
        for gop in self._gops:
            if gop.first_second > second:
                break
            first = gop.first_second
        return first

    def take_from(self, second: float) -> list[tuple[Sample, float]]:
        """The packets from `begin_of` on; nothing is kept any more."""
        begin = self.begin_of(second)
        packets = [packet for gop in self._gops if gop.first_second >= begin for packet in gop.packets]
        self.clear()
        return packets

    def clear(self) -> None:
        self._gops.clear()
        self.size_bytes = 0

    def _drop(self) -> None:
        self.size_bytes -= self._gops.popleft().size_bytes
