"""What was due stays what it was, whatever becomes of the schedules."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncSession

from camfleet_contract.cameras import RecordingMode
from control_plane.coverage.due import Openings, due
from control_plane.coverage.history import histories
from control_plane.coverage.spans import Span, seconds
from control_plane.events import COMMAND_LINE
from control_plane.fleet.cameras import (
    CameraChange,
    NewCamera,
    change_camera,
    create_camera,
    delete_camera,
    find_camera,
)
from control_plane.fleet.schedules import (
    NewSchedule,
    ScheduleChange,
    change_schedule,
    create_schedule,
    delete_schedule,
    find_schedule,
)
from control_plane.fleet.sites import SiteChange, change_site, find_site, site_named
from control_plane.models import Camera, Version
from control_plane.security.principals import UNLIMITED
from control_plane.services import Services

NIGHT = {"schedule_type": "daily", "start_time": "22:00:00", "end_time": "06:00:00"}


class Place:
    """A camera at a site, and what was due of it."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.camera_id = self.site_id = self.other_site_id = uuid.UUID(int=0)

    async def made(self) -> "Place":
        async with self.services.sessions.begin() as session:
            site = await site_named(session, "Depot", timezone="UTC", actor=COMMAND_LINE)
            other = await site_named(session, "Mill", timezone="Asia/Kolkata", actor=COMMAND_LINE)
            new = NewCamera(name="Yard", site_id=site.id, ip_address="192.0.2.7", username="u", password="hush")
            camera = await create_camera(session, self.services.secrets, new, actor=COMMAND_LINE)
            self.camera_id, self.site_id, self.other_site_id = camera.id, site.id, other.id
        return self

    async def scheduled(self, **given: object) -> uuid.UUID:
        async with self.services.sessions.begin() as session:
            new = NewSchedule.of({"name": "Night", "camera_id": self.camera_id} | NIGHT | given)
            return (await create_schedule(session, new, actor=COMMAND_LINE)).id

    async def changed(self, schedule_id: uuid.UUID, **given: object) -> None:
        async with self.services.sessions.begin() as session:
            schedule = await find_schedule(session, schedule_id, seen_by=UNLIMITED, for_change=True)
            await change_schedule(session, schedule, ScheduleChange.of(given), actor=COMMAND_LINE)

    async def camera_changed(self, **given: object) -> None:
        async with self.services.sessions.begin() as session:
            camera = await find_camera(session, self.camera_id, seen_by=UNLIMITED, for_change=True)
            change = CameraChange.of(given)
            await change_camera(session, self.services.secrets, camera, change, actor=COMMAND_LINE)

    async def ago(self, **length: float) -> None:
        """All that happened so far happened that much earlier."""
        back = timedelta(**length)
        async with self.services.sessions.begin() as session:
            await session.execute(update(Version).values(since=Version.since - back, until=Version.until - back))

    async def due(self, first: datetime, last: datetime) -> list[Span]:
        async with self.services.sessions() as session:
            history = await histories(session, [self.camera_id], (first, last))
        return due(history[self.camera_id], (first, last), Openings())

    async def hours_due(self, days: int = 10) -> float:
        """Of the last whole days of UTC."""
        today = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
        return seconds(await self.due(today - timedelta(days=days), today)) / 3600


@pytest.fixture
async def place(services: Services) -> Place:
    return await Place(services).made()


async def test_what_was_due_does_not_change_with_the_schedule(place: Place) -> None:
    schedule_id = await place.scheduled()
    await place.ago(days=30)
    assert await place.hours_due() == 80
    await place.changed(schedule_id, start_time="23:00:00")
    assert await place.hours_due() == 80
    await place.ago(days=20)
    assert await place.hours_due() == 70


async def test_a_schedule_that_was_deleted_was_due_as_long_as_it_was_there(place: Place) -> None:
    schedule_id = await place.scheduled(schedule_type="continuous")
    await place.ago(days=30)
    async with place.services.sessions.begin() as session:
        await delete_schedule(session, await find_schedule(session, schedule_id, seen_by=UNLIMITED), actor=COMMAND_LINE)
    assert await place.hours_due() == 240
    await place.ago(days=30)
    assert await place.hours_due() == 0


async def test_what_two_schedules_want_is_due_once(place: Place) -> None:
    await place.scheduled()
    await place.scheduled(start_time="23:00:00", end_time="07:00:00")
    await place.ago(days=30)
    assert await place.hours_due() == 90


