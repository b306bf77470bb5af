"""STORAGE_URL names another store than yesterday: what lies in the old one is neither deleted nor said to be gone."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest_asyncio
from sqlalchemy import update

from control_plane.drills.drill import drill
from control_plane.drills.sampling import Wanted
from control_plane.events import BACKGROUND
from control_plane.models import Segment
from control_plane.recordings.deletions import Deleted
from control_plane.recordings.retention import cameras_with_old_footage, delete_old_footage
from control_plane.services import Services
from control_plane.stores import Store
from control_plane.stores.folder import FolderStore
from tests.control_plane.recordings.stored import NOW, Stock, stock

DAY = timedelta(days=1)


@pytest_asyncio.fixture
async def new(tmp_path: Path) -> AsyncIterator[Store]:
    """The store of today, which has objects of the same cameras."""
    (tmp_path / "new" / "cameras").mkdir(parents=True)
    store = FolderStore(tmp_path / "new")
    yield store
    await store.close()


async def noted(one: Stock, url: str) -> None:
    async with one.services.sessions.begin() as session:
        await session.execute(update(Segment).values(store_url=url))


async def swept(one: Stock, store: Store) -> Deleted:
    """What retention deletes, if it finds anything to do."""
    async with one.services.sessions() as session:
        found = await cameras_with_old_footage(session, store.url, 0, NOW)
    deleted = await delete_old_footage(one.services.sessions, store, one.camera_id, 0, NOW)
    assert bool(deleted.segments) == bool(found)
    return deleted


async def test_retention_leaves_alone_what_lies_in_another_store(services: Services, new: Store) -> None:
    one = await stock(services, retention_days=30)
    await one.recording(40 * DAY, 39 * DAY)
    await noted(one, services.store.url)
    for folder in one.folder.iterdir():
        shutil.copytree(folder, Path(new.url.removeprefix("file://")) / folder.name, dirs_exist_ok=True)
    assert await swept(one, new) == Deleted()
    assert {segment.state for segment in await one.segments()} == {"stored"}
    assert (await swept(one, services.store)).segments == 2
    assert one.files() == 0


async def test_what_was_stored_before_stores_were_noted_counts_as_lying_in_that_of_today(
    services: Services, new: Store
) -> None:
    one = await stock(services, retention_days=30)
    await one.recording(40 * DAY)
    assert (await swept(one, new)).segments == 1


async def test_a_drill_draws_only_what_it_can_fetch(services: Services, new: Store) -> None:
    one = await stock(services)
    await one.recording(DAY, 2 * DAY)
    await noted(one, services.store.url)
    for camera_id in (None, one.camera_id):
        wanted = Wanted(10, camera_id)
        there = await drill(
            services.sessions, new, wanted, BACKGROUND, is_demuxing=False, random=Random(1), limit=asyncio.timeout(60)
        )
        assert there.sampled == 0
        here = await drill(
            services.sessions,
            services.store,
            wanted,
            BACKGROUND,
            is_demuxing=False,
            random=Random(1),
            limit=asyncio.timeout(60),
        )
        assert (here.sampled, here.restorable) == (2, 2)
