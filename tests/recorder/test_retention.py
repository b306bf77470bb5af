"""Files go after their proof, or when the disk would fill: proven ones first, the rest reported as gaps."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from camfleet_contract.gaps import GapCause
from recorder.errors import DiskMissing
from recorder.offers import name_of
from recorder.retention import DiskSpace, Reserve, Retention
from recorder.spool import Segment, Spool
from tests.recorder.spooled import NOON, SetClock, begun, sealed

SIZE = 1000
RESERVE = Reserve(free_bytes=2500, free_fraction=0)


class Disk:
    """A disk that has just so much room for segments."""

    def __init__(self, spool: Spool, capacity: int) -> None:
        self._folder = spool.base / "recordings"
        self._capacity = capacity

    def __call__(self) -> DiskSpace:
        used = sum(path.stat().st_size for path in self._folder.rglob("*.mp4"))
        return DiskSpace(self._capacity, self._capacity - used)


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOON + timedelta(hours=1))


def retention(spool: Spool, clock: SetClock, measure: Callable[[], DiskSpace], keep: timedelta) -> Retention:
    return Retention(
        spool, clock=clock, keep=keep, reserve=RESERVE, measure=measure, on_gap=lambda: None, poll=timedelta(seconds=1)
    )


def roomy() -> DiskSpace:
    return DiskSpace(10**12, 10**11)


def recorded(spool: Spool, count: int) -> list[Segment]:
    recording = begun(spool)
    return [sealed(spool, recording, NOON + timedelta(minutes=m), size=SIZE) for m in range(count)]


def proven(spool: Spool, segments: list[Segment]) -> None:
    for segment in segments:
        spool.segments.mark_uploaded(segment.id, name_of(segment), 0)
    spool.segments.mark_stored([segment.id for segment in segments])


def left(spool: Spool, segments: list[Segment]) -> list[Segment]:
    return [segment for segment in segments if spool.segments.file(segment).exists()]


def test_proven_files_go_at_once_and_no_other(data_spool: Spool, clock: SetClock) -> None:
    segments = recorded(data_spool, 4)
    proven(data_spool, segments[:2])
    data_spool.segments.mark_uploaded(segments[2].id, name_of(segments[2]), 0)
    assert retention(data_spool, clock, roomy, timedelta(0)).sweep() == 0
    assert left(data_spool, segments) == segments[2:]


def test_proven_files_stay_as_long_as_set(data_spool: Spool, clock: SetClock) -> None:
    segments = recorded(data_spool, 2)
    proven(data_spool, segments)
    sweep = retention(data_spool, clock, roomy, timedelta(days=1)).sweep
    sweep()
    assert left(data_spool, segments) == segments
    clock.advance(timedelta(hours=23, minutes=1, seconds=1))
    sweep()
    assert left(data_spool, segments) == segments[1:]
    clock.advance(timedelta(minutes=1))
    sweep()
    assert left(data_spool, segments) == []


def test_on_a_full_disk_proven_files_go_first_and_no_more_than_must(data_spool: Spool, clock: SetClock) -> None:
    segments = recorded(data_spool, 8)
    proven(data_spool, segments[5:])
    given_up = retention(data_spool, clock, Disk(data_spool, 10_000), timedelta(days=1)).sweep()
    assert given_up == 0
    assert left(data_spool, segments) == segments[:5]
    assert data_spool.gaps.to_report(clock.now()) == []


def test_on_a_full_disk_the_oldest_unproven_footage_goes_and_is_reported(data_spool: Spool, clock: SetClock) -> None:
    segments = recorded(data_spool, 9)
    given_up = retention(data_spool, clock, Disk(data_spool, 10_000), timedelta(days=1)).sweep()
    assert given_up == 2
    assert left(data_spool, segments) == segments[2:]
    gaps = data_spool.gaps.to_report(clock.now())
    assert [(gap.cause, gap.start) for gap in gaps] == [
        (GapCause.RETENTION, segment.sealed.start) for segment in segments[:2] if segment.sealed
    ]
    assert all(data_spool.segments.get(segment.id) is None for segment in segments[:2])


def test_a_disk_filled_by_others_does_not_make_it_loop_for_ever(data_spool: Spool, clock: SetClock) -> None:
    segments = recorded(data_spool, 3)
    assert retention(data_spool, clock, lambda: DiskSpace(10_000, 0), timedelta(0)).sweep() == 3
    assert left(data_spool, segments) == []


def test_nothing_is_pruned_while_the_data_disk_is_away(data_spool: Spool, clock: SetClock, tmp_path: Path) -> None:
    segments = recorded(data_spool, 2)
    proven(data_spool, segments)
    (data_spool.base / "recordings").rename(tmp_path / "unmounted")
    with pytest.raises(DiskMissing):
        retention(data_spool, clock, lambda: DiskSpace(10_000, 0), timedelta(0)).sweep()
    assert all(data_spool.segments.get(segment.id) is not None for segment in segments)


@pytest.mark.parametrize(
    ("total", "free", "is_short"),
    [(100 * 2**30, 3 * 2**30, False), (100 * 2**30, 2**30, True), (10 * 2**30, 2**30, False), (10**13, 10**11, True)],
)
def test_the_larger_of_both_reserves_counts(total: int, free: int, is_short: bool) -> None:
    assert Reserve().is_short(DiskSpace(total, free)) is is_short
