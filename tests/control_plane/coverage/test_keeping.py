"""Days that are over are reckoned once, and never answered as they were before what was told since."""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from camfleet_contract.gaps import GapCause
from control_plane.coverage.days import account_of, reckoned, site_day
from control_plane.coverage.keeping import keep_days, settle_news
from control_plane.coverage.measurement import CameraDay, Covered
from control_plane.events import COMMAND_LINE
from control_plane.fleet.cameras import NewCamera, create_camera
from control_plane.fleet.schedules import NewSchedule, create_schedule
from control_plane.fleet.sites import SiteChange, change_site, find_site, site_named
from control_plane.models import Camera, Gap, Version
from control_plane.security.principals import UNLIMITED
from control_plane.services import Services
from tests.control_plane.coverage.model import Held
from tests.control_plane.coverage.test_exact import segment

YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
NOON = datetime.combine(YESTERDAY, datetime.min.time(), UTC) + timedelta(hours=12)
LATER = NOON + timedelta(hours=15)
"""Yesterday is over for long enough, and today is not, whatever the hour is."""
CLIENT = uuid7()


class Fleet:
    """Cameras of one site that are due at any time, for a week."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.site_id = uuid.UUID(int=0)
        self.cameras: list[uuid.UUID] = []

    async def made(self, cameras: int) -> "Fleet":
        async with self.services.sessions.begin() as session:
            site = await site_named(session, "Depot", timezone="UTC", actor=COMMAND_LINE)
            self.site_id = site.id
            for number in range(cameras):
                new = NewCamera(name=f"Yard {number}", site_id=site.id, ip_address="192.0.2.7")
                camera = await create_camera(session, self.services.secrets, new, actor=COMMAND_LINE)
                schedule = NewSchedule.of({"name": "All", "camera_id": camera.id, "schedule_type": "continuous"})
                await create_schedule(session, schedule, actor=COMMAND_LINE)
                self.cameras.append(camera.id)
        async with self.services.sessions.begin() as session:
            week_ago = datetime.combine(YESTERDAY, datetime.min.time(), UTC) - timedelta(days=5)
            await session.execute(update(Version).values(since=week_ago))
            await session.execute(update(Camera).values(created_at=week_ago))
        return self

    async def recorded(self, camera_id: uuid.UUID, start: datetime, state: str = "stored", hours: float = 1) -> None:
        async with self.services.sessions.begin() as session:
            session.add(segment(camera_id, Held(CLIENT, start, start + timedelta(hours=hours), state)))

    async def kept(self, now: datetime = LATER) -> int:
        """The job does its work; how many days it reckoned besides those with news."""
        await settle_news(self.services.sessions, now)
        return await keep_days(self.services.sessions, now)

    async def account(self, camera_id: uuid.UUID, day: date = YESTERDAY, now: datetime = LATER) -> Covered:
        asked = CameraDay(camera_id, day, site_day(day, "UTC"))
        async with self.services.sessions() as session:
            found = await account_of(session, [asked], now)
            assert found == await reckoned(session, [asked], now), "what is kept is what would be reckoned"
        return found[camera_id, day]

    async def count(self, table: str) -> int:
        async with self.services.sessions() as session:
            return int(await session.scalar(text(f"SELECT count(*) FROM {table}")) or 0)  # noqa: S608 - ours


@pytest.fixture
async def fleet(services: Services) -> Fleet:
    return await Fleet(services).made(3)


def reading_footage(services: Services, statements: list[str]) -> Callable[..., None]:
    def note(_connection: Any, _cursor: Any, statement: str, *_others: Any) -> None:
        if "FROM segments" in statement:
            statements.append(statement)

    event.listen(services.engine.sync_engine, "before_cursor_execute", note)
    return note


async def test_a_day_that_is_kept_is_not_reckoned_again(fleet: Fleet) -> None:
    await fleet.recorded(fleet.cameras[0], NOON)
    assert await fleet.kept() >= len(fleet.cameras)
    assert await fleet.kept(LATER) in {0, len(fleet.cameras)}, "one older day is filled up at a time"
    asked = [CameraDay(id_, YESTERDAY, site_day(YESTERDAY, "UTC")) for id_ in fleet.cameras]
    statements: list[str] = []
    note = reading_footage(fleet.services, statements)
    try:
        async with fleet.services.sessions() as session:
            found = await account_of(session, asked, LATER)
    finally:
        event.remove(fleet.services.engine.sync_engine, "before_cursor_execute", note)
    assert statements == []
    assert [found[id_, YESTERDAY].stored for id_ in fleet.cameras] == [3600, 0, 0]


async def test_a_day_that_goes_on_or_has_just_ended_is_not_kept(fleet: Fleet) -> None:
    end = site_day(YESTERDAY, "UTC")[1]
    await fleet.kept(end + timedelta(minutes=119))
    async with fleet.services.sessions() as session:
        days = set(await session.scalars(text("SELECT day FROM coverage_days")))
    assert YESTERDAY not in days
    assert YESTERDAY - timedelta(days=1) in days


async def test_what_is_told_later_counts_at_once_and_is_kept_then(fleet: Fleet) -> None:
    camera_id = fleet.cameras[0]
    old = NOON - timedelta(days=2)
    await fleet.kept()
    while await fleet.kept():
        pass
    assert await fleet.count("coverage_days") == 6 * len(fleet.cameras)
    await fleet.recorded(camera_id, old, "offered")
    assert (await fleet.account(camera_id, old.date())).local_only == 3600
    await fleet.kept()
    assert await fleet.count("coverage_news") == 0
    async with fleet.services.sessions.begin() as session:
        await session.execute(text("UPDATE segments SET state = 'stored'"))
    assert (await fleet.account(camera_id, old.date())).stored == 3600
    async with fleet.services.sessions.begin() as session:
        session.add(
            Gap(
                camera_id=camera_id,
                started_at=old + timedelta(hours=1),
                id=uuid7(),
                ended_at=old + timedelta(hours=20),
                client_id=CLIENT,
                cause=GapCause.POWER_LOST,
            )
        )
    await fleet.kept()
    assert (await fleet.account(camera_id, old.date())).lost == {GapCause.POWER_LOST: 11 * 3600}
    assert (await fleet.account(camera_id, old.date() + timedelta(days=1))).lost == {GapCause.POWER_LOST: 8 * 3600}
    assert await fleet.kept() == 0
    assert await fleet.count("coverage_news") == 0


async def test_footage_that_is_committed_while_its_day_is_reckoned_is_not_forgotten(fleet: Fleet) -> None:
    camera_id = fleet.cameras[0]
    async with fleet.services.sessions() as writer:
        writer.add(segment(camera_id, Held(CLIENT, NOON, NOON + timedelta(hours=1), "stored")))
        await writer.flush()
        await fleet.kept()
        assert (await fleet.account(camera_id)).stored == 0
        await writer.commit()
    assert (await fleet.account(camera_id)).stored == 3600
    await fleet.kept()
    assert await fleet.count("coverage_news") == 0
    assert (await fleet.account(camera_id)).stored == 3600


async def test_two_that_keep_at_once_wait_for_each_other(fleet: Fleet) -> None:
    for hour in range(4):
        await fleet.recorded(fleet.cameras[0], NOON + timedelta(hours=hour))
        async with asyncio.TaskGroup() as replicas:
            for _ in range(2):
                replicas.create_task(fleet.kept())
        assert (await fleet.account(fleet.cameras[0])).stored == 3600 * (hour + 1)


async def test_news_of_the_last_hour_is_none(fleet: Fleet) -> None:
    await fleet.recorded(fleet.cameras[0], datetime.now(UTC) - timedelta(minutes=10), hours=0.1)
    assert await fleet.count("coverage_news") == 0
    await fleet.recorded(fleet.cameras[0], datetime.now(UTC) - timedelta(minutes=70), hours=0.1)
    assert await fleet.count("coverage_news") == 1


async def test_another_time_zone_makes_other_days(fleet: Fleet) -> None:
    await fleet.kept()
    async with fleet.services.sessions.begin() as session:
        site = await find_site(session, fleet.site_id, seen_by=UNLIMITED, for_change=True)
        await change_site(session, site, SiteChange(timezone="Asia/Tokyo"), actor=COMMAND_LINE)
    asked = CameraDay(fleet.cameras[0], YESTERDAY, site_day(YESTERDAY, "Asia/Tokyo"))
    await fleet.recorded(fleet.cameras[0], asked.span[0] - timedelta(minutes=30))
    for _ in range(2):
        async with fleet.services.sessions() as session:
            found = await account_of(session, [asked], LATER)
        assert found[fleet.cameras[0], YESTERDAY].stored == 1800
        await fleet.kept()


async def days_of(session: AsyncSession) -> Sequence[date]:
    return (await session.scalars(text("SELECT DISTINCT day FROM coverage_days ORDER BY day"))).all()


async def test_days_from_before_are_filled_up_one_after_the_other(fleet: Fleet) -> None:
    seen = []
    while await fleet.kept():
        async with fleet.services.sessions() as session:
            seen.append((await days_of(session))[0])
    assert seen == sorted(seen, reverse=True)
    assert seen[-1] == YESTERDAY - timedelta(days=5), "the day that the cameras were made"
