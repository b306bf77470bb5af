"""A camera that sends no pictures for a while on a connection that holds: no segment covers that time."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import pytest
from uuid_utils.compat import uuid7

from camfleet_contract.gaps import GapCause
from recorder.clock_error import ClockError
from recorder.coverage import Coverage
from recorder.durability import Syncer
from recorder.holes import Holes
from recorder.journal import Journal
from recorder.sealing import Sealer
from recorder.spool import SegmentState, Spool
from recorder.take import Plan, Take
from recorder.tracks import Tracks
from recorder.wanted import Run
from tests.recorder.footage import make_clip, video_hashes

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
STALLED = (5.0, 8.0)


class MovedClock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds - 1000)

    def monotonic(self) -> float:
        return self.seconds


def test_a_stall_that_is_shorter_than_the_read_limit_is_a_gap_and_no_footage(spool: Spool, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mov", seconds=12, audio=None)
    clock, sealer, camera_id = MovedClock(), Sealer(), uuid7()
    coverage = Coverage(camera_id, spool.gaps)
    journal = Journal(
        camera_id, spool, clock, sealer, coverage, threading.Event().set, ClockError(clock), Syncer(spool.sync)
    )
    plan = Plan((Run(camera_id, None, NOON, "Yard", NOON, NOON + timedelta(days=1), 60),), lambda _: NOON)
    sent = 0
    with av.open(str(clip)) as source:
        take = Take(journal, Tracks(source.streams.video[0], None), clock.monotonic())
        for packet in source.demux():
            second = float((packet.dts or 0) * packet.time_base)
            if packet.size and not STALLED[0] <= second < STALLED[1]:
                clock.seconds = 1000 + second
                take.feed(packet, clock.monotonic(), plan)
                sent += 1
        take.end(plan)
    assert sealer.close(10)

    segments = sorted(spool.segments.in_state(SegmentState.SEALED), key=lambda segment: segment.opened_at)
    stretches = [(segment.sealed.start, segment.sealed.end) for segment in segments if segment.sealed]
    begin, end = (NOON + timedelta(seconds=second) for second in STALLED)
    assert stretches == [(NOON, begin), (end, NOON + timedelta(seconds=12))]
    [gap] = spool.gaps.to_report(NOON + timedelta(days=1))
    assert (gap.start, gap.end, gap.cause) == (begin, end, GapCause.STREAM_STALLED)
    assert gap.detail == "The camera sent no pictures for 3 s."
    assert sum(len(video_hashes(spool.segments.file(segment))) for segment in segments) == sent


@pytest.mark.parametrize(
    ("distances", "waits", "expected"),
    [
        ([0.04] * 50 + [2.0], None, True),
        ([0.04] * 50 + [2.0], [0.04] * 49 + [2.0, 0.04], True),
        ([0.04] * 50 + [0.9], None, False),
        ([1.0] * 20, None, False),
        ([1.0] * 5 + [3.0], None, False),
        ([0.04] * 50 + [0.5] * 10 + [1.5], None, False),
        ([2.0], None, False),
        ([0.04] * 50 + [3.0], [0.04] * 51, False),
        ([0.04] * 51, [0.04] * 50 + [3.0], False),
    ],
    ids=[
        "a stall",
        "a stall, libav waits for the picture after each",
        "a short one",
        "one picture a second",
        "of which two are left out",
        "the rate falls",
        "nothing to compare with",
        "the camera's clock jumps",
        "the network held pictures back",
    ],
)
def test_what_is_a_hole(distances: list[float], waits: list[float] | None, expected: bool) -> None:
    holes, second, arrival = Holes(), 0.0, 100.0
    assert not holes.before(second, arrival)
    found = []
    for distance, wait in zip(distances, waits or distances, strict=True):
        second, arrival = second + distance, arrival + wait
        found.append(holes.before(second, arrival))
    assert found[-1] is expected
    assert not any(found[:-1])