@pytest.mark.parametrize("change", [{"is_active": False}, {"recording_mode": RecordingMode.BACKEND}])
async def test_nothing_is_due_of_a_camera_that_no_recorder_is_to_record(
    place: Place, change: dict[str, object]
) -> None:
    await place.scheduled()
    await place.ago(days=35)
    await place.camera_changed(**change)
    await place.ago(days=30)
    assert await place.hours_due() == 0
    await place.camera_changed(is_active=True, recording_mode="local_client")
    await place.ago(days=30)
    assert await place.hours_due() == 80


async def test_the_zone_counts_that_the_site_had(place: Place) -> None:
    await place.scheduled(start_time="00:00:00", end_time="01:00:00")
    await place.ago(days=3000)
    async with place.services.sessions.begin() as session:
        site = await find_site(session, place.site_id, seen_by=UNLIMITED, for_change=True)
        await change_site(session, site, SiteChange(timezone="Asia/Kolkata"), actor=COMMAND_LINE)
    night = datetime(2026, 6, 1, tzinfo=UTC)
    async with place.services.sessions.begin() as session:
        await _said_since(session, place.site_id, night + timedelta(days=1))
    assert [start.isoformat() for start, _ in await place.due(night, night + timedelta(days=3))] == [
        "2026-06-01T00:00:00+00:00",
        "2026-06-02T18:30:00+00:00",
        "2026-06-03T18:30:00+00:00",
    ]


async def test_a_camera_that_moved_has_the_zone_of_where_it_was(place: Place) -> None:
    await place.scheduled(start_time="00:00:00", end_time="01:00:00")
    await place.ago(days=3000)
    await place.camera_changed(site_id=place.other_site_id)
    moved = datetime(2026, 6, 2, tzinfo=UTC)
    async with place.services.sessions.begin() as session:
        await _said_since(session, place.camera_id, moved)
    starts = [start.hour for start, _ in await place.due(moved - timedelta(days=1), moved + timedelta(days=2))]
    assert starts == [0, 18, 18]


async def test_a_form_that_is_saved_as_it_was_is_no_new_version(place: Place) -> None:
    schedule_id = await place.scheduled()
    await place.changed(schedule_id, name="Nights")
    await place.camera_changed(name="Court")
    async with place.services.sessions.begin() as session:
        await session.execute(update(Camera).values(is_active=True))
        assert await session.scalar(text("SELECT count(*) FROM versions WHERE until IS NOT NULL")) == 0


async def test_several_changes_in_one_transaction_follow_each_other(place: Place) -> None:
    schedule_id = await place.scheduled()
    async with place.services.sessions.begin() as session:
        schedule = await find_schedule(session, schedule_id, seen_by=UNLIMITED, for_change=True)
        for hour in (20, 21, 23):
            change = ScheduleChange.of({"start_time": f"{hour}:00:00"})
            await change_schedule(session, schedule, change, actor=COMMAND_LINE)
    async with place.services.sessions() as session:
        query = text("SELECT since, until, said->>'start_time' FROM versions WHERE subject_id = :id ORDER BY since")
        versions = (await session.execute(query, {"id": schedule_id})).all()
    assert [start for _, _, start in versions] == ["22:00:00", "20:00:00", "21:00:00", "23:00:00"]
    assert [until for _, until, _ in versions[:-1]] == [since for since, _, _ in versions[1:]]
    assert versions[-1][1] is None


async def test_a_deleted_cameras_history_has_ended_and_holds_no_secret(place: Place) -> None:
    await place.scheduled()
    async with place.services.sessions.begin() as session:
        await delete_camera(session, await find_camera(session, place.camera_id, seen_by=UNLIMITED), actor=COMMAND_LINE)
    async with place.services.sessions() as session:
        rows = (await session.execute(text("SELECT subject_id, until, said::text AS said FROM versions"))).all()
    ended = {row.subject_id for row in rows if row.until is not None}
    assert len(ended) == 2, "the camera and its schedule"
    assert not any("password" in row.said or "rtsp" in row.said for row in rows)


async def _said_since(session: AsyncSession, subject_id: uuid.UUID, moment: datetime) -> None:
    """What it says now, it says since then."""
    older = text("UPDATE versions SET until = :at WHERE subject_id = :id AND until IS NOT NULL")
    newest = text("UPDATE versions SET since = :at WHERE subject_id = :id AND until IS NULL")
    for statement in (older, newest):
        await session.execute(statement, {"id": subject_id, "at": moment})
