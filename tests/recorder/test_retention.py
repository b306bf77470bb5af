"""Files go after their proof, or when the disk would fill: proven ones first, the rest reported as gaps."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from uuid_utils.compat import uuid7

from camfleet_contract.gaps import GapCause
from recorder.errors import DiskMissing
from recorder.offers import name_of
from recorder.retention import DiskSpace, Reserve, Retention
from recorder.spool import Segment, Spool
from tests.recorder.spooled import NOON, SetClock, begun, many_rows, sealed, steps

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


def test_unproven_footage_goes_by_age_only_where_that_is_set(data_spool: Spool, clock: SetClock) -> None:
    segments = recorded(data_spool, 3)
    data_spool.segments.mark_uploaded(segments[2].id, name_of(segments[2]), 0)
    clock.advance(timedelta(days=400))
    assert retention(data_spool, clock, roomy, timedelta(0)).sweep() == 0
    clock.advance(-timedelta(days=398, minutes=58, seconds=30))  # two days after the first one's end and a little more
    assert ruled(data_spool, clock, keep_unproven=timedelta(days=2)).sweep() == 1
    assert left(data_spool, segments) == segments[1:]
    (gap,) = data_spool.gaps.to_report(clock.now())
    assert gap.cause is GapCause.RETENTION
    assert "older than 2 days (KEEP_UNPROVEN_DAYS)" in gap.detail


def test_a_camera_above_its_share_loses_proven_then_uploaded_then_its_oldest_and_no_other_camera_does(
    data_spool: Spool, clock: SetClock
) -> None:
    segments = recorded(data_spool, 6)
    other = begun(data_spool, uuid7())
    bystander = sealed(data_spool, other, size=3 * SIZE)
    proven(data_spool, segments[5:])
    data_spool.segments.mark_uploaded(segments[4].id, name_of(segments[4]), 0)
    sweep = ruled(data_spool, clock, keep=timedelta(days=1), bytes_per_camera=3 * SIZE).sweep
    assert sweep() == 2
    assert left(data_spool, [*segments, bystander]) == [*segments[1:4], bystander]
    gaps = data_spool.gaps.to_report(clock.now())
    assert {gap.recording_id for gap in gaps} == {segments[0].recording_id}
    assert all("(MAX_GIB_PER_CAMERA)" in gap.detail for gap in gaps)
    assert sweep() == 0


def test_a_gap_says_how_full_the_disk_was(data_spool: Spool, clock: SetClock) -> None:
    recorded(data_spool, 1)
    sweep = Retention(
        data_spool,
        clock=clock,
        keep=timedelta(0),
        reserve=Reserve(),
        measure=lambda: DiskSpace(100 * 2**30, 2**29),
        on_gap=lambda: None,
    ).sweep
    assert sweep() == 1
    (gap,) = data_spool.gaps.to_report(clock.now())
    assert "0.5 GiB of 100 GiB were free and 2 GiB are to be (MIN_FREE_GIB, MIN_FREE_PERCENT)" in gap.detail


def test_sweeping_looks_at_no_more_rows_when_there_are_more(data_spool: Spool, clock: SetClock) -> None:
    """What may not go yet, what is held and what waits cost a sweep nothing, however much it is."""
    recording = begun(data_spool)
    many_rows(data_spool, recording, 300)
    few = steps(data_spool, ruled(data_spool, clock, keep=timedelta(days=1000), bytes_per_camera=10**12).sweep)
    many_rows(data_spool, recording, 30_000)
    many = steps(data_spool, ruled(data_spool, clock, keep=timedelta(days=1000), bytes_per_camera=10**12).sweep)
    assert many <= few + 20


def ruled(
    spool: Spool,
    clock: SetClock,
    keep: timedelta = timedelta(0),
    keep_unproven: timedelta | None = None,
    bytes_per_camera: int | None = None,
) -> Retention:
    return Retention(
        spool,
        clock=clock,
        keep=keep,
        keep_unproven=keep_unproven,
        bytes_per_camera=bytes_per_camera,
        reserve=RESERVE,
        measure=roomy,
        on_gap=lambda: None,
    )
