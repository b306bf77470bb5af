"""`coverage/`: what a script sees of what was due."""

import uuid
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text, update
from uuid_utils.compat import uuid7

from camfleet_contract.gaps import GapCause
from control_plane.coverage.keeping import keep_day, settle_news
from control_plane.models import Gap, Version
from control_plane.services import Services
from tests.control_plane.cctv.footage import Footage
from tests.control_plane.cctv.scripts import Script, fields_refused
from tests.control_plane.cctv.test_lists import counted_statements

MIDNIGHT = datetime(2026, 3, 28, 23, tzinfo=UTC)
"""Of 2026-03-29 in Berlin, which has 23 hours."""
DAY = {"first_day": "2026-03-29", "last_day": "2026-03-29"}


@pytest.fixture
async def camera(admin: Script, services: Services) -> Any:
    """Scheduled at any time since 2020."""
    camera = await admin.camera(await admin.site())
    await admin.schedule(camera)
    await since_2020(services)
    return camera


async def since_2020(services: Services) -> None:
    async with services.sessions.begin() as session:
        await session.execute(update(Version).values(since=datetime(2020, 1, 1, tzinfo=UTC)))


async def a_gap(services: Services, camera: Any, client: Any, start: datetime, seconds: float, cause: GapCause) -> None:
    async with services.sessions.begin() as session:
        session.add(
            Gap(
                camera_id=uuid.UUID(camera["id"]),
                started_at=start,
                id=uuid7(),
                ended_at=start + timedelta(seconds=seconds),
                client_id=uuid.UUID(client["id"]),
                cause=cause,
            )
        )


async def test_a_day_says_what_became_of_each_second(admin: Script, camera: Any, services: Services) -> None:
    client = await admin.client({"id": camera["site_id"]}, camera)
    footage = Footage(services)
    recording = await footage.recording(client, camera, started_at=MIDNIGHT)
    await footage.segments(recording, 10, stored=7)
    async with services.sessions.begin() as session:
        await session.execute(
            text("UPDATE segments SET state = 'deleted' WHERE started_at < :at"),
            {"at": MIDNIGHT + timedelta(minutes=2)},
        )
    await a_gap(services, camera, client, MIDNIGHT + timedelta(minutes=9), 90, GapCause.CAMERA_UNREACHABLE)
    await a_gap(services, camera, client, MIDNIGHT + timedelta(minutes=7), 60, GapCause.RETENTION)
    (item,) = (await admin.get("coverage/", camera_id=camera["id"], **DAY))["items"]
    assert item == {
        "camera_id": camera["id"],
        "day": "2026-03-29",
        "start": "2026-03-28T23:00:00Z",
        "end": "2026-03-29T22:00:00Z",
        "due_seconds": 23 * 3600,
        "recorded_seconds": 540,
        "stored_seconds": 300,
        "deleted_seconds": 120,
        "local_only_seconds": 120,
        "lost_seconds": 90,
        "lost": {"retention": 60, "camera_unreachable": 30},
        "unaccounted_seconds": 23 * 3600 - 540 - 90,
        "beyond_due_seconds": 0,
    }


async def test_pages_go_through_cameras_and_their_days(admin: Script, services: Services) -> None:
    here, there = await admin.site("Here"), await admin.site("There", "Asia/Kolkata")
    cameras = [await admin.camera(here), await admin.camera(there), await admin.camera(here)]
    days = [date(2026, 5, 30) + timedelta(days=number) for number in range(4)]
    expected = [(camera["id"], day.isoformat()) for camera in cameras for day in days]
    for limit in (1, 2, 3, 4, 5, 11, 12, 13):
        found = await admin.all("coverage/", limit=limit, first_day=days[0], last_day=days[-1])
        assert [(item["camera_id"], item["day"]) for item in found] == expected
    client = await admin.client(here, cameras[2])
    for parameters, chosen in (
        ({"site_id": here["id"]}, [cameras[0], cameras[2]]),
        ({"camera_id": cameras[1]["id"]}, [cameras[1]]),
        ({"client_id": client["id"]}, [cameras[2]]),
        ({"camera_id": str(uuid7())}, []),
    ):
        found = await admin.all("coverage/", first_day=days[0], last_day=days[0], **parameters)
        assert [item["camera_id"] for item in found] == [camera["id"] for camera in chosen]


async def test_a_week_is_what_one_gets_without_asking_for_days(viewer: Script, camera: Any) -> None:
    today = datetime.now(UTC).date()
    found = [item["day"] for item in await viewer.all("coverage/")]
    # The clock may have passed midnight since.
    assert date.fromisoformat(found[-1]) - today in {timedelta(0), timedelta(days=1)}
    assert len(found) == 7
    found = [item["day"] for item in await viewer.all("coverage/", first_day="2026-03-29")]
    assert (found[0], found[-1], len(found)) == ("2026-03-29", "2026-04-04", 7)


