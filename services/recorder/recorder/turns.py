"""Whose turn it is to be uploaded: what somebody waits for, then one camera after another."""

import threading
from collections import Counter, deque
from uuid import UUID

from recorder.clock import Clock
from recorder.spool import Segment, Spool
from recorder.spool.segments import started
from recorder.uplink import Uplink

LIVE_TURNS = 4
"""With the oldest first, each so-manieth turn of a camera goes to its newest segment."""


class Turns:
    """Cameras take turns, so that one with a huge backlog costs the others nothing but its own turn.

    Within a camera the newest or the oldest goes first. Calls may come from any thread, and wait for the disk.
    """

    def __init__(self, spool: Spool, uplink: Uplink, *, clock: Clock, newest_first: bool) -> None:
        self._queue = spool.uploads
        self._uplink = uplink
        self._clock = clock
        self.newest_first = newest_first
        self._lock = threading.Lock()
        self._busy: dict[UUID, Segment] = {}
        self._number = 0
        self._last: dict[UUID, int] = {}
        """Of each camera, the number of its last turn."""
        self._had: Counter[UUID] = Counter()
        """How many turns each has had."""

    def upcoming(self, limit: int) -> list[Segment]:
        """Who goes next, first to last, beside those that are under way. The spool's errors."""
        with self._lock:
            busy, last, had = dict(self._busy), dict(self._last), Counter(self._had)
        urgent = self.urgent(limit)
        if len(urgent) >= limit or not self._uplink.flow.is_open:
            return urgent
        taken = set(busy) | {segment.id for segment in urgent}
        under_way = Counter(segment.camera_id for segment in (*busy.values(), *urgent))
        lines = {camera_id: _Line(self, camera_id, had[camera_id], taken, limit) for camera_id in self._queue.cameras()}
        chosen, number = urgent, self._number
        while lines and len(chosen) < limit:
            camera_id = self._next_camera(lines, under_way, last)
            segment = lines[camera_id].take()
            if segment is None:
                del lines[camera_id]
                continue
            chosen.append(segment)
            number += 1
            last[camera_id] = number
            under_way[camera_id] += 1
        return chosen

    def urgent(self, limit: int) -> list[Segment]:
        """What somebody waits for and isn't under way, as it was asked for."""
        with self._lock:
            busy = set(self._busy)
        found: dict[UUID, Segment] = {}
        for fetch in self._uplink.fetches():
            if len(found) >= limit:
                break
            for segment in self._queue.within(
                fetch.camera_id, fetch.start, fetch.end, self._clock.now(), limit + len(busy)
            ):
                if segment.id not in busy:
                    found[segment.id] = segment
        return list(found.values())[:limit]

    def take(self, segment: Segment) -> bool:
        """It is under way; False if it was already."""
        with self._lock:
            if segment.id in self._busy:
                return False
            self._busy[segment.id] = segment
            self._number += 1
            self._last[segment.camera_id] = self._number
            self._had[segment.camera_id] += 1
            return True

    def leave(self, segment: Segment) -> None:
        """It is no longer under way, be it done or not."""
        with self._lock:
            self._busy.pop(segment.id, None)

    def busy(self) -> list[Segment]:
        """What is under way."""
        with self._lock:
            return list(self._busy.values())

    def _next_camera(self, lines: "dict[UUID, _Line]", under_way: Counter[UUID], last: dict[UUID, int]) -> UUID:
        """Of those with the fewest uploads under way, the one whose last turn is longest ago."""
        fewest = min((under_way[camera_id], last.get(camera_id, 0)) for camera_id in lines)
        equal = [camera_id for camera_id in lines if (under_way[camera_id], last.get(camera_id, 0)) == fewest]
        if len(equal) == 1:
            return equal[0]
        # None of them had a turn yet: then by their footage.
        heads = [(started(head), camera_id) for camera_id in equal if (head := lines[camera_id].head()) is not None]
        return max(heads)[1] if heads and self.newest_first else min(heads)[1] if heads else equal[0]

    def ordered(self, camera_id: UUID, limit: int, *, newest_first: bool) -> list[Segment]:
        """A camera's own order."""
        return self._queue.of_camera(camera_id, self._clock.now(), newest_first=newest_first, limit=limit)


class _Line:
    """One camera's segments in the order in which they would go, read when they are needed."""

    def __init__(self, turns: Turns, camera_id: UUID, had: int, taken: set[UUID], limit: int) -> None:
        """`taken`: what is under way or chosen; what is taken from here is added."""
        self._turns = turns
        self._camera_id = camera_id
        self._had = had
        self._taken = taken
        self._limit = limit + len(taken)
        self._read: dict[bool, deque[Segment]] = {}

    def head(self) -> Segment | None:
        """The first, which stays."""
        line = self._line(newest_first=self._turns.newest_first)
        return line[0] if line else None

    def take(self) -> Segment | None:
        """The next; None if there is no more."""
        is_live = self._had % LIVE_TURNS == LIVE_TURNS - 1
        line = self._line(newest_first=self._turns.newest_first or is_live)
        if not line:
            return None
        self._had += 1
        segment = line.popleft()
        self._taken.add(segment.id)
        return segment

    def _line(self, *, newest_first: bool) -> deque[Segment]:
        if newest_first not in self._read:
            found = self._turns.ordered(self._camera_id, self._limit, newest_first=newest_first)
            self._read[newest_first] = deque(found)
        line = self._read[newest_first]
        while line and line[0].id in self._taken:
            line.popleft()
        return line
