"""One fragment: the places of its samples (`moof`, ISO/IEC 14496-12, 8.8), and the header of what follows."""

import struct
import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from recorder.mp4.boxes import HEADER_BYTES, box, full_box

_SYNC, _NOT_SYNC = 0x0200_0000, 0x0101_0000
"""Sample flags (8.8.3): depends on no other; depends on others, and nobody can begin with it."""
_BASE_IS_FRAGMENT, _DEFAULT_FLAGS = 0x02_0000, 0x20
_DATA_OFFSET, _FIRST_FLAGS, _DURATIONS, _SIZES, _SHIFTS = 0x1, 0x4, 0x100, 0x200, 0x800
_RUN_HEADER = struct.Struct(">I4sIIiI")


@dataclass(frozen=True, slots=True)
class Run:
    """The samples of one track that are in a fragment, in order of decoding, times in ticks of the track."""

    track: int
    begin: int
    """The decoding time of the first."""
    durations: Sequence[int]
    sizes: Sequence[int]
    shifts: Sequence[int]
    """How long after they are decoded samples are shown; empty if none is."""
    begins_in_sync: bool
    is_in_sync: bool
    """Every sample, as of sound."""

    @property
    def size_bytes(self) -> int:
        return sum(self.sizes)


def fragment(number: int, runs: Sequence[Run]) -> bytes:
    """What stands before the samples of these runs, which follow run by run."""
    head_bytes = 2 * HEADER_BYTES + 16 + sum(_size(run) for run in runs)  # moof, mfhd, and the mdat's header
    parts, place = [full_box(b"mfhd", 0, 0, struct.pack(">I", number))], head_bytes
    for run in runs:
        parts.append(_track(run, place))
        place += run.size_bytes
    return box(b"moof", *parts) + struct.pack(">I4s", HEADER_BYTES + place - head_bytes, b"mdat")


def _size(run: Run) -> int:
    return HEADER_BYTES + 20 + 20 + _RUN_HEADER.size + (12 if run.shifts else 8) * len(run.sizes)


def _track(run: Run, place: int) -> bytes:
    flags = _SYNC if run.is_in_sync else _NOT_SYNC
    first = _SYNC if run.begins_in_sync else flags
    count = len(run.sizes)
    if run.shifts:
        entries = array("I", chain.from_iterable(zip(run.durations, run.sizes, run.shifts, strict=True)))
    else:
        entries = array("I", chain.from_iterable(zip(run.durations, run.sizes, strict=True)))
    if sys.byteorder == "little":
        entries.byteswap()
    data = entries.tobytes()
    told = _DATA_OFFSET | _FIRST_FLAGS | _DURATIONS | _SIZES | (_SHIFTS if run.shifts else 0)
    return box(
        b"traf",
        full_box(b"tfhd", 0, _BASE_IS_FRAGMENT | _DEFAULT_FLAGS, struct.pack(">II", run.track, flags)),
        full_box(b"tfdt", 1, 0, struct.pack(">Q", run.begin)),
        _RUN_HEADER.pack(_RUN_HEADER.size + len(data), b"trun", told, count, place, first),
        data,
    )