async def test_a_day_to_come_has_nothing_due_yet(viewer: Script, camera: Any) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=2)).date()
    (item,) = await viewer.all("coverage/", first_day=tomorrow, last_day=tomorrow)
    assert item["due_seconds"] == 0


async def test_the_total_is_the_sum_of_what_is_kept_and_what_is_not(
    admin: Script, camera: Any, services: Services
) -> None:
    site = {"id": camera["site_id"]}
    others = [await admin.camera(site, name=f"Camera {number}") for number in range(2)]
    client = await admin.client(site, camera)
    async with services.sessions.begin() as session:
        await session.execute(text("UPDATE cameras SET created_at = '2020-01-01'"))
    footage = Footage(services)
    for number, one in enumerate([camera, *others]):
        recording = await footage.recording(client, one, started_at=MIDNIGHT + timedelta(hours=1))
        await footage.segments(recording, 10 * (number + 1), stored=5)
    await a_gap(services, camera, client, MIDNIGHT, 90, GapCause.STREAM_STALLED)
    days = {"first_day": "2026-03-28", "last_day": "2026-03-30"}

    async def check(**chosen: object) -> Any:
        total = await admin.get("coverage/total/", **days, **chosen)
        items = (await admin.get("coverage/", **days, **chosen))["items"]
        assert (total.pop("camera_days"), total.pop("missing_camera_days")) == (len(items), 0)
        assert total.pop("lost") == {"stream_stalled": 90}
        assert total == {name: sum(item[name] for item in items) for name in total}
        return total

    before = await check()
    for timezone_day in (date(2026, 3, 28), date(2026, 3, 29)):
        while await keep_day(services.sessions, "Europe/Berlin", timezone_day, datetime.now(UTC)):
            pass
    while await settle_news(services.sessions, datetime.now(UTC)):
        pass
    async with services.sessions() as session:
        assert await session.scalar(text("SELECT count(*) FROM coverage_days")) == 6
    assert await check() == before
    await check(camera_id=camera["id"])
    await check(client_id=client["id"])
    assert (await check(site_id=camera["site_id"]))["due_seconds"] == 71 * 3600


async def test_what_can_not_be_reckoned_at_once_is_said(admin: Script, camera: Any, services: Services) -> None:
    async with services.sessions.begin() as session:
        await session.execute(text("UPDATE cameras SET created_at = '2020-01-01'"))
    for number in range(6):
        await admin.camera({"id": camera["site_id"]}, name=f"Camera {number}")
    async with services.sessions.begin() as session:
        await session.execute(text("UPDATE cameras SET created_at = '2020-01-01'"))
    month = {"first_day": "2026-03-01", "last_day": "2026-03-31"}
    total = await admin.get("coverage/total/", **month)
    assert (total["camera_days"], total["missing_camera_days"], total["due_seconds"]) == (0, 7 * 31, 0)
    refused = await admin.refused(422, "GET", "coverage/total/", params=month | {"last_day": "2026-04-01"})
    assert list(fields_refused(refused)) == ["last_day"]


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"first_day": "2026-03-02", "last_day": "2026-03-01"}, "last_day"),
        ({"first_day": "2025-01-01", "last_day": "2026-01-02"}, "last_day"),
        ({"first_day": "1999-12-31"}, "first_day"),
        ({"last_day": "9999-12-31"}, "last_day"),
        ({"first_day": "yesterday"}, "first_day"),
        ({"limit": 0}, "limit"),
        ({"cursor": "W10"}, "cursor"),
        ({"camera_id": "x"}, "camera_id"),
    ],
)
async def test_bad_parameters_are_refused_by_name(viewer: Script, parameters: dict[str, object], field: str) -> None:
    assert list(fields_refused(await viewer.refused(422, "GET", "coverage/", params=parameters))) == [field]


async def test_more_cameras_and_days_cost_no_more_statements(admin: Script, camera: Any, services: Services) -> None:
    with counted_statements(services) as statements:
        await admin.get("coverage/", **DAY)
        of_one = len(statements)
        for _ in range(5):
            await admin.schedule(await admin.camera({"id": camera["site_id"]}))
        statements.clear()
        page = await admin.get("coverage/", first_day="2026-03-01", last_day="2026-03-31", limit=300)
    assert len(page["items"]) == 6 * 31
    assert len(statements) == of_one
