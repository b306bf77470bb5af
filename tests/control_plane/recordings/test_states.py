"""How far a recording has come, whatever order the reports arrive in."""

import itertools
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camfleet_contract.recordings import RecordingStatus, RecordingStatusReport
from control_plane.recordings.states import INTERRUPTED, Progress, advanced, interrupted

STARTED = datetime(2026, 3, 1, 20, 0, tzinfo=UTC)
NOW = STARTED + timedelta(hours=1)
LATER = NOW + timedelta(hours=1)

SCHEDULED, RECORDING, COMPLETED, FAILED, STOPPED = RecordingStatus


def known(status: RecordingStatus, **more: Any) -> Progress:
    ended_at = NOW if status.is_final else None
    return Progress(status=status, started_at=STARTED, ended_at=ended_at, **more)


def report(status: RecordingStatus, **more: Any) -> RecordingStatusReport:
    return RecordingStatusReport(recording_id=uuid.UUID(int=1), status=status, **more)


COURSES = [
    (SCHEDULED, SCHEDULED, SCHEDULED),
    (SCHEDULED, RECORDING, RECORDING),
    (SCHEDULED, COMPLETED, COMPLETED),
    (SCHEDULED, FAILED, FAILED),
    (SCHEDULED, STOPPED, STOPPED),
    (RECORDING, SCHEDULED, RECORDING),
    (RECORDING, RECORDING, RECORDING),
    (RECORDING, COMPLETED, COMPLETED),
    (RECORDING, FAILED, FAILED),
    (RECORDING, STOPPED, STOPPED),
    (COMPLETED, SCHEDULED, COMPLETED),
    (COMPLETED, RECORDING, COMPLETED),
    (COMPLETED, COMPLETED, COMPLETED),
    (COMPLETED, FAILED, COMPLETED),
    (COMPLETED, STOPPED, COMPLETED),
    (FAILED, SCHEDULED, FAILED),
    (FAILED, RECORDING, FAILED),
    (FAILED, COMPLETED, COMPLETED),
    (FAILED, FAILED, FAILED),
    (FAILED, STOPPED, FAILED),
    (STOPPED, SCHEDULED, STOPPED),
    (STOPPED, RECORDING, STOPPED),
    (STOPPED, COMPLETED, COMPLETED),
    (STOPPED, FAILED, STOPPED),
    (STOPPED, STOPPED, STOPPED),
]


@pytest.mark.parametrize(("before", "told", "after"), COURSES)
def test_states_move_forward_only(before: RecordingStatus, told: RecordingStatus, after: RecordingStatus) -> None:
    assert advanced(known(before), report(told), LATER).status is after


def test_the_table_above_has_every_pair_of_states() -> None:
    pairs = {(before, told) for before, told, _ in COURSES}
    assert pairs == set(itertools.product(RecordingStatus, RecordingStatus))


@pytest.mark.parametrize("status", list(RecordingStatus))
def test_the_same_report_twice_changes_nothing_the_second_time(status: RecordingStatus) -> None:
    told = report(status, frames_recorded=10, file_size=20, progress=1.5, gcp_path="a/b", error_message="why")
    once = advanced(known(SCHEDULED), told, NOW)
    assert advanced(once, told, LATER) == once


def test_an_older_report_that_arrives_late_lowers_no_counter() -> None:
    newest = advanced(known(RECORDING), report(RECORDING, frames_recorded=900, file_size=9000), NOW)
    assert advanced(newest, report(RECORDING, frames_recorded=599, file_size=100), LATER) == newest


def test_the_first_completed_fixes_the_end() -> None:
    done = advanced(known(RECORDING), report(COMPLETED), NOW)
    assert done.ended_at == NOW
    assert advanced(done, report(COMPLETED, ended_at=LATER), LATER).ended_at == NOW


def test_a_repeated_completed_fills_in_only_what_was_missing() -> None:
    done = advanced(known(RECORDING), report(COMPLETED, file_size=500), NOW)
    again = advanced(done, report(COMPLETED, file_size=900, frames_recorded=30, gcp_path="a/b"), LATER)
    assert again == replace(done, frames_recorded=30, gcp_path="a/b")


def test_a_late_completed_wins_over_failed_and_takes_its_error_back() -> None:
    failed = advanced(known(RECORDING), report(FAILED, error_message="upload failed", error_code="upload"), NOW)
    done = advanced(failed, report(COMPLETED, gcp_path="a/b"), LATER)
    assert (done.status, done.error_message, done.error_code, done.gcp_path) == (COMPLETED, None, None, "a/b")
    assert done.ended_at == NOW


def test_a_late_completed_wins_over_interrupted() -> None:
    cut_short = interrupted(known(RECORDING), NOW)
    assert (cut_short.status, cut_short.error_code, cut_short.ended_at) == (FAILED, INTERRUPTED, NOW)
    done = advanced(cut_short, report(COMPLETED), LATER)
    assert (done.status, done.error_code, done.ended_at) == (COMPLETED, None, NOW)


def test_what_the_recorder_says_of_start_and_end_counts() -> None:
    start, end = STARTED + timedelta(seconds=3), STARTED + timedelta(minutes=5)
    assert advanced(known(SCHEDULED), report(RECORDING, started_at=start), NOW).started_at == start
    assert advanced(known(RECORDING), report(COMPLETED, ended_at=end), NOW).ended_at == end


def test_no_recording_ends_before_it_starts() -> None:
    done = advanced(known(RECORDING), report(COMPLETED, ended_at=STARTED - timedelta(days=1)), NOW)
    assert done.ended_at == done.started_at


reports = st.builds(
    report,
    st.sampled_from(RecordingStatus),
    frames_recorded=st.none() | st.integers(0, 1000),
    file_size=st.none() | st.integers(0, 1000),
    progress=st.none() | st.floats(0, 100),
)


@given(st.lists(reports, min_size=1, max_size=6), st.randoms())
def test_whatever_the_order_a_completed_recording_ends_up_completed(
    told: list[RecordingStatusReport], random: Any
) -> None:
    random.shuffle(told)
    state = known(SCHEDULED)
    for one in told:
        state = advanced(state, one, NOW)
    was_completed = any(one.status is COMPLETED for one in told)
    assert (state.status is COMPLETED) == was_completed
    assert (state.ended_at is not None) == state.status.is_final
