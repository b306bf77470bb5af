"""The wall clock steps while a camera records: footage keeps its order, and the step is told."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import pytest
from uuid_utils.compat import uuid7

from camfleet_contract.gaps import GapCause
from recorder.clock_error import STALE, ClockError
from recorder.coverage import Coverage
from recorder.durability import Syncer
from recorder.journal import Journal
from recorder.sealing import Sealer
from recorder.spool import SegmentState, Spool
from recorder.take import Plan, Take
from recorder.tracks import Tracks
from recorder.wanted import Run
from tests.recorder.footage import make_clip, video_hashes

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class SteppingClock:
    def __init__(self) -> None:
        self.seconds = 1000.0
        self.step = timedelta()

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds - 1000) + self.step

    def monotonic(self) -> float:
        return self.seconds


@pytest.mark.parametrize("step", [timedelta(hours=1), timedelta(hours=-1)])
def test_a_step_begins_new_stamps_at_a_keyframe_without_losing_a_packet(
    spool: Spool, tmp_path: Path, step: timedelta
) -> None:
    clip = make_clip(tmp_path / "a.mov", seconds=24, audio=None)
    clock, sealer, camera_id = SteppingClock(), Sealer(), uuid7()
    coverage = Coverage(camera_id, spool.gaps)
    done = threading.Event()
    clock_error = ClockError(clock)
    clock_error.compare(NOON - timedelta(seconds=2), 999.5, 1000.5)
    journal = Journal(camera_id, spool, clock, sealer, coverage, done.set, clock_error, Syncer(spool.sync))
    opened = NOON - timedelta(days=1)
    plan = Plan((Run(camera_id, None, opened, "Yard", opened, NOON + timedelta(days=1), 60),), lambda _: NOON)
    with av.open(str(clip)) as source:
        video = source.streams.video[0]
        take = Take(journal, Tracks(video, None), clock.monotonic())
        for packet in source.demux():
            if packet.size == 0:
                continue
            clock.seconds = 1000 + float((packet.dts or 0) * packet.time_base)
            clock.step = step if clock.seconds >= 1005 else timedelta()
            take.feed(packet, clock.monotonic(), plan)
        take.end(plan)
    assert sealer.close(10)

    segments = sorted(spool.segments.in_state(SegmentState.SEALED), key=lambda segment: segment.id)
    before, after = (segment.sealed for segment in segments)
    assert before is not None
    assert after is not None
    assert before.start == NOON
    assert before.clock_error_seconds == pytest.approx(2)
    assert after.clock_error_seconds == pytest.approx(2 + step.total_seconds())
    assert before.end - before.start == timedelta(seconds=before.packets / 25)
    assert after.start - before.end == step
    assert after.end - after.start == timedelta(seconds=after.packets / 25)
    files = [spool.segments.file(segment) for segment in segments]
    assert [packet for file in files for packet in video_hashes(file)] == video_hashes(clip)
    gaps = spool.gaps.to_report(NOON + timedelta(days=2))
    expected = [(before.end, after.start, GapCause.CLOCK_STEP)] if step > timedelta() else []
    assert [(gap.start, gap.end, gap.cause) for gap in gaps] == expected
    assert coverage.last_footage == after.end, "what is missing next is counted from here"


def test_packets_that_waited_five_seconds_while_the_stream_was_opened_are_stamped_with_their_own_time(
    spool: Spool, tmp_path: Path
) -> None:
    clip = make_clip(tmp_path / "a.mov", seconds=12, audio=None)
    clock, sealer, camera_id = SteppingClock(), Sealer(), uuid7()
    clock_error, done = ClockError(clock), threading.Event()
    coverage = Coverage(camera_id, spool.gaps)
    journal = Journal(camera_id, spool, clock, sealer, coverage, done.set, clock_error, Syncer(spool.sync))
    opened = NOON - timedelta(days=1)
    plan = Plan((Run(camera_id, None, opened, "Yard", opened, NOON + timedelta(days=1), 60),), lambda _: NOON)
    with av.open(str(clip)) as source:
        video = source.streams.video[0]
        clock.seconds = 1006
        take = Take(journal, Tracks(video, None), clock.monotonic())
        for packet in source.demux():
            if packet.size:
                # Sent from 12:00:01 on; the first five seconds of it come at once.
                clock.seconds = max(1006, 1001 + float((packet.dts or 0) * packet.time_base))
                take.feed(packet, clock.monotonic(), plan)
        take.end(plan)
    assert sealer.close(10)
    [segment] = spool.segments.in_state(SegmentState.SEALED)
    assert segment.sealed is not None
    assert abs(segment.sealed.start - (NOON + timedelta(seconds=1))) < timedelta(seconds=0.05)
    assert video_hashes(spool.segments.file(segment)) == video_hashes(clip)


def test_a_comparison_of_long_ago_says_nothing() -> None:
    clock = SteppingClock()
    clock_error = ClockError(clock)
    assert clock_error.now() is None
    clock_error.compare(NOON, 1000.0, 1000.0)
    clock.seconds += STALE.total_seconds() - 1
    assert clock_error.now() == timedelta()
    clock.seconds += 2
    assert clock_error.now() is None


async def test_a_connection_that_breaks_off_before_its_stamps_are_sure_loses_no_packet(
    spool: Spool, tmp_path: Path
) -> None:
    clip = make_clip(tmp_path / "a.mov", seconds=1, audio=None)
    clock, sealer, camera_id = SteppingClock(), Sealer(), uuid7()
    coverage = Coverage(camera_id, spool.gaps)
    journal = Journal(camera_id, spool, clock, sealer, coverage, lambda: None, ClockError(clock), Syncer(spool.sync))
    opened = NOON - timedelta(days=1)
    plan = Plan((Run(camera_id, None, opened, "Yard", opened, NOON + timedelta(days=1), 60),), lambda _: NOON)
    clock.seconds = 1006
    with av.open(str(clip)) as source:
        take = Take(journal, Tracks(source.streams.video[0], None), clock.monotonic())
        for packet in source.demux():
            if packet.size:
                take.feed(packet, clock.monotonic(), plan)
        assert not take.is_recording, "all of it came at once"
        take.end(plan)
        take.end(plan)
    assert sealer.close(10)
    [segment] = spool.segments.in_state(SegmentState.SEALED)
    assert video_hashes(spool.segments.file(segment)) == video_hashes(clip)
