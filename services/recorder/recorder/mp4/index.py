"""Where each sample of a complete file is and when it is shown: the sample tables (ISO/IEC 14496-12, 8.6 and 8.7)."""

import struct
import sys
from array import array
from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise

from recorder.mp4.boxes import full_box
from recorder.mp4.fragments import Run
from recorder.mp4.head import Edit, TrackHead

_ROLL = b"roll"
_NOT_BEFORE = 1 << 32


class TrackIndex:
    """One track's, told of every fragment. In plain numbers, for there are thousands of samples in a segment."""

    def __init__(self, head: TrackHead) -> None:
        self.head = head
        self._times = array("q")
        """When each sample is decoded."""
        self._sizes = array("I")
        self._shifts = array("I")
        self._keyframes = array("I")
        """Their numbers, from 1."""
        self._places = array("Q")
        """Where in the file the samples of each fragment begin."""
        self._counts = array("I")
        """How many they are."""
        self._last_duration = 0

    def __bool__(self) -> bool:
        return bool(self._sizes)

    def add(self, run: Run, times: Sequence[int], place: int) -> None:
        """The samples that are decoded at these `times` begin at this `place` of the file."""
        if run.begins_in_sync:
            self._keyframes.append(len(self._sizes) + 1)
        self._times.extend(times)
        self._sizes.extend(run.sizes)
        self._shifts.extend(run.shifts or [0] * len(times))
        self._places.append(place)
        self._counts.append(len(times))
        self._last_duration = run.durations[-1]

    @property
    def _end(self) -> int:
        return self._times[-1] + self._last_duration

    def edit(self, skipped: int, timescale: int) -> tuple[Edit, int]:
        """How the track stands in a movie of this timescale, of whose pictures so many ticks are `skipped`.

        And how long after the movie's beginning it ends, in ticks of the movie.
        """
        scale = self.head.timescale
        if not self.head.is_sound:
            return Edit(skipped=skipped), _scaled(self._end - skipped, timescale, scale)
        delay = _scaled(self._times[0], timescale, scale)
        return Edit(delay=delay), delay + _scaled(self._end - self._times[0], timescale, scale)

    def box(self, edit: Edit, movie_ticks: int) -> bytes:
        """The `trak`, complete. `movie_ticks` as `edit` told them."""
        steps = [later - earlier for earlier, later in pairwise(self._times)] + [self._last_duration]
        tables = [full_box(b"stts", 0, 0, _in_runs(steps))]
        if any(self._shifts):
            tables.append(full_box(b"ctts", 0, 0, _in_runs(self._shifts)))
        if not self.head.is_sound:
            tables.append(full_box(b"stss", 0, 0, _counted(self._keyframes)))
        tables += [
            full_box(b"stsc", 0, 0, _counted(self._chunks(), width=3)),
            full_box(b"stsz", 0, 0, struct.pack(">II", 0, len(self._sizes)), _big_endian(self._sizes)),
        ]
        if self._places[-1] < _NOT_BEFORE:
            tables.append(full_box(b"stco", 0, 0, _counted(array("I", self._places))))
        else:
            tables.append(full_box(b"co64", 0, 0, _counted(self._places)))
        if self.head.is_sound:
            tables += _pre_roll(len(self._sizes))
        return self.head.box(tables, edit=edit, movie_ticks=movie_ticks, media_ticks=sum(steps))

    def _chunks(self) -> "array[int]":
        """From which chunk on there are so many samples in each."""
        entries, number = array("I"), 1
        for count, chunks in groupby(self._counts):
            entries.extend((number, count, 1))
            number += sum(1 for _ in chunks)
        return entries


def _pre_roll(samples: int) -> list[bytes]:
    """AAC is right only from the second frame on: who begins anywhere begins a frame earlier (ISO/IEC 14496-14)."""
    description = full_box(b"sgpd", 1, 0, _ROLL, struct.pack(">IIh", 2, 1, -1))
    return [description, full_box(b"sbgp", 0, 0, _ROLL, struct.pack(">III", 1, samples, 1))]


def _in_runs(values: Iterable[int]) -> bytes:
    entries = array("I")
    for value, equal in groupby(values):
        entries.extend((sum(1 for _ in equal), value))
    return _counted(entries, width=2)


def _counted(values: "array[int]", width: int = 1) -> bytes:
    return struct.pack(">I", len(values) // width) + _big_endian(values)


def _big_endian(values: "array[int]") -> bytes:
    if sys.byteorder == "little":
        values = values[:]
        values.byteswap()
    return values.tobytes()


def _scaled(ticks: int, timescale: int, own_timescale: int) -> int:
    """Rounded up: what is cut off an edit isn't shown."""
    return -(-ticks * timescale // own_timescale)
