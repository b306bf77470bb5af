"""Drills say of each sample whether it could be restored, and say nothing where they could not look."""

import asyncio
import shutil
from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

import pytest
from sqlalchemy import update

from control_plane.drills.drill import DrillPostponedError
from control_plane.drills.sampling import Wanted
from control_plane.jobs.drills import drill_daily
from control_plane.jobs.queue import create_queue
from control_plane.models import Drill, Segment, SegmentState
from control_plane.services import Services
from control_plane.stores import StoreUnavailableError, open_store
from control_plane.stores.folder import FolderStore
from tests.control_plane.drills.segments import Cellar, faults, metadata_of
from tests.control_plane.recordings.stored import NOW
from tests.recorder.gcs import gcs_server


async def test_what_is_as_it_was_proven_is_restorable(cellar: Cellar) -> None:
    segments = await cellar.lay(*[cellar.footage] * 3)
    done = await cellar.drill()
    assert (done.sampled, done.restorable, done.failures, done.is_demuxed) == (3, 3, [], True)
    assert done.size_bytes == sum(segment.size_bytes for segment in segments)
    assert [one.id for one in await cellar.drills()] == [done.id]


async def test_each_damage_is_found_and_named(cellar: Cellar) -> None:
    """One of each: a flipped byte, a shortened, a lengthened and a missing object, and one that is well."""
    good, flipped, short, long, missing = await cellar.lay(*[cellar.footage] * 5)
    middle = len(cellar.footage) // 2
    other = bytes([cellar.footage[middle] ^ 1])
    cellar.file_of(flipped).write_bytes(cellar.footage[:middle] + other + cellar.footage[middle + 1 :])
    cellar.file_of(short).write_bytes(cellar.footage[:-1])
    cellar.file_of(long).write_bytes(cellar.footage + b"\0")
    cellar.file_of(missing).unlink()
    done = await cellar.drill()
    assert (done.sampled, done.restorable) == (5, 1)
    assert faults(done) == {
        str(flipped.id): "crc32c",
        str(short.id): "size",
        str(long.id): "size",
        str(missing.id): "missing",
    }
    events = await cellar.stock.events("recording.segment_not_restorable")
    assert {(event.detail["segment"], event.detail["fault"]) for event in events} == set(faults(done).items())
    assert {event.subject_id for event in events} == {
        segment.recording_id for segment in (flipped, short, long, missing)
    }
    assert str(good.id) not in faults(done)


async def test_bytes_that_collide_in_crc32c_do_not_pass(cellar: Cellar) -> None:
    (segment,) = await cellar.lay(cellar.footage)
    async with cellar.stock.services.sessions.begin() as session:
        await session.execute(update(Segment).values(sha256="0" * 64))
    assert faults(await cellar.drill()) == {str(segment.id): "sha256"}


