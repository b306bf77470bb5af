"""The recorder as a process while its machine's clock steps and drifts: it records, uploads, reports and follows it."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from pathlib import Path
from uuid import UUID

import av
import pytest

from camera_simulator import AudioCodec, CameraSimulator, CameraSpec
from camfleet_contract.gaps import GapCause
from camfleet_contract.segments import SegmentOffer
from recorder.coverage import SMALLEST
from tests.ports import free_port
from tests.recorder.control_plane import TOKEN, FakeControlPlane
from tests.recorder.process import environment, recorder
from tests.recorder.recorded import digest_of, sent_units
from tests.recorder.rig import always, camera, config, once
from tests.recorder.shifted_clock import ShiftedClock

SPECS = [CameraSpec(name=name, audio=AudioCodec.NONE) for name in ("yard", "gate")]
HOUR = timedelta(hours=1)
LONG_SECONDS = 120
"""A step counts after 10 s, at a keyframe; schedules are looked at every 15 s."""
A_LITTLE = timedelta(seconds=1.5)
"""How exactly clocks are compared: a call takes its time on a busy machine."""


def in_order(fake: FakeControlPlane, camera_id: UUID) -> list[SegmentOffer]:
    """The stored segments of a camera, by their hash chain: the order in which they were recorded."""
    offers = {offer.previous_sha256: offer for offer in fake.offers if offer.camera_id == camera_id}
    found: list[SegmentOffer] = []
    while (offer := offers.get(found[-1].sha256 if found else None)) is not None:
        found.append(offer)
    assert len(found) == len(offers), "one chain, without a fork or a hole"
    return found


def stored(fake: FakeControlPlane, since: datetime, until: datetime) -> set[UUID]:
    """The cameras of which there is footage, proven in the store, that was stamped to have begun in between."""
    return {offer.camera_id for offer in fake.offers if since < offer.start < until and offer.id in fake.stored}


def are_long_as_their_packets(offers: list[SegmentOffer]) -> bool:
    """25 pictures a second, but for the last segment, which ends where the recorder was stopped."""
    lengths = [offer.end - offer.start - timedelta(seconds=offer.packets / 25) for offer in offers[:-1]]
    return all(abs(difference) < timedelta(milliseconds=1) for difference in lengths)


def digests(store: Path, offers: list[SegmentOffer]) -> list[str]:
    found = []
    for offer in offers:
        with av.open(str(store / (offer.object_name or ""))) as container:
            packets = [packet for packet in container.demux(container.streams.video[0]) if packet.size]
        assert len(packets) == offer.packets
        found += [digest_of(bytes(packet), "h264", annex_b=False) for packet in packets]
    return found


@pytest.mark.timeout(400)
async def test_an_hour_forth_and_back_loses_no_packet_and_everything_follows_the_new_time(
    tmp_path: Path, fake: FakeControlPlane, backend: str
) -> None:
    clock = ShiftedClock.right(tmp_path / "clock")
    (store := tmp_path / "store").mkdir()
    began = datetime.now(UTC)
    async with CameraSimulator(SPECS, port=0) as simulator:
        yard, gate = (camera(simulator.url(spec.name), spec.name) for spec in SPECS)
        # Due in an hour, and already due for the recorder once its clock is an hour ahead.
        soon = (began + timedelta(minutes=50)).replace(microsecond=0)
        settings = config(always(yard), once(gate, soon, soon + HOUR, segment_seconds=2))
        fake.document = settings.model_dump_json().encode()
        variables = environment(tmp_path, backend, TOKEN, free_port(), STORAGE_URL=f"file://{store}")
        variables |= {"HEARTBEAT_INTERVAL_SECONDS": "1"} | clock.environment()
        async with recorder(tmp_path, variables) as running:
            # The clock is known to be right, and by that the segment's stamps are.
            await fake.until(lambda: any(offer.clock_error_seconds is not None for offer in fake.offers))
            assert {offer.camera_id for offer in fake.offers} == {yard.id}

            clock.step(+1)
            await fake.until(
                lambda: stored(fake, began + HOUR / 2, began + 2 * HOUR) == {yard.id, gate.id}, LONG_SECONDS
            )
            ahead = fake.heartbeats[-1]

            clock.step(0)
            stepped_back = datetime.now(UTC)
            await fake.until(lambda: stored(fake, stepped_back, began + HOUR / 2) == {yard.id}, LONG_SECONDS)
            await fake.until(lambda: any(report.status.is_final for report in fake.statuses), LONG_SECONDS)
            again = fake.heartbeats[-1]
            assert await running.stop() == 0
        sent = [digest for digest, _ in sent_units(simulator.camera("yard"))]

    offers = in_order(fake, yard.id)
    assert are_long_as_their_packets(offers)
    holes = [later.start - earlier.end for earlier, later in pairwise(offers)]
    steps = [hole for hole in holes if abs(hole) > SMALLEST]
    assert [round(step / HOUR) for step in steps] == [1, -1]
    assert all(abs(abs(step) - HOUR) < A_LITTLE for step in steps)
    got = await asyncio.to_thread(digests, store, offers)
    first = sent.index(got[0])
    assert got == sent[first : first + len(got)], "not a packet is lost, not even where the stamps begin anew"
    (gap,) = (gap for gap in fake.gaps.values() if gap.cause is GapCause.CLOCK_STEP)
    assert abs(gap.end - gap.start - HOUR) < A_LITTLE

    errors = [round((offer.clock_error_seconds or 0.0) / 3600) for offer in offers]
    assert [error for error, _ in groupby(errors)] == [0, 1, 0], "each stamp is known to be right, or wrong by how much"
    assert ahead.clock is not None
    (problem,) = ahead.problems or []
    assert problem.code == "clock_wrong"
    assert "3600 s ahead" in problem.text
    assert again.problems == []
    sequence = [beat.sequence for beat in fake.heartbeats]
    assert sequence == list(range(1, len(sequence) + 1)), "signs of life go on"
    final = {report.recording_id: report for report in fake.statuses if report.status.is_final}
    gates = {offer.recording_id for offer in fake.offers if offer.camera_id == gate.id}
    assert gates <= final.keys(), "its window is over again"
    logged = [json.loads(line) for line in (tmp_path / "stderr.log").read_text().splitlines()]
    assert [line for line in logged if "exception" in line] == []


@pytest.mark.timeout(400)
async def test_a_clock_that_drifts_cuts_nothing_and_stamps_go_on_evenly(
    tmp_path: Path, fake: FakeControlPlane, backend: str
) -> None:
    clock = ShiftedClock.right(tmp_path / "clock")
    (store := tmp_path / "store").mkdir()
    async with CameraSimulator(SPECS[:1], port=0) as simulator:
        yard = camera(simulator.url("yard"))
        fake.document = config(always(yard)).model_dump_json().encode()
        variables = environment(tmp_path, backend, TOKEN, free_port(), STORAGE_URL=f"file://{store}")
        variables |= {"HEARTBEAT_INTERVAL_SECONDS": "1"} | clock.environment()
        async with recorder(tmp_path, variables) as running:
            await fake.until(lambda: any(offer.clock_error_seconds is not None for offer in fake.offers))
            # By as much as 2 % makes in a minute.
            clock.drift(1.2)
            await fake.until(lambda: _off(fake) > 1.2, LONG_SECONDS)
            drifted = max(offer.end for offer in fake.offers)
            await fake.until(lambda: any(offer.start > drifted for offer in fake.offers), LONG_SECONDS)
            assert await running.stop() == 0
        sent = [digest for digest, _ in sent_units(simulator.camera("yard"))]

    offers = in_order(fake, yard.id)
    assert all(later.start == earlier.end for earlier, later in pairwise(offers)), "no hole, no overlap"
    assert are_long_as_their_packets(offers)
    got = await asyncio.to_thread(digests, store, offers)
    first = sent.index(got[0])
    assert got == sent[first : first + len(got)]
    assert GapCause.CLOCK_STEP not in {gap.cause for gap in fake.gaps.values()}
    assert all(abs(offer.clock_error_seconds or 0) < 1 for offer in offers), "the stamps were made before it drifted"


def _off(fake: FakeControlPlane) -> float:
    """By how many seconds the recorder's clock is ahead, as its last heartbeat shows."""
    if not fake.heartbeats or fake.heartbeats[-1].clock is None:
        return 0.0
    return (fake.heartbeats[-1].clock - datetime.now(UTC)).total_seconds()
