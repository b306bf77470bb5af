"""What tracks consist of: single pictures and pieces of sound, by whichever client they came."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Protocol

from av.packet import Packet
from av.stream import Stream

Bytes = bytes | memoryview


class Sample(Protocol):
    """What libav's packets and our own have in common. Times are in ticks of `time_base`."""

    pts: int | None
    dts: int | None
    duration: int | None
    is_keyframe: bool

    @property
    def stream_index(self) -> int: ...
    @property
    def time_base(self) -> Fraction: ...
    @property
    def size(self) -> int:
        """In bytes."""
        ...

    @property
    def opaque(self) -> Any:
        """Of a plain camera's keyframe: the parameter sets that it brought, in Annex B form."""
        ...


class PlainSample:
    """One that was received by our own client, in as many pieces as it came: nothing is copied until it is written."""

    __slots__ = ("dts", "duration", "is_keyframe", "opaque", "pieces", "pts", "size", "stream_index", "time_base")

    def __init__(
        self,
        pieces: Sequence[Bytes],
        size: int,
        stream_index: int,
        time_base: Fraction,
        pts: int,
        duration: int,
        *,
        is_keyframe: bool,
        parameter_sets: bytes | None = None,
    ) -> None:
        self.pieces = pieces
        self.size = size
        self.stream_index = stream_index
        self.time_base = time_base
        self.pts: int | None = pts
        self.dts: int | None = None
        self.duration: int | None = duration
        self.is_keyframe = is_keyframe
        self.opaque = parameter_sets

    def own(self) -> None:
        """Keep its bytes alone, and not all that was received with them: for samples that wait long."""
        self.pieces = (b"".join(self.pieces),)


def pieces_of(sample: Sample) -> Sequence[Bytes]:
    """Its bytes, in order."""
    if isinstance(sample, PlainSample):
        return sample.pieces
    return (memoryview(sample),)  # type: ignore[arg-type]  # all others are libav's packets


def packet_of(sample: Sample) -> "Packet[Stream]":
    """The same for libav."""
    if isinstance(sample, Packet):
        return sample
    packet: Packet[Stream] = Packet(b"".join(pieces_of(sample)))
    packet.pts, packet.dts, packet.duration = sample.pts, sample.dts, sample.duration
    packet.time_base = sample.time_base
    packet.is_keyframe = sample.is_keyframe
    return packet