async def test_what_hashes_right_and_is_no_footage_is_not_restorable(cellar: Cellar) -> None:
    garbage = bytes(range(256)) * 400
    (segment, cut) = await cellar.lay(garbage, cellar.footage[: len(cellar.footage) // 2])
    assert faults(await cellar.drill()) == {str(segment.id): "unreadable", str(cut.id): "unreadable"}
    assert faults(await cellar.drill(is_demuxing=False)) == {}, "that is what demuxing is for"


async def test_packets_that_are_not_there_are_missed(cellar: Cellar) -> None:
    (segment,) = await cellar.lay(cellar.footage)
    async with cellar.stock.services.sessions.begin() as session:
        await session.execute(update(Segment).values(packets=segment.packets + 1))
    done = await cellar.drill()
    assert done.failures[0]["fault"] == "packets"
    assert done.failures[0]["detail"] == f"{segment.packets} packets instead of {segment.packets + 1}"


async def test_in_a_bucket_as_well(cellar: Cellar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good, flipped, short, missing = await cellar.lay(*[cellar.footage] * 4)
    async with gcs_server() as gcs:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.root)
        gcs.needs_token = False
        bodies = {good: cellar.footage, flipped: cellar.footage[:-1] + b"?", short: cellar.footage[:-100]}
        for segment, body in bodies.items():
            gcs.objects[segment.object_name] = metadata_of(segment.object_name, body)
            gcs.bodies[segment.object_name] = body
        bucket = open_store(f"gs://{gcs.bucket}", default_folder=tmp_path, credentials=None)
        try:
            done = await replace(cellar, store=bucket).drill()
        finally:
            await bucket.close()
    assert (done.sampled, done.restorable) == (4, 1)
    assert faults(done) == {str(flipped.id): "crc32c", str(short.id): "size", str(missing.id): "missing"}


async def test_a_bucket_that_is_away_publishes_nothing(
    cellar: Cellar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await cellar.lay(cellar.footage)
    async with gcs_server() as gcs:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.root)
        bucket = open_store(f"gs://{gcs.bucket}", default_folder=tmp_path, credentials=None)
    try:
        with pytest.raises(StoreUnavailableError):
            await replace(cellar, store=bucket).drill()
    finally:
        await bucket.close()
    assert (await cellar.drills(), await cellar.stock.events("recording.segment_not_restorable")) == ([], [])


@pytest.mark.parametrize("is_mounted", [True, False])
async def test_a_disk_that_is_away_is_no_missing_footage(cellar: Cellar, *, is_mounted: bool) -> None:
    """Neither is the empty folder that it was mounted at."""
    await cellar.lay(cellar.footage)
    shutil.rmtree(cellar.stock.folder)
    if is_mounted:
        cellar.stock.folder.mkdir()
    with pytest.raises(StoreUnavailableError):
        await cellar.drill()
    assert await cellar.drills() == []


class _FasterRetention(FolderStore):
    """While a segment is fetched, it is deleted."""

    def __init__(self, root: Path, services: Services) -> None:
        super().__init__(root)
        self._services = services

    async def read(self, object_name: str) -> AsyncGenerator[bytes, None]:
        yield b"the first of its bytes"
        async with self._services.sessions.begin() as session:
            gone = update(Segment).where(Segment.object_name == object_name)
            await session.execute(gone.values(state=SegmentState.DELETED))


async def test_what_retention_deletes_meanwhile_is_no_failure(cellar: Cellar) -> None:
    await cellar.lay(cellar.footage)
    store = _FasterRetention(cellar.stock.folder, cellar.stock.services)
    try:
        done = await replace(cellar, store=store).drill()
    finally:
        await store.close()
    assert (done.sampled, done.failures) == (0, [])
    assert await cellar.drills() == [], "nothing of nothing is no result"


class _SlowStore(FolderStore):
    """After so many reads the next one takes until the drill's time is over."""

    def __init__(self, root: Path, reads: int) -> None:
        super().__init__(root)
        self._reads, self.limit = reads, asyncio.timeout(None)

    async def read(self, object_name: str) -> AsyncGenerator[bytes]:
        if not self._reads:
            self.limit.reschedule(asyncio.get_running_loop().time())
            await asyncio.Event().wait()
        self._reads -= 1
        async for piece in super().read(object_name):
            yield piece


@pytest.mark.parametrize("reads", [0, 2])
async def test_what_was_looked_at_in_time_is_published(cellar: Cellar, reads: int) -> None:
    await cellar.lay(*[cellar.footage] * 4)
    store = _SlowStore(cellar.stock.folder, reads)
    try:
        if reads:
            done = await replace(cellar, store=store).drill(is_demuxing=False, limit=store.limit)
            assert (done.asked, done.sampled, done.restorable) == (100, 2, 2)
        else:
            with pytest.raises(DrillPostponedError, match="no time for even one sample"):
                await replace(cellar, store=store).drill(is_demuxing=False, limit=store.limit)
    finally:
        await store.close()
    assert [one.sampled for one in await cellar.drills()] == ([2] if reads else [])


@pytest.fixture
def full_disk() -> Iterator[BinaryIO]:
    with Path("/dev/full").open("r+b", buffering=0) as file:
        yield file


async def test_a_full_disk_here_says_nothing_of_what_is_stored(
    cellar: Cellar, full_disk: BinaryIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    await cellar.lay(cellar.footage)
    monkeypatch.setattr("tempfile.TemporaryFile", lambda: full_disk)
    with pytest.raises(DrillPostponedError, match="No space left"):
        await cellar.drill()
    assert await cellar.drills() == []


async def test_only_a_camera_and_only_what_is_recent(cellar: Cellar) -> None:
    (segment, older) = sorted(await cellar.lay(*[cellar.footage] * 2), key=lambda one: one.started_at, reverse=True)
    cellar.file_of(older).unlink()
    assert (await cellar.drill(Wanted(9, since=segment.started_at))).restorable == 1
    of_camera = await cellar.drill(Wanted(9, camera_id=cellar.stock.camera_id))
    assert (of_camera.sampled, of_camera.restorable) == (2, 1)
    both = await cellar.drill(Wanted(9, camera_id=cellar.stock.camera_id, since=NOW - timedelta(minutes=10)))
    assert (both.sampled, both.restorable) == (1, 1)


async def daily(services: Services) -> None:
    await drill_daily(create_queue(services.engine.url), services)


async def test_by_itself_there_is_one_a_day(cellar: Cellar, services: Services) -> None:
    await cellar.lay(cellar.footage)
    await cellar.drill(Wanted(1, camera_id=cellar.stock.camera_id))
    await daily(services)
    await daily(services)
    assert [(one.camera_id is None, one.restorable) for one in await cellar.drills()] == [(False, 1), (True, 1)]
    async with services.sessions.begin() as session:
        await session.execute(update(Drill).values(ended_at=Drill.ended_at - timedelta(days=1)))
    await daily(services)
    assert len(await cellar.drills()) == 3


async def test_without_samples_there_is_none(cellar: Cellar, services: Services) -> None:
    await cellar.lay(cellar.footage)
    await daily(replace(services, settings=services.settings.model_copy(update={"drill_samples": 0})))
    assert await cellar.drills() == []


async def test_a_store_that_is_away_postpones_the_days_drill_to_the_next_tick(
    cellar: Cellar, services: Services, tmp_path: Path
) -> None:
    await cellar.lay(cellar.footage)
    elsewhere = cellar.stock.folder.rename(tmp_path / "unmounted")
    await daily(services)
    assert await cellar.drills() == []
    elsewhere.rename(cellar.stock.folder)
    await daily(services)
    assert [one.restorable for one in await cellar.drills()] == [1]
