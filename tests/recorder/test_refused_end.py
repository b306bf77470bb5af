"""A connection that ends while the disk refuses rows: what was opened on the way out is finished all the same."""

import sqlite3
import threading
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import av
import pytest
from uuid_utils.compat import uuid7

from recorder.clock_error import ClockError
from recorder.coverage import Coverage
from recorder.durability import Syncer
from recorder.journal import Journal
from recorder.sealing import Sealer
from recorder.spool import MissedFootage, SegmentState, Spool
from recorder.spool.gaps import Gaps
from recorder.take import Plan, Take
from recorder.tracks import Tracks
from recorder.wanted import Run
from tests.recorder.footage import make_clip
from tests.recorder.spooled import NOON, SetClock


class FullGaps(Gaps):
    """The disk has no room for another gap."""

    def add(self, gaps: Iterable[MissedFootage]) -> None:
        raise sqlite3.OperationalError(f"database or disk is full: {len(list(gaps))} not written")


def test_a_segment_that_was_opened_at_the_end_is_sealed_although_its_gap_was_refused(
    spool: Spool, tmp_path: Path
) -> None:
    clip = make_clip(tmp_path / "a.mov", seconds=1, audio=None)
    clock, sealer, camera_id = SetClock(), Sealer(), uuid7()
    coverage = Coverage(camera_id, FullGaps(spool._database))
    journal = Journal(
        camera_id, spool, clock, sealer, coverage, threading.Event().set, ClockError(clock), Syncer(spool.sync)
    )
    run = Run(camera_id, None, NOON, "Yard", NOON, NOON + timedelta(days=1), 60)
    plan = Plan((run,), lambda _: NOON)
    clock.advance(timedelta(seconds=10))  # due since then, and nothing came: a gap
    with av.open(str(clip)) as source:
        take = Take(journal, Tracks(source.streams.video[0], None), clock.monotonic())
        for packet in source.demux():
            if packet.size:
                take.feed(packet, clock.monotonic(), plan)
        assert not take.is_recording, "it broke off before a recording could begin"
        with pytest.raises(sqlite3.OperationalError):
            take.end(plan)
    assert sealer.close(10)
    assert spool.segments.in_state(SegmentState.OPEN) == [], "nobody would come back for it before the next start"
