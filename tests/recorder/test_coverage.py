"""Every second that was due is footage or a gap with the cause it began with."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from uuid_utils.compat import uuid7

from camfleet_contract.gaps import GapCause
from recorder.coverage import Coverage
from recorder.spool import Spool
from recorder.wanted import Run

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


RUN = Run(uuid7(), uuid7(), NOON, "Yard", NOON, at(100), 60)


@pytest.fixture
def coverage(spool: Spool) -> Coverage:
    return Coverage(RUN.camera_id, spool.gaps)


def told(spool: Spool) -> list[tuple[float, float, GapCause]]:
    return [
        ((gap.start - NOON).total_seconds(), (gap.end - NOON).total_seconds(), gap.cause)
        for gap in spool.gaps.to_report(at(1000))
    ]


def test_a_gap_lasts_from_the_last_frame_to_the_next_one_and_keeps_its_first_cause(
    coverage: Coverage, spool: Spool
) -> None:
    coverage.begin(RUN, at(-10))
    coverage.footage(NOON)
    coverage.footage_until(at(10))
    coverage.missing(GapCause.STREAM_STALLED, "nothing came")
    coverage.missing(GapCause.CAMERA_UNREACHABLE, "no route")
    coverage.footage(at(25))
    assert told(spool) == [(10, 25, GapCause.STREAM_STALLED)]


def test_a_long_gap_is_told_again_and_again_and_is_one_gap(coverage: Coverage, spool: Spool) -> None:
    coverage.begin(RUN, at(-10))
    coverage.missing(GapCause.CAMERA_UNREACHABLE, "no route")
    pieces = []
    for moment in (30, 60):
        coverage.flush(at(moment))
        pieces += spool.gaps.to_report(at(1000))
        spool.gaps.mark_reported(pieces)
        assert told(spool) == []
    coverage.footage(at(70))
    pieces += spool.gaps.to_report(at(1000))
    assert [(piece.start, piece.end) for piece in pieces] == [(NOON, at(30)), (NOON, at(60)), (NOON, at(70))]
    assert len({piece.id for piece in pieces}) == 1
    coverage.footage_until(at(75))
    coverage.missing(GapCause.CAMERA_UNREACHABLE, "no route")
    coverage.flush(at(90))
    (another,) = [gap for gap in spool.gaps.to_report(at(1000)) if gap.id != pieces[0].id]
    assert (another.start, another.end) == (at(75), at(90))


def test_a_gap_of_days_is_a_gap_a_day(spool: Spool) -> None:
    hour = 3600
    run = replace(RUN, end=at(100 * hour))
    coverage = Coverage(run.camera_id, spool.gaps)
    coverage.begin(run, at(-10))
    coverage.missing(GapCause.CAMERA_UNREACHABLE, "no route")
    for hours in range(1, 51):
        coverage.flush(at(hours * hour))
    assert [(start / hour, end / hour) for start, end, _ in told(spool)] == [(0, 24), (24, 48), (48, 50)]


def test_a_gap_that_nobody_could_be_told_of_is_one_row_however_long_it_lasts(coverage: Coverage, spool: Spool) -> None:
    coverage.begin(RUN, at(-10), uuid7())
    coverage.missing(GapCause.CAMERA_UNREACHABLE, "no route")
    coverage.flush(at(10))
    (first,) = spool.gaps.to_report(at(1000))
    for moment in range(11, 70):
        coverage.flush(at(moment))
        (row,) = spool.gaps.to_report(at(1000))
        assert (row.id, row.start, row.end) == (first.id, NOON, at(moment))
        assert spool.gaps.told_until() == {RUN.camera_id: at(moment)}
    coverage.footage(at(70))
    assert told(spool) == [(0, 70, GapCause.CAMERA_UNREACHABLE)]


def test_a_gap_that_goes_on_while_it_is_told_is_told_once_more_under_its_id(coverage: Coverage, spool: Spool) -> None:
    coverage.begin(RUN, at(-10))
    coverage.missing(GapCause.CAMERA_UNREACHABLE, "no route")
    coverage.flush(at(30))
    on_the_way = spool.gaps.to_report(at(1000))
    coverage.flush(at(60))
    spool.gaps.mark_reported(on_the_way)
    (again,) = spool.gaps.to_report(at(1000))
    assert (again.id, again.start, again.end) == (on_the_way[0].id, NOON, at(60))
    spool.gaps.mark_reported([again])
    coverage.flush(at(90))
    (once_more,) = spool.gaps.to_report(at(1000))
    assert (once_more.id, once_more.start, once_more.end) == (again.id, NOON, at(90))


def test_another_reason_or_recording_is_another_gap(coverage: Coverage, spool: Spool) -> None:
    coverage.begin(RUN, at(-10))
    coverage.flush(at(10))
    coverage.missing(GapCause.CAMERA_UNREACHABLE, "no route")
    coverage.flush(at(20))
    coverage.begin(RUN, at(-10), uuid7())
    coverage.flush(at(30))
    rows = spool.gaps.to_report(at(1000))
    assert [(row.start, row.end) for row in rows] == [(NOON, at(10)), (at(10), at(20)), (at(20), at(30))]
    assert len({row.id for row in rows}) == 3


def test_a_gap_ends_with_its_run(coverage: Coverage, spool: Spool) -> None:
    coverage.begin(RUN, at(-10))
    coverage.missing(GapCause.CAMERA_REFUSED, "password")
    coverage.over(at(120))
    coverage.flush(at(130))
    assert told(spool) == [(0, 100, GapCause.CAMERA_REFUSED)]


def test_a_run_that_is_over_is_not_begun_again(coverage: Coverage, spool: Spool) -> None:
    coverage.begin(RUN, NOON)
    coverage.footage(NOON)
    coverage.footage_until(at(99.9))
    coverage.over(at(101))
    coverage.begin(RUN, NOON)
    coverage.flush(at(110))
    assert told(spool) == []


def test_time_before_a_schedule_was_known_is_no_gap(coverage: Coverage, spool: Spool) -> None:
    coverage.begin(RUN, at(40))
    coverage.footage(at(45))
    assert [(start, end) for start, end, _ in told(spool)] == [(40, 45)]


def test_the_distance_of_two_frames_is_no_gap(coverage: Coverage, spool: Spool) -> None:
    coverage.begin(RUN, NOON)
    coverage.footage(at(0.04))
    coverage.over(at(100))
    assert told(spool) == []


def test_a_camera_that_had_just_fallen_silent_when_the_recorder_was_stopped_is_a_gap(
    coverage: Coverage, spool: Spool
) -> None:
    coverage.begin(RUN, at(-10))
    coverage.footage(NOON)
    coverage.footage_until(at(10))
    coverage.unread(at(13.8))
    coverage.over(at(13.8))
    (gap,) = spool.gaps.to_report(at(1000))
    assert told(spool) == [(10, 13.8, GapCause.STREAM_STALLED)]
    assert "3.8 s when it was read no more" in gap.detail


def test_a_recorder_that_is_stopped_between_two_pictures_has_missed_nothing(coverage: Coverage, spool: Spool) -> None:
    coverage.begin(RUN, at(-10))
    coverage.footage(NOON)
    coverage.footage_until(at(10))
    coverage.unread(at(10.2))
    coverage.over(at(10.2))
    assert told(spool) == []


def test_a_gap_that_is_open_when_the_recorder_is_stopped_keeps_its_cause(coverage: Coverage, spool: Spool) -> None:
    coverage.begin(RUN, at(-10))
    coverage.footage(NOON)
    coverage.footage_until(at(10))
    coverage.missing(GapCause.CAMERA_UNREACHABLE, "no route")
    coverage.unread(at(30))
    coverage.over(at(30))
    assert told(spool) == [(10, 30, GapCause.CAMERA_UNREACHABLE)]


def test_a_camera_that_fell_silent_just_before_the_end_of_its_window_is_a_gap(coverage: Coverage, spool: Spool) -> None:
    coverage.begin(RUN, at(-10))
    coverage.footage(NOON)
    coverage.footage_until(at(98.5))
    coverage.unread(at(100))
    coverage.over(at(103))
    assert told(spool) == [(98.5, 100, GapCause.STREAM_STALLED)]
