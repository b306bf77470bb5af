"""When footage would be lost, computed by hand beside: by the disk, by its age, by a camera's share, and with hours."""

from datetime import timedelta
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from camfleet_contract.heartbeats import FootageAtRisk
from camfleet_contract.schedules import Window
from camfleet_contract.uploading import read_hours
from recorder.allowance import Allowance
from recorder.forecast import FASTEST, HORIZON, Load, Loss, Prospect, Rule, loss, needed_uplink
from recorder.inflow import Inflow
from recorder.retention import Reserve
from recorder.risk import CLEARED, CONFIRMED, KIND, NEAR, WARNED, Risk, Verdict, judged, told_in_words
from recorder.spool import Spool
from recorder.stock import Stock
from recorder.uplink import Uplink
from tests.recorder.spooled import NOON, SetClock, begun, sealed

GB = 1e9
HOUR = timedelta(hours=1)
ALWAYS = (Window(start=NOON, end=NOON + HORIZON),)
FIRST, SECOND = uuid7(), uuid7()


def prospect(
    room: float = 36 * GB,
    loads: dict[UUID, Load] | None = None,
    openings: tuple[Window, ...] = ALWAYS,
    **more: object,
) -> Prospect:
    """By default one camera of 1 MB/s, so that 36 GB are ten hours."""
    loads = loads if loads is not None else {FIRST: Load(0, 1e6)}
    return Prospect(now=NOON, cameras=loads, room_bytes=room, openings=openings, **more)  # type: ignore[arg-type]


def test_without_an_uplink_the_disk_fills_as_fast_as_footage_comes_in() -> None:
    assert loss(prospect(), 0) == Loss(NOON + 10 * HOUR, Rule.DISK)
    assert loss(prospect(), 0.5e6) == Loss(NOON + 20 * HOUR, Rule.DISK)
    assert loss(prospect(), 0.95e6) is None
    assert loss(prospect(room=0), 0) == Loss(NOON, Rule.DISK)
    assert loss(prospect(loads={}), 0) is None


def test_what_waits_already_is_not_counted_against_the_room_and_goes_with_the_rest() -> None:
    behind = prospect(loads={FIRST: Load(round(100 * GB), 1e6)})
    assert loss(behind, 0) == Loss(NOON + 10 * HOUR, Rule.DISK)
    assert loss(behind, 1e6) is None


def test_the_uplink_that_would_save_it_is_just_enough() -> None:
    for one in (prospect(), prospect(keep_unproven=timedelta(days=1), oldest=NOON - HOUR, newest_first=False)):
        needed = needed_uplink(one)
        assert needed is not None
        assert loss(one, needed) is None
        assert loss(one, 0.9 * needed) is not None
    assert needed_uplink(prospect(room=500 * GB)) == pytest.approx(0, abs=1)


def test_closed_hours_are_taken_into_account() -> None:
    night = Allowance(hours=(tuple(read_hours("22:00-02:00")),))
    openings = tuple(night.openings(NOON, NOON + HORIZON))
    # Ten hours until it opens: 36 GB fill just then; 50 GB last until the next.
    assert loss(prospect(30 * GB, openings=openings), FASTEST) is not None
    assert needed_uplink(prospect(30 * GB, openings=openings)) is None
    enough = prospect(80 * GB, openings=openings)
    assert loss(enough, FASTEST) is None
    needed = needed_uplink(enough)
    # A whole day's footage has to go in four hours, but for what there is room for.
    assert needed is not None
    assert 4e6 < needed < 6.2e6
    never = prospect(openings=())
    assert loss(never, FASTEST) == Loss(NOON + 10 * HOUR, Rule.DISK)


@pytest.mark.parametrize("newest_first", [True, False])
def test_footage_that_would_be_too_old_is_foreseen(newest_first: bool) -> None:
    def aged(uplink: float, backlog: float = 36 * GB) -> Loss | None:
        one = prospect(
            1000 * GB,
            {FIRST: Load(round(backlog), 1e6)},
            oldest=NOON - 10 * HOUR,
            keep_unproven=timedelta(days=1),
            newest_first=newest_first,
        )
        return loss(one, uplink)

    assert aged(0) == Loss(NOON + 14 * HOUR, Rule.AGE)
    assert aged(4e6) is None
    # An uplink that just takes what comes in keeps the oldest waiting for ever if the newest goes first.
    assert aged(1e6) == (Loss(NOON + 14 * HOUR, Rule.AGE) if newest_first else None)


def test_a_camera_that_has_its_share_is_named() -> None:
    loads = {FIRST: Load(round(4 * GB), 1e6), SECOND: Load(round(30 * GB), 1e6)}
    one = prospect(1000 * GB, loads, bytes_per_camera=round(33.6 * GB))
    assert loss(one, 0) == Loss(NOON + HOUR, Rule.SHARE, SECOND)
    assert loss(one, 2.2e6) is None


