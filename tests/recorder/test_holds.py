"""Held footage stays: under every rule, on a full disk, through restarts, with the control plane dark."""

import asyncio
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from uuid_utils.compat import uuid7

from camera_simulator import AudioCodec, CameraSimulator, CameraSpec
from camfleet_contract.gaps import GapCause
from recorder.cameras import Cameras
from recorder.capturing import Capturing
from recorder.errors import NotHeld, UnknownRecording
from recorder.offers import name_of
from recorder.retention import DiskSpace, Reserve, Retention, ToldHolds, disk_space
from recorder.site_holds import SiteHolds
from recorder.spool import HoldOrigin, Recording, Segment, Spool
from tests.ports import free_port
from tests.recorder import disks
from tests.recorder.control_plane import TOKEN, FakeControlPlane
from tests.recorder.process import command, configuration, environment, recorder, status_once
from tests.recorder.rig import always, camera, config, running
from tests.recorder.rig import sealed as sealed_segments
from tests.recorder.spooled import NOON, SetClock, begun, sealed
from tests.recorder.waiting import until

LATER = NOON + timedelta(days=30)
FULL = DiskSpace(10_000, 0)


def sweeping(spool: Spool, told: ToldHolds | None = None, measure: DiskSpace = FULL) -> Retention:
    """A retention that wants everything gone: too old, more than its share, and a full disk."""
    return Retention(
        spool,
        clock=SetClock(LATER),
        keep=timedelta(0),
        keep_unproven=timedelta(days=1),
        bytes_per_camera=1,
        reserve=Reserve(free_bytes=5000, free_fraction=0),
        measure=lambda: measure,
        told_holds=lambda: told,
        on_gap=lambda: None,
    )


def recorded(spool: Spool, count: int = 3) -> tuple[Recording, list[Segment]]:
    recording = begun(spool)
    return recording, [sealed(spool, recording, NOON + timedelta(minutes=n), size=1000) for n in range(count)]


def left(spool: Spool, segments: list[Segment]) -> list[Segment]:
    return [segment for segment in segments if spool.segments.file(segment).exists()]


def test_nothing_that_is_held_is_deleted_by_any_rule_and_all_of_it_when_it_is_released(spool: Spool) -> None:
    held, kept = recorded(spool)
    _, others = recorded(spool)
    for segment in kept[:1]:  # proven footage of a held recording stays as well
        spool.segments.mark_uploaded(segment.id, name_of(segment), 0)
    spool.segments.mark_stored([kept[0].id])
    told = ToldHolds(frozenset({held.id}), is_all=True)

    assert sweeping(spool, told).sweep() == len(others)
    assert left(spool, [*kept, *others]) == kept
    assert sweeping(spool, told).sweep() == 0

    assert sweeping(spool, ToldHolds(frozenset(), is_all=True)).sweep() == 2, "one of them was proven"
    assert left(spool, kept) == []
    assert {gap.cause for gap in spool.gaps.to_report(LATER)} == {GapCause.RETENTION}


def test_a_hold_covers_what_its_recording_records_from_then_on(spool: Spool) -> None:
    recording, kept = recorded(spool, 1)
    spool.holds.hold(recording.id, HoldOrigin.SITE, NOON)
    kept.append(sealed(spool, recording, NOON + timedelta(minutes=5)))
    sweeping(spool).sweep()
    assert left(spool, kept) == kept


def test_holds_outlive_a_restart_and_a_control_plane_that_says_nothing_of_them(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path / "base")
    held, kept = recorded(spool)
    sweeping(spool, ToldHolds(frozenset({held.id}), is_all=True)).sweep()
    spool.close()

    spool = Spool.open(tmp_path / "base")
    sweeping(spool, told=None).sweep()
    # A cached document from before the hold: it may be old, so it releases nothing.
    sweeping(spool, ToldHolds(frozenset(), is_all=False)).sweep()
    assert left(spool, kept) == kept
    spool.close()


def test_the_site_and_the_control_plane_each_release_their_own_hold_only(spool: Spool) -> None:
    recording, kept = recorded(spool)
    site = SiteHolds(spool, SetClock())
    site.hold(recording.id)
    site.hold(recording.id)
    sweeping(spool, ToldHolds(frozenset({recording.id}), is_all=True)).sweep()
    assert {hold.origin for hold in spool.holds.all()} == set(HoldOrigin)
    assert "control plane still holds" in site.release(recording.id)
    sweeping(spool, ToldHolds(frozenset({recording.id}), is_all=True)).sweep()
    assert left(spool, kept) == kept
    with pytest.raises(NotHeld, match="control plane holds"):
        site.release(recording.id)
    site.hold(recording.id)
    sweeping(spool, ToldHolds(frozenset(), is_all=True)).sweep()
    assert left(spool, kept) == kept
    site.release(recording.id)
    sweeping(spool).sweep()
    assert left(spool, kept) == []
    with pytest.raises(UnknownRecording):
        site.hold(uuid7())


