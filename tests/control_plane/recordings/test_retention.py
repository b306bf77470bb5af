"""Retention in the store: what is too old goes, once, and nothing else."""

import asyncio
import shutil
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from control_plane.events import COMMAND_LINE
from control_plane.models import Segment, SegmentState
from control_plane.recordings.deletions import Deleted
from control_plane.recordings.holds import hold, release
from control_plane.recordings.object_holds import settle_holds
from control_plane.recordings.retention import BATCH, cameras_with_old_footage, delete_old_footage
from control_plane.services import Services
from control_plane.stores import StoreUnavailableError, open_store
from tests.control_plane.recordings.stored import NOW, Stock, stock
from tests.recorder.gcs import gcs_server

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


async def delete(one: Stock, default_days: int = 0) -> Deleted:
    return await delete_old_footage(one.services.sessions, one.services.store, one.camera_id, default_days, NOW)


async def found(services: Services, default_days: int = 0) -> list[uuid.UUID]:
    async with services.sessions() as session:
        return list(await cameras_with_old_footage(session, services.store.url, default_days, NOW))


async def test_what_ended_before_its_days_goes_and_nothing_younger(services: Services) -> None:
    one = await stock(services, retention_days=30)
    await one.recording(40 * DAY, 30 * DAY + MINUTE, 30 * DAY + MINUTE / 2, 29 * DAY)
    assert await found(services) == [one.camera_id]
    assert await delete(one) == Deleted(segments=2, size_bytes=14)
    segments = await one.segments()
    assert [segment.state for segment in segments] == ["deleted", "deleted", "stored", "stored"]
    assert [segment.deleted_at for segment in segments[:2]] == [NOW, NOW]
    assert segments[0].deletion_reason == "retention: 30 days"
    assert [(one.folder / segment.object_name).exists() for segment in segments] == [False, False, True, True]
    assert await delete(one) == Deleted(), "repeating is safe"
    (event,) = await one.events("camera.footage_deleted")
    assert (event.actor, event.subject_id) == ("control-plane", one.camera_id)
    assert (event.detail["segments"], event.detail["bytes"]) == (2, 14)


async def test_without_days_everything_is_kept_for_ever(services: Services) -> None:
    one = await stock(services)
    await one.recording(3650 * DAY)
    assert (await found(services), await delete(one)) == ([], Deleted())
    assert await found(services, default_days=30) == [one.camera_id], "the server's default counts then"
    assert (await delete(one, default_days=30)).segments == 1


async def test_a_cameras_own_days_win_over_the_default(services: Services) -> None:
    one = await stock(services, retention_days=90)
    await one.recording(60 * DAY)
    assert (await found(services, default_days=30), await delete(one, default_days=30)) == ([], Deleted())


async def test_held_recordings_are_never_deleted_and_released_ones_are(services: Services) -> None:
    one = await stock(services, retention_days=1)
    held = await one.recording(40 * DAY, 39 * DAY, held=True)
    await one.recording(38 * DAY)
    assert (await delete(one)).segments == 1
    assert {segment.recording_id for segment in await one.segments() if segment.state == "stored"} == {held.id}
    async with services.sessions.begin() as session:
        await release(session, held.id, actor=COMMAND_LINE)
    assert (await delete(one)).segments == 2
    assert one.files() == 0


async def test_a_hold_waits_for_a_batch_and_then_keeps_what_is_left(services: Services) -> None:
    one = await stock(services, retention_days=1)
    recording = await one.recording(*(40 * DAY + number * MINUTE for number in range(BATCH + 50)))

    async def hold_it() -> None:
        async with services.sessions.begin() as session:
            await hold(session, recording.id, now=NOW, actor=COMMAND_LINE)

    deleting = asyncio.create_task(delete(one))
    await asyncio.gather(hold_it(), deleting)
    segments = await one.segments()
    # However the two met: no segment is half gone.
    for segment in segments:
        assert (one.folder / segment.object_name).exists() == (segment.state == SegmentState.STORED)
    assert (await delete(one)).segments == 0


async def test_batches_are_bounded_and_each_leaves_an_event(services: Services) -> None:
    one = await stock(services, retention_days=1)
    await one.recording(*(40 * DAY + number * MINUTE for number in range(2 * BATCH + 1)))
    assert (await delete(one)).segments == 2 * BATCH + 1
    assert [event.detail["segments"] for event in await one.events("camera.footage_deleted")] == [BATCH, BATCH, 1]


async def test_two_at_once_delete_each_segment_once(services: Services) -> None:
    one = await stock(services, retention_days=1)
    await one.recording(*(40 * DAY + number * MINUTE for number in range(BATCH + 30)))
    runs = await asyncio.gather(delete(one), delete(one), delete(one))
    events = await one.events("camera.footage_deleted")
    assert sum(run.segments for run in runs) == sum(event.detail["segments"] for event in events) <= BATCH + 30
    await delete(one)
    events = await one.events("camera.footage_deleted")
    assert sum(event.detail["segments"] for event in events) == BATCH + 30
    assert one.files() == 0


async def test_an_object_that_is_gone_already_counts_as_deleted(services: Services) -> None:
    """As after a kill between the object's deletion and the row's."""
    one = await stock(services, retention_days=1)
    await one.recording(40 * DAY, 39 * DAY)
    (one.folder / (await one.segments())[0].object_name).unlink()
    assert (await delete(one)).segments == 2


async def test_a_store_that_is_away_postpones_it(services: Services, tmp_path: Path) -> None:
    one = await stock(services, retention_days=1)
    await one.recording(40 * DAY)
    away = tmp_path / "unmounted"
    shutil.move(one.folder, away)
    with pytest.raises(StoreUnavailableError):
        await delete(one)
    # An unmounted disk leaves an empty folder.
    one.folder.mkdir()
    with pytest.raises(StoreUnavailableError, match="is its disk mounted"):
        await delete(one)
    assert [segment.state for segment in await one.segments()] == ["stored"]
    one.folder.rmdir()
    shutil.move(away, one.folder)
    assert (await delete(one)).segments == 1


async def test_footage_with_a_wrong_clock_is_kept_for_a_day_whatever_its_age_says(services: Services) -> None:
    one = await stock(services, retention_days=30)
    await one.recording(20_000 * DAY)
    async with services.sessions.begin() as session:
        await session.execute(update(Segment).values(stored_at=NOW - DAY + MINUTE))
    assert (await found(services), await delete(one)) == ([], Deleted())


async def test_the_bucket_holds_what_is_held_and_lets_go_of_what_is_released(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await stock(services, retention_days=1)
    recording = await one.recording(40 * DAY, 39 * DAY, held=True)
    async with gcs_server() as gcs:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.root)
        gcs.needs_token = False
        gcs.permissions += ["storage.objects.update"]
        gcs.objects = {segment.object_name: {"generation": "0"} for segment in await one.segments()}
        store = open_store(f"gs://{gcs.bucket}", default_folder=tmp_path, credentials=None)
        try:
            assert await settle_holds(services.sessions, store) == 2
            assert [content["temporaryHold"] for content in gcs.objects.values()] == [True, True]
            assert await settle_holds(services.sessions, store) == 0, "what is settled is not asked for again"
            async with services.sessions.begin() as session:
                await release(session, recording.id, actor=COMMAND_LINE)
            assert await settle_holds(services.sessions, store) == 2
            assert [content["temporaryHold"] for content in gcs.objects.values()] == [False, False]
        finally:
            await store.close()
    assert {segment.store_hold for segment in await one.segments()} == {None}
