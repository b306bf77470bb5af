"""What the time before a start was: not running, and then running without a disk to use."""

from datetime import timedelta

from camfleet_contract.gaps import GapCause
from recorder.errors import DiskFull
from recorder.last_run import HeldUp, LastRun
from recorder.spool import Spool
from tests.recorder.rig import always, camera, config
from tests.recorder.spooled import NOON

MINUTE = timedelta(minutes=1)


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
