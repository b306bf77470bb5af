"""Which runs a camera has, and who owns the footage where windows overlap."""

from datetime import UTC, datetime, timedelta

from camfleet_contract.configuration import RecorderConfig, Schedule
from camfleet_contract.messages import Interval
from recorder.wanted import CONNECT_AHEAD, LINGER, Run, Stream, next_boundary, runs_between, unknown_zones, wanted
from tests.recorder.rig import camera, config, once

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
YARD = camera("rtsp://admin:s3cret@10.0.0.1/a")
DAY = Interval(start=NOON - timedelta(hours=12), end=NOON + timedelta(hours=12))


def hour(number: float) -> datetime:
    return NOON + timedelta(hours=number)


def runs(settings: RecorderConfig, between: Interval = DAY) -> list[Run]:
    return list(runs_between(settings, between).get(YARD.id, ()))


def test_a_stream_is_wanted_from_a_little_before_its_window_to_a_little_after() -> None:
    settings = config(once(YARD, hour(0), hour(1)))
    stream = {Stream(YARD.id, YARD.rtsp_url)}
    moments = [hour(0) - CONNECT_AHEAD, hour(0.5), hour(1), hour(1) + LINGER - timedelta(microseconds=1)]
    assert [wanted(settings, runs(settings), moment) for moment in moments] == [stream] * 4
    outside = [hour(0) - CONNECT_AHEAD - timedelta(microseconds=1), hour(1) + LINGER]
    assert [wanted(settings, runs(settings), moment) for moment in outside] == [set(), set()]


def test_no_text_of_a_stream_shows_its_password() -> None:
    assert "s3cret" not in repr(Stream(YARD.id, YARD.rtsp_url))


def test_the_window_that_opened_first_owns_the_footage() -> None:
    first, second, third = once(YARD, hour(0), hour(2)), once(YARD, hour(1), hour(3)), once(YARD, hour(2.5), hour(4))
    owned = runs(config(third, first, second))
    assert [(run.schedule_id, run.start, run.end) for run in owned] == [
        (first.id, hour(0), hour(2)),
        (second.id, hour(2), hour(3)),
        (third.id, hour(3), hour(4)),
    ]


def test_a_window_inside_another_owns_nothing() -> None:
    outer, inner = once(YARD, hour(0), hour(3)), once(YARD, hour(1), hour(2))
    assert [run.schedule_id for run in runs(config(inner, outer))] == [outer.id]


def test_a_run_stays_the_same_when_its_end_is_moved() -> None:
    schedule = once(YARD, hour(0), hour(1))
    longer = Schedule.model_validate(schedule.model_dump() | {"end_time": "15:00:00"})
    (before,), (after,) = runs(config(schedule)), runs(config(longer))
    assert before.key == after.key
    assert before.end < after.end


def test_a_run_that_was_stopped_leaves_its_time_to_others() -> None:
    first, second = once(YARD, hour(0), hour(2)), once(YARD, hour(1), hour(3))
    (stopped, _) = runs(config(first, second))
    (left,) = runs_between(config(first, second), DAY, stopped=frozenset({stopped.key}))[YARD.id]
    assert (left.schedule_id, left.start) == (second.id, hour(1))


def test_the_next_boundary_is_the_next_moment_that_changes_anything() -> None:
    planned = runs(config(once(YARD, hour(0), hour(1))))
    assert next_boundary(planned, hour(-1)) == hour(0) - CONNECT_AHEAD
    assert next_boundary(planned, hour(0) - CONNECT_AHEAD) == hour(0)
    assert next_boundary(planned, hour(0.5)) == hour(1) + LINGER
    assert next_boundary(planned, hour(2)) is None


def test_an_unknown_zone_silences_one_schedule_and_is_told() -> None:
    good = once(YARD, hour(0), hour(1))
    bad = Schedule.model_validate(once(YARD, hour(2), hour(3)).model_dump() | {"timezone": "Mars/Olympus"})
    assert [run.schedule_id for run in runs(config(bad, good))] == [good.id]
    assert "Mars/Olympus" in unknown_zones(config(bad, good))[bad.id]
