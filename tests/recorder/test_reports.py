"""What the spool holds reaches the control plane, once, whatever is refused or repeated on the way."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from structlog.testing import capture_logs
from uuid_utils.compat import uuid7

from camfleet_contract.gaps import GapCause, GapVerdict
from camfleet_contract.recordings import RecordingStatus
from camfleet_contract.segments import OfferVerdict, RefusalCode, Verdict
from recorder.control_plane import ControlPlane
from recorder.errors import ControlPlaneUnreachable
from recorder.offers import Offers, name_of
from recorder.reports import Reports
from recorder.spool import MissedFootage, SegmentState, Spool
from recorder.turns import Turns
from recorder.uplink import Uplink
from recorder.vault import Vault
from tests.recorder.control_plane import FakeControlPlane
from tests.recorder.gcs import Gcs
from tests.recorder.spooled import CAMERA, NOON, SetClock, begun, sealed

MakeReports = Callable[[int | None], Reports]


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOON + timedelta(hours=2))


@pytest.fixture
def make_reports(control_plane: ControlPlane, data_spool: Spool, vault: Vault, clock: SetClock) -> MakeReports:
    def make(window: int | None) -> Reports:
        turns = Turns(data_spool, Uplink(clock), clock=clock, newest_first=True)
        offers = Offers(
            control_plane,
            data_spool,
            vault,
            clock=clock,
            next_up=partial(turns.upcoming, window) if window is not None else None,
            newest_first=True,
            on_session=lambda: None,
            on_stored=lambda: None,
        )
        return Reports(control_plane, data_spool, offers, clock=clock)

    return make


async def drained(reports: Reports, rounds: int = 20) -> None:
    for _ in range(rounds):
        if not await reports.drain():
            return
    raise AssertionError("the reports never come to an end")


def gap(minutes: int = 1) -> MissedFootage:
    end = NOON + timedelta(minutes=minutes)
    return MissedFootage(uuid7(), CAMERA, None, None, NOON, end, GapCause.CAMERA_UNREACHABLE, "no answer")


async def test_a_recording_is_registered_and_its_states_told(
    fake: FakeControlPlane, make_reports: MakeReports, data_spool: Spool
) -> None:
    reports, recording = make_reports(None), begun(data_spool)
    await drained(reports)
    assert fake.registered[recording.id]["camera_id"] == str(CAMERA)
    assert fake.registered[recording.id]["started_at"] == NOON.isoformat()
    data_spool.recordings.finish(recording.id, RecordingStatus.COMPLETED, NOON + timedelta(hours=1))
    await drained(reports)
    assert [report.status for report in fake.statuses] == [RecordingStatus.RECORDING, RecordingStatus.COMPLETED]
    assert fake.statuses[-1].ended_at == NOON + timedelta(hours=1)


async def test_nothing_is_lost_while_the_control_plane_is_down(
    fake: FakeControlPlane, make_reports: MakeReports, data_spool: Spool
) -> None:
    reports, missed = make_reports(None), gap()
    segment = sealed(data_spool, begun(data_spool))
    data_spool.segments.mark_uploaded(segment.id, name_of(segment), 0)
    data_spool.gaps.add([missed])
    fake.down = 503
    with pytest.raises(ControlPlaneUnreachable):
        await reports.drain()
    fake.down = 0
    await drained(reports)
    assert fake.stored == {segment.id}
    assert list(fake.gaps) == [missed.id]
    await drained(reports)
    assert len(fake.offers) == 1


async def test_a_backlog_of_a_thousand_goes_in_batches_of_five_hundred(
    fake: FakeControlPlane, make_reports: MakeReports, data_spool: Spool
) -> None:
    recording = begun(data_spool)
    for minute in range(600):
        segment = sealed(data_spool, recording, NOON - timedelta(minutes=minute), size=10)
        data_spool.segments.mark_uploaded(segment.id, name_of(segment), 0)
    await drained(make_reports(None))
    assert fake.batches == [500, 100]
    assert len(fake.stored) == 600


async def test_a_camera_that_was_taken_away_is_offered_again_an_hour_later_and_never_deleted(
    fake: FakeControlPlane, make_reports: MakeReports, data_spool: Spool, clock: SetClock
) -> None:
    fake.known_cameras = set()
    reports = make_reports(None)
    segment = sealed(data_spool, begun(data_spool))
    data_spool.segments.mark_uploaded(segment.id, name_of(segment), 0)
    refusal = OfferVerdict(
        id=segment.id, verdict=Verdict.REFUSED, code=RefusalCode.UNKNOWN_CAMERA, reason="not assigned"
    )
    fake.verdicts[segment.id] = refusal
    await drained(reports)
    held = data_spool.segments.get(segment.id)
    assert held is not None
    assert (held.state, held.refusal) == (SegmentState.UPLOADED, "not assigned")
    assert data_spool.segments.file(held).exists()
    calls = len(fake.calls)
    await drained(reports)
    assert len(fake.calls) == calls
    fake.known_cameras = {CAMERA}
    clock.advance(timedelta(hours=1, seconds=1))
    await drained(reports)
    assert fake.stored == {segment.id}


async def test_a_control_plane_that_forgot_a_recording_gets_it_anew(
    fake: FakeControlPlane, make_reports: MakeReports, data_spool: Spool, clock: SetClock
) -> None:
    reports, recording = make_reports(None), begun(data_spool)
    await drained(reports)
    fake.registered.clear()
    segment = sealed(data_spool, recording)
    data_spool.segments.mark_uploaded(segment.id, name_of(segment), 0)
    await drained(reports)
    assert recording.id in fake.registered
    clock.advance(timedelta(minutes=1))
    await drained(reports)
    assert fake.stored == {segment.id}


@pytest.mark.parametrize("code", [RefusalCode.OBJECT_MISSING, RefusalCode.CHECKSUM_MISMATCH])
async def test_an_object_that_is_gone_or_wrong_is_uploaded_again(
    fake: FakeControlPlane, make_reports: MakeReports, data_spool: Spool, code: RefusalCode
) -> None:
    segment = sealed(data_spool, begun(data_spool))
    data_spool.segments.mark_uploaded(segment.id, name_of(segment), 0)
    fake.verdicts[segment.id] = OfferVerdict(id=segment.id, verdict=Verdict.REFUSED, code=code, reason="look")
    await drained(make_reports(None))
    held = data_spool.segments.get(segment.id)
    assert held is not None
    assert (held.state, held.generation, held.refusal) == (SegmentState.SEALED, None, "look")
    assert held.object_name == name_of(segment), "which asks for another session"


@pytest.mark.parametrize("code", [RefusalCode.CONFLICT, RefusalCode.STORE_UNAVAILABLE, None])
async def test_any_other_refusal_keeps_the_file_and_waits(
    fake: FakeControlPlane, make_reports: MakeReports, data_spool: Spool, clock: SetClock, code: RefusalCode | None
) -> None:
    segment = sealed(data_spool, begun(data_spool))
    data_spool.segments.mark_uploaded(segment.id, name_of(segment), 0)
    fake.verdicts[segment.id] = OfferVerdict(id=segment.id, verdict=Verdict.REFUSED, code=code, reason="no")
    await drained(make_reports(None))
    held = data_spool.segments.get(segment.id)
    assert held is not None
    assert held.state is SegmentState.UPLOADED
    assert held.retry_at is not None
    assert held.retry_at > clock.now()
    assert data_spool.segments.file(held).exists()


async def test_only_as_many_sessions_are_asked_for_as_can_be_used_soon(
    fake: FakeControlPlane, make_reports: MakeReports, data_spool: Spool, gcs: Gcs, vault: Vault
) -> None:
    fake.gcs = gcs
    recording = begun(data_spool)
    segments = [sealed(data_spool, recording, NOON + timedelta(minutes=m), size=10) for m in range(10)]
    await drained(make_reports(3))
    assert gcs.opened == 3
    newest = data_spool.segments.get(segments[-1].id)
    assert newest is not None
    assert newest.upload_session is not None
    assert b"secret-session" not in newest.upload_session
    assert b"secret-session" in vault.unlock(newest.upload_session)


async def test_one_bad_row_does_not_hold_up_the_batch(
    fake: FakeControlPlane, make_reports: MakeReports, data_spool: Spool
) -> None:
    missed = [gap(minutes) for minutes in range(1, 12)]
    empty = replace(gap(), id=uuid7(), end=NOON)
    fake.refuses_gap = missed[4].id
    data_spool.gaps.add([*missed, empty])
    await drained(make_reports(None))
    assert set(fake.gaps) == {held.id for held in missed} - {missed[4].id}
    assert {held.id for held in data_spool.gaps.to_report(NOON + timedelta(days=2))} == {missed[4].id}


async def test_a_gap_that_is_refused_for_good_is_dropped_and_one_that_may_yet_be_taken_is_kept_for_a_quarter(
    fake: FakeControlPlane, make_reports: MakeReports, data_spool: Spool, clock: SetClock
) -> None:
    reports, gone, taken_away, other = make_reports(None), gap(1), gap(2), gap(3)
    data_spool.gaps.add([gone, taken_away, other])
    fake.gap_verdicts = {
        gone.id: GapVerdict(id=gone.id, verdict="refused", reason="deleted", final=True),
        taken_away.id: GapVerdict(id=taken_away.id, verdict="refused", reason="not assigned"),
    }
    with capture_logs() as logs:
        await drained(reports)
        far = clock.now() + timedelta(days=365)
        assert [held.id for held in data_spool.gaps.to_report(far)] == [taken_away.id]
        assert set(fake.gaps) == {other.id}
        for _ in range(3):
            clock.advance(timedelta(days=31))
            await drained(reports)
    assert data_spool.gaps.to_report(far) == []
    told = [(log["event"], log["gap_id"]) for log in logs if log["event"].startswith("gap_")]
    kept, dropped = ("gap_refused", str(taken_away.id)), ("gap_given_up", str(taken_away.id))
    assert told == [("gap_given_up", str(gone.id)), kept, kept, kept, dropped]


async def test_a_refused_registration_is_not_tried_with_every_segment(
    fake: FakeControlPlane, make_reports: MakeReports, data_spool: Spool, clock: SetClock
) -> None:
    fake.known_cameras = set()
    reports, recording = make_reports(None), begun(data_spool)
    for minute in range(3):
        segment = sealed(data_spool, recording, NOON + timedelta(minutes=minute), size=10)
        data_spool.segments.mark_uploaded(segment.id, name_of(segment), 0)
    for _ in range(30):
        await drained(reports)
        clock.advance(timedelta(minutes=1))
    assert fake.calls.count("POST /recordings/register") == 1
    assert fake.calls.count("POST /segments/offer") <= 7
    fake.known_cameras = {CAMERA}
    for _ in range(40):
        await drained(reports)
        clock.advance(timedelta(minutes=1))
    assert len(fake.stored) == 3


async def test_a_recording_that_is_refused_for_ever_is_forgotten_once_nothing_of_it_is_left(
    fake: FakeControlPlane, make_reports: MakeReports, data_spool: Spool, clock: SetClock
) -> None:
    fake.known_cameras = set()
    reports, recording = make_reports(None), begun(data_spool)
    segment = sealed(data_spool, recording)
    data_spool.recordings.finish(recording.id, RecordingStatus.COMPLETED, NOON)
    data_spool.gaps.add([replace(gap(), recording_id=recording.id)])

    async def refused_for(days: int) -> None:
        for _ in range(days * 4):
            with suppress(ControlPlaneUnreachable):
                await drained(reports)
            clock.advance(timedelta(hours=6))

    await refused_for(days=1)
    fake.down = 503
    await refused_for(days=20)
    data_spool.segments.mark_stored([segment.id])
    data_spool.removals.delete_stored(clock.now())
    assert data_spool.recordings.forget_finished() == 0, "nobody was asked meanwhile"
    fake.down = 0
    untold = replace(gap(), id=uuid7(), recording_id=recording.id)
    await refused_for(days=1)
    data_spool.gaps.add([untold])
    assert data_spool.recordings.forget_finished() == 0, "one of its gaps is still to be told"
    await drained(reports)
    assert data_spool.recordings.forget_finished() == 1
    assert data_spool.recordings.get(recording.id) is None


async def test_a_recording_that_was_refused_for_days_and_then_taken_is_reported_to_its_end(
    fake: FakeControlPlane, make_reports: MakeReports, data_spool: Spool, clock: SetClock
) -> None:
    fake.known_cameras = set()
    reports, recording = make_reports(None), begun(data_spool)
    for _ in range(6):
        await drained(reports)
        clock.advance(timedelta(days=1))
    fake.known_cameras = {CAMERA}
    await drained(reports)
    assert recording.id in fake.registered
    data_spool.recordings.finish(recording.id, RecordingStatus.COMPLETED, NOON)
    clock.advance(timedelta(days=30))
    assert data_spool.recordings.forget_finished() == 0
    await drained(reports)
    assert fake.statuses[-1].status is RecordingStatus.COMPLETED
    assert data_spool.recordings.forget_finished() == 1


async def test_a_wait_that_was_set_by_a_clock_far_ahead_is_not_waited_for(
    fake: FakeControlPlane, make_reports: MakeReports, data_spool: Spool, clock: SetClock
) -> None:
    segment = sealed(data_spool, begun(data_spool))
    data_spool.segments.mark_uploaded(segment.id, name_of(segment), 0)
    data_spool.segments.refuse(segment.id, "set in 2099", clock.now() + timedelta(days=30_000))
    await drained(make_reports(None))
    assert fake.stored == {segment.id}
