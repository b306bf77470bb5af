"""Whose turn it is: cameras share, live footage is never starved, and what somebody waits for goes first."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from camfleet_contract.uploading import Fetch, Uploading, read_hours
from recorder.spool import Segment, SegmentState, Spool
from recorder.spool.segments import started
from recorder.turns import LIVE_TURNS, Turns
from recorder.uplink import Uplink
from tests.recorder.rig import config
from tests.recorder.spooled import NOON, SetClock, begun, many_rows, steps

PARALLEL = 4
MINUTE = timedelta(minutes=1)


def turns(spool: Spool, *, newest_first: bool, clock: SetClock | None = None, uplink: Uplink | None = None) -> Turns:
    clock = clock or SetClock()
    return Turns(spool, uplink or Uplink(clock), clock=clock, newest_first=newest_first)


def waiting(spool: Spool, count: int, camera_id: UUID | None = None) -> UUID:
    """A camera with so many sealed segments, a minute apart, the newest at noon."""
    camera_id = camera_id or uuid7()
    with spool._database.transaction() as db:
        already = db.execute("SELECT count(*) FROM segments").fetchone()[0]
    many_rows(spool, begun(spool, camera_id), count, SegmentState.SEALED)
    # The rows of a test's cameras are made one camera after another: put each camera's newest at noon.
    with spool._database.transaction() as db:
        by = already * MINUTE // timedelta(microseconds=1)
        db.execute(
            "UPDATE segments SET start_at = start_at + ?, end_at = end_at + ? WHERE camera_id = ?",
            (by, by, str(camera_id)),
        )
    return camera_id


def served(spool: Spool, order: Turns, count: int) -> list[Segment]:
    """The first so many that are uploaded, `PARALLEL` at a time, each as long as the others."""
    found: list[Segment] = []
    under_way: list[Segment] = []
    while len(found) < count:
        while len(under_way) < PARALLEL and (following := order.upcoming(1)):
            assert order.take(following[0])
            under_way.append(following[0])
        done = under_way.pop(0)
        spool.segments.mark_uploaded(done.id, "name", 1)
        order.leave(done)
        found.append(done)
    for segment in under_way:
        order.leave(segment)
    return found


@pytest.mark.parametrize("newest_first", [True, False])
def test_64_cameras_share_and_one_huge_backlog_costs_the_others_nothing(spool: Spool, newest_first: bool) -> None:
    huge = waiting(spool, 5000)
    others = [waiting(spool, 4) for _ in range(63)]
    order = turns(spool, newest_first=newest_first)
    cameras = [segment.camera_id for segment in served(spool, order, 4 * 64 + 20)]
    for number in range(4):
        assert Counter(cameras[64 * number : 64 * (number + 1)]) == dict.fromkeys([huge, *others], 1)
    assert set(cameras[4 * 64 :]) == {huge}


@pytest.mark.parametrize("newest_first", [True, False])
def test_choosing_costs_the_same_whatever_waits(spool: Spool, newest_first: bool) -> None:
    def cost() -> int:
        order = turns(spool, newest_first=newest_first)
        served(spool, order, 8)
        return steps(spool, lambda: order.upcoming(16))

    cameras = [waiting(spool, 20) for _ in range(4)]
    few = cost()
    waiting(spool, 20_000, cameras[0])
    assert cost() <= few + 5


def test_within_a_camera_the_order_is_as_set(spool: Spool) -> None:
    waiting(spool, 12)
    newest = [started(s) for s in served(spool, turns(spool, newest_first=True), 3)]
    assert newest == [NOON, NOON - MINUTE, NOON - 2 * MINUTE]
    oldest = [started(s) for s in served(spool, turns(spool, newest_first=False), 3)]
    assert oldest == [NOON - 11 * MINUTE, NOON - 10 * MINUTE, NOON - 9 * MINUTE]


def test_with_the_oldest_first_live_footage_has_its_share_of_a_backlog(spool: Spool) -> None:
    """Two days of outage of 2 cameras, and a line that takes just twice as much as comes in."""
    cameras = [waiting(spool, 2880) for _ in range(2)]
    order, clock = turns(spool, newest_first=False), SetClock()
    live: list[timedelta] = []
    done = 0
    for minute in range(1, 41):
        clock.advance(MINUTE)
        for camera_id in cameras:
            new = sealed_row(spool, camera_id, minute)
            assert new
        for segment in served(spool, order, 4):
            done += 1
            age = clock.now() - started(segment)
            if age < timedelta(hours=1):
                live.append(age)
    assert len(live) >= done // LIVE_TURNS
    assert max(live) <= 2 * MINUTE  # each is there within two minutes of its beginning
    assert done == 160


def sealed_row(spool: Spool, camera_id: UUID, minute: int) -> bool:
    with spool._database.transaction() as db:
        row = db.execute("SELECT * FROM segments WHERE camera_id = ? LIMIT 1", (str(camera_id),)).fetchone()
        values = {name: row[name] for name in row.keys()}  # noqa: SIM118 - a sqlite3.Row iterates over its values
        number, length = uuid7(), MINUTE // timedelta(microseconds=1)
        start = int((NOON + minute * MINUTE).timestamp()) * 1_000_000
        values |= {"id": str(number), "path": f"live/{number}", "state": "sealed", "start_at": start}
        values |= {"end_at": start + length, "object_name": None, "generation": None, "held": 0}
        names = ", ".join(values)
        db.execute(
            f"INSERT INTO segments ({names}) VALUES ({', '.join('?' * len(values))})",  # noqa: S608 - columns
            tuple(values.values()),
        )
    return True


def test_held_footage_waits_in_the_same_line(spool: Spool) -> None:
    camera_id = waiting(spool, 6)
    with spool._database.transaction() as db:
        db.execute("UPDATE segments SET held = 1 WHERE start_at % 120000000 = 0 AND camera_id = ?", (str(camera_id),))
    found = [started(segment) for segment in served(spool, turns(spool, newest_first=True), 6)]
    assert found == [NOON - minute * MINUTE for minute in range(6)]


def asked(camera_id: UUID, first: int, last: int) -> Fetch:
    """From so many minutes before noon to so many."""
    start, end = NOON - first * MINUTE, NOON - last * MINUTE
    return Fetch(id=uuid7(), camera_id=camera_id, start=start, end=end, expires_at=NOON + timedelta(days=7))


def told(fetches: Sequence[Fetch], hours: str = "") -> Uplink:
    uplink = Uplink(SetClock())
    uploading = Uploading(fetches=list(fetches), hours=read_hours(hours))
    uplink.apply(config().model_copy(update={"uploading": uploading}))
    return uplink


@pytest.mark.parametrize("hours", ["", "01:00-02:00"])
@pytest.mark.parametrize("newest_first", [True, False])
async def test_what_somebody_waits_for_goes_first_whatever_the_order_and_the_hours(
    spool: Spool, newest_first: bool, hours: str
) -> None:
    cameras = [waiting(spool, 50) for _ in range(3)]
    uplink = told([asked(cameras[1], 30, 26)], hours)
    order = turns(spool, newest_first=newest_first, uplink=uplink)
    assert uplink.flow.is_open == (not hours)
    first = [segment for segment in order.upcoming(8) if segment.camera_id == cameras[1]][:4]
    assert [started(segment) for segment in first] == [NOON - minute * MINUTE for minute in (30, 29, 28, 27)]
    assert order.upcoming(8)[:4] == first
    assert len(order.upcoming(8)) == (4 if hours else 8)


async def test_footage_that_only_reaches_into_the_interval_is_part_of_it(spool: Spool) -> None:
    camera_id = waiting(spool, 50)
    start = NOON - 30 * MINUTE + timedelta(seconds=30)
    fetch = asked(camera_id, 30, 29).model_copy(update={"start": start, "end": start + timedelta(seconds=10)})
    order = turns(spool, newest_first=True, uplink=told([fetch]))
    assert [started(segment) for segment in order.urgent(8)] == [NOON - 30 * MINUTE]


async def test_several_that_wait_are_served_as_they_asked(spool: Spool) -> None:
    cameras = [waiting(spool, 20) for _ in range(2)]
    first, second = asked(cameras[1], 5, 3), asked(cameras[0], 9, 7)
    order = turns(spool, newest_first=True, uplink=told([second, first]))
    assert [segment.camera_id for segment in order.urgent(8)] == [cameras[1]] * 2 + [cameras[0]] * 2


def test_nothing_is_taken_twice(spool: Spool) -> None:
    waiting(spool, 2)
    order = turns(spool, newest_first=True)
    segment = order.upcoming(1)[0]
    assert order.take(segment)
    assert not order.take(segment)
    assert order.upcoming(5)[0].id != segment.id
    assert len(order.upcoming(5)) == 1
    order.leave(segment)
    assert len(order.upcoming(5)) == 2


def test_what_is_left_of_an_interval_counts_until_it_is_proven(spool: Spool) -> None:
    camera_id = waiting(spool, 10)
    start, end = NOON - 5 * MINUTE, NOON - 3 * MINUTE

    def left() -> tuple[int, int]:
        backlog = spool.uploads.left(camera_id, start, end)
        return backlog.segments, backlog.size_bytes

    assert left() == (2, 2000)
    assert spool.uploads.left(uuid7(), start, end).segments == 0
    found = spool.uploads.within(camera_id, start, end, NOON, 10)
    spool.segments.mark_uploaded(found[0].id, "name", 1)
    assert left() == (2, 2000), "uploaded is not proven"
    spool.segments.mark_stored([found[0].id])
    assert left() == (1, 1000)
    recording = begun(spool, camera_id)
    spool.segments.begin(uuid7(), recording.id, camera_id, end - MINUTE)
    assert left() == (2, 1000), "what is being written belongs to it"