def test_it_is_told_only_when_it_lasts_and_ends_further_away_than_it_began() -> None:
    def at(hours: float) -> Loss:
        return Loss(NOON + hours * HOUR, Rule.DISK)

    far = at(WARNED / HOUR + 10)
    assert judged(Verdict(), far, NOON) == Verdict()
    begun_ = judged(Verdict(), at(20), NOON)
    assert begun_.loss is None
    assert judged(begun_, None, NOON + CONFIRMED / 2) == Verdict(), "one bad minute is no warning"
    told = judged(begun_, at(20), NOON + CONFIRMED)
    assert told == Verdict(at(20), NOON + CONFIRMED)
    assert judged(told, far, NOON + HOUR).since == told.since, "further away, but still foreseen"
    ending = judged(told, None, NOON + HOUR)
    assert ending.loss == at(20)
    assert judged(ending, at(30), NOON + HOUR + CLEARED / 2) == Verdict(at(30), told.since)
    assert judged(ending, None, NOON + HOUR + CLEARED) == Verdict()
    near = Loss(NOON + NEAR / 2, Rule.DISK)
    assert judged(Verdict(), near, NOON) == Verdict(near, NOON), "no time to wait and see"


def test_inflow_is_told_by_the_hour_and_by_the_day() -> None:
    clock = SetClock()
    inflow, total = Inflow(clock), 0
    assert inflow.per_second(HOUR) is None
    for minute in range(25 * 60):
        inflow.sample({FIRST: total})
        # It records in the last hour only.
        total += 60_000_000 if minute >= 24 * 60 else 0
        clock.advance(timedelta(minutes=1))
    last_hour, last_day = inflow.per_second(HOUR), inflow.per_second(timedelta(days=1))
    assert last_hour is not None
    assert last_day is not None
    assert last_hour[FIRST] == pytest.approx(1e6, rel=0.2)  # a sample every ten minutes
    assert last_day[FIRST] == pytest.approx(1e6 / 24, rel=0.1)


def risk_of(spool: Spool, clock: SetClock, uplink: Uplink, free_below: float) -> Risk:
    """A disk whose reserve is so large that only little room is left."""
    stock = Stock(spool, clock)
    space = stock.holdings().space
    assert space is not None
    return Risk(
        spool,
        stock,
        uplink,
        clock=clock,
        reserve=Reserve(round(space.free_bytes - free_below), 0),
        newest_first=True,
        keep_unproven=None,
        bytes_per_camera=None,
        on_news=lambda: None,
    )


async def test_an_outage_is_told_with_what_would_save_the_footage_and_its_end_too(spool: Spool) -> None:
    clock = SetClock(NOON)
    uplink = Uplink(clock)
    # The test's real disk may change by what others write: room for some thousand seconds of 10 kB/s, or none.
    risk = risk_of(spool, clock, uplink, free_below=-1e12)
    recording = begun(spool)
    told: list[FootageAtRisk | None] = []
    with uplink.throughput.wanted():
        for minute in range(20):
            sealed(spool, recording, clock.now(), size=60_000)
            clock.advance(timedelta(minutes=1))
            risk.look()
            told.append(risk.told)
            assert minute >= 9 or risk.told is None
    warned = risk.told
    assert warned is not None
    assert warned.rule == "disk"
    assert warned.loss_at <= clock.now() + timedelta(minutes=1)
    assert "footage goes that is not uploaded, since the disk will be full" in told_in_words(warned, clock.now())
    (event,) = spool.events.to_report(clock.now())
    assert (event.camera_id, event.kind, event.end) == (None, KIND, None)
    for segment in spool.uploads.of_camera(recording.camera_id, clock.now(), newest_first=True, limit=100):
        spool.segments.mark_stored([segment.id])
    clock.advance(timedelta(days=2))
    calm = risk_of(spool, clock, uplink, free_below=1e9)
    risk._reserve = calm._reserve
    changes = []
    for _ in range(17):
        clock.advance(timedelta(minutes=1))
        changes.append(risk.look())
    assert changes.count(True) == 1
    assert risk.told is None
    (event,) = spool.events.to_report(clock.now())
    assert event.end is not None


def test_words_for_people() -> None:
    def said(**more: object) -> str:
        values: dict[str, object] = {"since": NOON, "loss_at": NOON + 30 * HOUR, "needed_bytes_per_second": 612_500.0}
        return told_in_words(FootageAtRisk.model_validate(values | more), NOON)

    assert said() == (
        "in 30 hours footage goes that is not uploaded, since the disk will be full:"
        " an uplink of 4.9 Mbit/s would save it"
    )
    assert "in 45 minutes" in said(loss_at=NOON + timedelta(minutes=45))
    assert "lengthen them" in said(needed_bytes_per_second=None)
    assert "KEEP_UNPROVEN_DAYS" in said(rule="age")
