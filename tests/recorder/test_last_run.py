"""What the time before a start was: not running, and then running without a disk to use."""

from datetime import timedelta

from camfleet_contract.gaps import GapCause
from recorder.coverage import Coverage
from recorder.errors import DiskFull
from recorder.last_run import HeldUp, LastRun
from recorder.spool import Spool
from recorder.wanted import Run
from tests.recorder.rig import always, camera, config
from tests.recorder.spooled import NOON

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def test_the_time_without_a_recorder_and_the_time_without_a_disk_are_told_by_their_own_causes(spool: Spool) -> None:
    spool.mark_alive(NOON - 60 * MINUTE)
    last_run = LastRun(spool, HeldUp(NOON - 10 * MINUTE, DiskFull("The disk is full.")))
    last_run.put_in_order(config(always(camera("rtsp://camera/1"))), NOON)
    told = [(gap.start, gap.end, gap.cause, gap.detail) for gap in spool.gaps.to_report(NOON)]
    assert told == [
        (NOON - 60 * MINUTE, NOON - 10 * MINUTE, GapCause.RECORDER_DOWN, "The recorder was not running."),
        (NOON - 10 * MINUTE, NOON, GapCause.DISK_FULL, "The disk is full."),
    ]
    assert spool.last_alive() == NOON


def test_a_recorder_that_was_held_up_since_before_it_was_last_alive_tells_nothing_twice(spool: Spool) -> None:
    spool.mark_alive(NOON - 5 * MINUTE)  # the clock was set back meanwhile
    last_run = LastRun(spool, HeldUp(NOON - 10 * MINUTE, DiskFull("The disk is full.")))
    last_run.put_in_order(config(always(camera("rtsp://camera/1"))), NOON)
    told = [(gap.start, gap.end, gap.cause) for gap in spool.gaps.to_report(NOON)]
    assert told == [(NOON - 5 * MINUTE, NOON, GapCause.DISK_FULL)]


def test_what_was_missing_when_a_kill_came_keeps_its_cause_and_no_moment_is_told_twice(spool: Spool) -> None:
    """Three cameras: one away for ten minutes, one since just now, one that had come back."""
    away, since_just_now, back = (camera("rtsp://camera/1") for _ in range(3))
    document = config(*(always(one) for one in (away, since_just_now, back)))
    run = {one.id: Run(one.id, None, NOON - HOUR, "Yard", NOON - HOUR, NOON + HOUR, 60) for one in document.cameras}
    accounts = {camera_id: Coverage(camera_id, spool.gaps) for camera_id in run}
    lives = LastRun(spool)
    lives.put_in_order(document, NOON - HOUR)
    for camera_id, account in accounts.items():
        account.begin(run[camera_id], NOON - HOUR)
        account.footage(NOON - HOUR)
        account.footage_until(NOON - (10 * MINUTE if camera_id == away.id else timedelta(seconds=40)))
    accounts[away.id].missing(GapCause.CAMERA_UNREACHABLE, "no route")
    for account in accounts.values():
        account.flush(NOON - MINUTE)
    lives.mark_alive(NOON - MINUTE)
    accounts[since_just_now.id].missing(GapCause.STREAM_STALLED, "nothing came")
    accounts[back.id].missing(GapCause.CAMERA_UNREACHABLE, "no route")
    seen = NOON - timedelta(seconds=15)
    lives.note(missed for account in accounts.values() if (missed := account.unwritten(seen)))
    accounts[back.id].footage(NOON - timedelta(seconds=10))
    accounts[back.id].footage_until(NOON - timedelta(seconds=5))  # and is not in the spool: its segment is lost

    LastRun(spool).put_in_order(document, NOON)
    told = spool.gaps.to_report(NOON)
    of = {
        camera_id: [(gap.start, gap.end, gap.cause) for gap in told if gap.camera_id == camera_id] for camera_id in run
    }
    down = GapCause.RECORDER_DOWN
    assert of[away.id] == [
        (NOON - 10 * MINUTE, NOON - MINUTE, GapCause.CAMERA_UNREACHABLE),
        (NOON - MINUTE, seen, GapCause.CAMERA_UNREACHABLE),
        (seen, NOON, down),
    ]
    assert of[since_just_now.id] == [
        (NOON - timedelta(seconds=40), seen, GapCause.STREAM_STALLED),
        (seen, NOON, down),
    ]
    assert of[back.id] == [
        (NOON - timedelta(seconds=40), NOON - timedelta(seconds=10), GapCause.CAMERA_UNREACHABLE),
        (NOON - timedelta(seconds=10), NOON, down),
    ]
