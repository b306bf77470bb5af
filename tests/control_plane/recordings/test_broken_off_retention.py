"""Retention that is broken off, waits, or is refused: what is gone is not said to be there, and nobody is stormed."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from control_plane.database import SLACK_SECONDS
from control_plane.events import COMMAND_LINE
from control_plane.jobs.periodic import create_jobs
from control_plane.jobs.retention import keep_to_retention, plan_retention
from control_plane.models import BegunDeletion
from control_plane.recordings.deletions import STORE_SECONDS, Deleted
from control_plane.recordings.holds import WAIT_SECONDS, hold
from control_plane.recordings.retention import BATCH, cameras_with_old_footage, delete_old_footage
from control_plane.services import Services
from control_plane.stores import Removal, StoreUnavailableError
from control_plane.stores.folder import FolderStore
from tests.control_plane.jobs.working import looking, until, working
from tests.control_plane.recordings.stored import NOW, Stock, stock

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


class Hanging(FolderStore):
    """A folder that deletes so many objects, and then hangs until it is told to go on."""

    def __init__(self, root: Path, deletes: int = 0) -> None:
        super().__init__(root)
        self.left = self.under_way = deletes
        self.has_begun_to = asyncio.Event()
        self.hangs = asyncio.Event()
        """Set when all that were to be deleted are."""
        self.goes_on = asyncio.Event()

    async def delete(self, object_name: str, generation: int) -> Removal:
        if self.left:
            self.left -= 1
            removal = await super().delete(object_name, generation)
            self.under_way -= 1
            self._tell()
            return removal
        self.has_begun_to.set()
        self._tell()
        await self.goes_on.wait()
        return await super().delete(object_name, generation)

    def _tell(self) -> None:
        if self.has_begun_to.is_set() and not self.under_way:
            self.hangs.set()


class Keeping(FolderStore):
    """A store that deletes nothing for a reason, and counts how often it was asked."""

    def __init__(self, root: Path, reason: Removal) -> None:
        super().__init__(root)
        self.reason = reason
        self.asked = 0

    async def delete(self, object_name: str, generation: int) -> Removal:
        del object_name, generation
        self.asked += 1
        return self.reason


async def broken_off(one: Stock, deletes: int) -> None:
    """A run that is killed after so many objects."""
    store = Hanging(one.folder, deletes)
    running = asyncio.create_task(delete_old_footage(one.services.sessions, store, one.camera_id, 0, NOW))
    await store.hangs.wait()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    await store.close()


async def states(one: Stock) -> Sequence[str]:
    return [str(segment.state) for segment in await one.segments()]


async def begun(services: Services) -> int:
    async with services.sessions() as session:
        return await session.scalar(select(func.count()).select_from(BegunDeletion)) or 0


@pytest.mark.parametrize("then", ["UPDATE recordings SET held_at = now()", "UPDATE cameras SET retention_days = 99"])
async def test_what_a_killed_run_deleted_is_marked_whatever_came_between(services: Services, then: str) -> None:
    one = await stock(services, retention_days=30)
    await one.recording(*(40 * DAY + number * MINUTE for number in range(5)))
    await broken_off(one, deletes=2)
    assert (one.files(), await states(one), await begun(services)) == (3, ["stored"] * 5, 1)
    async with services.sessions.begin() as session:
        await session.execute(text(then))
        await session.execute(text("UPDATE begun_deletions SET begun_at = begun_at - interval '2 minutes'"))
        found = await cameras_with_old_footage(session, services.store.url, 0, NOW)
    assert found == [one.camera_id]
    deleted = await delete_old_footage(services.sessions, services.store, one.camera_id, 0, NOW)
    assert (deleted.segments, await begun(services)) == (2, 0)
    for segment in await one.segments():
        assert (one.folder / segment.object_name).exists() == (segment.state == "stored")
        assert segment.deletion_reason == (None if segment.state == "stored" else "retention: 30 days")
    (event,) = await one.events("camera.footage_deleted")
    assert (event.detail["segments"], event.detail["reason"]) == (2, "retention: 30 days")


async def test_what_was_begun_is_not_called_deleted_while_the_disk_is_away(services: Services) -> None:
    one = await stock(services, retention_days=30)
    await one.recording(40 * DAY)
    await broken_off(one, deletes=0)
    away = one.folder.with_name("away")
    one.folder.rename(away)
    one.folder.mkdir()
    with pytest.raises(StoreUnavailableError, match="is its disk mounted"):
        await delete_old_footage(services.sessions, services.store, one.camera_id, 0, NOW)
    assert (await states(one), await begun(services)) == (["stored"], 1)


async def test_a_run_that_still_goes_on_is_not_taken_for_a_killed_one(services: Services) -> None:
    one = await stock(services, retention_days=30)
    await one.recording(40 * DAY, 39 * DAY)
    store = Hanging(one.folder, deletes=1)
    running = asyncio.create_task(delete_old_footage(services.sessions, store, one.camera_id, 0, NOW))
    await store.hangs.wait()
    assert await delete_old_footage(services.sessions, services.store, one.camera_id, 0, NOW) == Deleted()
    store.goes_on.set()
    assert (await running).segments == 2
    assert await begun(services) == 0
    await store.close()


async def test_a_hold_outlasts_the_slowest_batch(services: Services) -> None:
    """The store hangs for as long as it is let."""
    one = await stock(services, retention_days=30)
    recording = await one.recording(40 * DAY, 39 * DAY)
    store = Hanging(one.folder)
    running = asyncio.create_task(delete_old_footage(services.sessions, store, one.camera_id, 0, NOW))
    await store.hangs.wait()
    async with services.sessions.begin() as session:
        await hold(session, recording.id, now=NOW, actor=COMMAND_LINE)
    with pytest.raises(StoreUnavailableError, match="slow"):
        await running
    assert await states(one) == ["stored", "stored"]
    await store.close()


def test_the_limits_are_in_their_order() -> None:
    assert STORE_SECONDS + 3 < WAIT_SECONDS < 10 + SLACK_SECONDS


async def test_a_camera_s_hour_is_one_job_and_one_event(services: Services) -> None:
    one = await stock(services, retention_days=30)

    async def found(later: timedelta) -> bool:
        async with services.sessions() as session:
            return await cameras_with_old_footage(session, services.store.url, 0, NOW + later) == [one.camera_id]

    await one.recording(*(30 * DAY - number * MINUTE for number in range(60)))
    # The first of them ends a minute from now, and has been due for an hour then.
    assert [await found(later * MINUTE) for later in (0, 1, 30, 60, 61)] == [False, False, False, False, True]
    deleted = await delete_old_footage(services.sessions, services.store, one.camera_id, 0, NOW + 61 * MINUTE)
    assert deleted.segments == 60
    assert len(await one.events("camera.footage_deleted")) == 1


async def test_a_camera_whose_old_footage_is_all_held_has_no_job(services: Services) -> None:
    one = await stock(services, retention_days=30)
    await one.recording(40 * DAY, held=True)
    async with services.sessions() as session:
        assert await cameras_with_old_footage(session, services.store.url, 0, NOW) == []


@pytest.mark.parametrize(("reason", "asked"), [(Removal.TOO_YOUNG, BATCH), (Removal.KEPT, 2 * BATCH + 1)])
async def test_a_bucket_that_keeps_the_oldest_by_its_policy_is_not_asked_for_the_rest(
    services: Services, reason: Removal, asked: int
) -> None:
    one = await stock(services, retention_days=30)
    await one.recording(*(40 * DAY + number * MINUTE for number in range(2 * BATCH + 1)))
    store = Keeping(one.folder, reason)
    deleted = await delete_old_footage(services.sessions, store, one.camera_id, 0, NOW)
    assert deleted == Deleted(kept_by_the_store=asked)
    assert store.asked == asked
    assert await begun(services) == 0
    await store.close()


async def test_what_a_store_keeps_is_asked_for_again_in_an_hour_not_in_a_minute(
    services: Services, database: str
) -> None:
    one = await stock(services, retention_days=30)
    await one.recording(400 * DAY)
    kept = replace(services, store=Keeping(one.folder, Removal.KEPT))
    queue = create_jobs(kept)
    async with queue.open_async(), looking(database) as rows:
        await keep_to_retention(queue, kept, one.camera_id)
        await plan_retention(queue, kept)
        (job,) = await rows.fetch("SELECT scheduled_at - now() AS wait FROM procrastinate_jobs")
    assert 50 * MINUTE < job["wait"] < 70 * MINUTE
    await kept.store.close()


async def test_a_job_that_waits_for_its_store_has_none_of_the_connections_that_answer(
    services: Services, database: str
) -> None:
    one = await stock(services, retention_days=30)
    await one.recording(400 * DAY)
    store = Hanging(one.folder)
    async with looking(database) as queue, working(replace(services, store=store)):
        job = await queue.fetchval(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, lock, args) VALUES"
            " ('default', 'retention_of_camera', 'one', jsonb_build_object('camera_id', $1::text)) RETURNING id",
            str(one.camera_id),
        )
        await store.hangs.wait()
        assert services.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
        store.goes_on.set()
        await until(queue, "SELECT 1 FROM procrastinate_jobs WHERE id = $1 AND status = 'succeeded'", job)
    assert await states(one) == ["deleted"]
    await store.close()