def test_what_is_held_is_counted_for_people(spool: Spool) -> None:
    recording, _ = recorded(spool)
    other, _ = recorded(spool)
    spool.holds.hold(recording.id, HoldOrigin.SITE, NOON)
    assert spool.removals.held_note() == "", "there is something else that may go"
    spool.holds.hold(other.id, HoldOrigin.SITE, NOON)
    assert "2 recordings" in spool.removals.held_note()
    (occupied,) = spool.removals.occupied()
    assert (occupied.size_bytes, occupied.held_bytes) == (6000, 6000)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 6 MB, mounted where a data disk belongs."""
    folder = tmp_path / "base" / "recordings"
    with disks.small_disk(folder, "6m"):
        yield folder


async def test_held_footage_fills_the_disk_rather_than_go_and_recording_says_why_it_stops(small_disk: Path) -> None:
    spool = Spool.open(small_disk.parent)
    told = ToldHolds(frozenset(), is_all=True)
    retention = Retention(
        spool,
        clock=SetClock(datetime.now(UTC)),
        keep=timedelta(0),
        reserve=Reserve(free_bytes=2 << 20, free_fraction=0),
        measure=partial(disk_space, small_disk),
        told_holds=lambda: told,
        on_gap=lambda: None,
        poll=timedelta(seconds=0.1),
    )
    async with CameraSimulator([CameraSpec(name="yard", audio=AudioCodec.NONE)], port=0) as simulator:
        cameras = Cameras(spool, capturing=Capturing(open_seconds=10, read_seconds=5))
        cameras.apply(config(always(camera(simulator.url("yard")))))
        async with running(cameras):
            await until(cameras.active)
            held = cameras.active()[0].id
            spool.holds.hold(held, HoldOrigin.CONTROL_PLANE, datetime.now(UTC))
            told = ToldHolds(frozenset({held}), is_all=True)
            await until(lambda: len(sealed_segments(spool)) >= 1)
            ballast = small_disk / "ballast"
            free = os.statvfs(small_disk)
            ballast.write_bytes(b"\0" * (free.f_bavail * free.f_frsize - 256 * 1024))
            sweeping_for_ever = asyncio.create_task(retention.run())
            await until(lambda: cameras.states()[0].condition == "stalled")
            kept = sealed_segments(spool)
            assert kept
            assert left(spool, kept) == kept
            await until(lambda: retention.is_short)

            def told_why() -> bool:
                cameras._cameras[cameras.states()[0].camera_id].journal.coverage.flush(datetime.now(UTC))
                gaps = spool.gaps.to_report(datetime.now(UTC))
                return any(gap.cause is GapCause.DISK_FULL and "Held footage" in gap.detail for gap in gaps)

            await until(told_why)
            told, released = ToldHolds(frozenset(), is_all=True), datetime.now(UTC)
            retention.wake()
            await until(lambda: kept[0] not in left(spool, kept))  # the oldest first, and no more than must
            ballast.unlink()
            await until(lambda: any(segment.opened_at > released for segment in sealed_segments(spool)))
            sweeping_for_ever.cancel()
            await asyncio.gather(sweeping_for_ever, return_exceptions=True)
    spool.close()


def files_of(base: Path) -> set[Path]:
    return set((base / "recordings").rglob("*.mp4"))


async def proven_of_later(fake: FakeControlPlane) -> None:
    """Waits until footage is proven that begins after this moment: from before it, it might be gone already."""
    now = datetime.now(UTC)
    await fake.until(lambda: any(offer.start > now and offer.id in fake.stored for offer in fake.offers))


async def test_the_command_line_holds_and_releases_with_and_without_a_running_recorder(
    tmp_path: Path, backend: str, fake: FakeControlPlane, camera_url: str
) -> None:
    fake.document = configuration(camera_url)
    store = tmp_path / "store"
    store.mkdir()
    variables = environment(tmp_path, backend, TOKEN, free_port(), STORAGE_URL=store.as_uri())
    base = tmp_path / "base"
    async with recorder(tmp_path, variables) as running_recorder:
        await fake.until(lambda: fake.registered)
        recording_id = str(next(iter(fake.registered)))
        assert (await command(tmp_path, variables, "hold", recording_id))[:2] == (0, "Held.\n")
        code, _, told = await command(tmp_path, variables, "hold", str(uuid7()))
        assert (code, "no recording" in told) == (1, True)
        await proven_of_later(fake)
        assert await running_recorder.stop() == 0
    kept = files_of(base)
    assert kept
    fake.document = configuration(camera_url, revision="2", is_due=False)
    assert (await command(tmp_path, variables, "release", recording_id))[:2] == (0, "Released.\n")
    code, _, told = await command(tmp_path, variables, "release", recording_id)
    assert (code, "Nobody holds" in told) == (1, True)
    async with recorder(tmp_path, variables):
        await until(lambda: not files_of(base) & kept)


async def test_a_hold_of_the_control_plane_reaches_the_spool_and_is_released_by_it(
    tmp_path: Path, backend: str, fake: FakeControlPlane, camera_url: str, http_client: httpx.AsyncClient
) -> None:
    document = json.loads(configuration(camera_url))
    fake.document = json.dumps(document).encode()
    store = tmp_path / "store"
    store.mkdir()
    variables = environment(tmp_path, backend, TOKEN, free_port(), STORAGE_URL=store.as_uri())
    base = tmp_path / "base"
    async with recorder(tmp_path, variables) as running_recorder:
        await fake.until(lambda: fake.registered)
        held: UUID = next(iter(fake.registered))
        fake.publish(json.dumps(document | {"revision": "2", "held_recordings": [str(held)]}).encode())
        await status_once(running_recorder, http_client, lambda shown: bool(shown["held"]))
        await proven_of_later(fake)
        assert await running_recorder.stop() == 0
    kept = files_of(base)
    assert kept
    fake.down = 503
    async with recorder(tmp_path, variables) as running_recorder:
        tried = len(fake.calls)
        await fake.until(lambda: len(fake.calls) > tried + 2)
        fake.down = 0
        await fake.until(lambda: len(fake.registered) > 1)
        assert kept <= files_of(base), "neither the restart nor the dark control plane ended the hold"
        fake.publish(json.dumps(document | {"revision": "3", "held_recordings": []}).encode())
        await until(lambda: not files_of(base) & kept)
        assert await running_recorder.stop() == 0
    spool = Spool.open(base)
    assert spool.holds.all() == []
    spool.close()
