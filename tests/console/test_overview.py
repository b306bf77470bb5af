"""The overview: what it alarms about, and what it leaves in peace."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, update

from camfleet_contract.gaps import GapCause
from camfleet_contract.recordings import RecordingStatus
from control_plane.console.contacts import cameras_now
from control_plane.console.due import DueCameras, due_cameras
from control_plane.console.gaps import alarming, merged
from control_plane.models import Camera, Client, ClientCamera, ClientContact, Gap, Recording, Schedule, Site
from control_plane.services import Services
from tests.console.conftest import Fleet
from tests.console.visitor import Visitor, text_of

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def gap(start: float, length: float, cause: GapCause = GapCause.CAMERA_UNREACHABLE, camera: int = 1) -> Gap:
    begins = NOON + timedelta(seconds=start)
    return Gap(
        camera_id=uuid.UUID(int=camera),
        id=uuid.uuid4(),
        started_at=begins,
        ended_at=begins + timedelta(seconds=length),
        cause=cause,
        detail="",
    )


def test_gaps_a_few_seconds_apart_are_one() -> None:
    stretches = merged([gap(20, 3), gap(0, 4), gap(12, 2), gap(60, 1), gap(5, 1, camera=2)])
    assert [(one.start - NOON, one.length.total_seconds(), one.gaps) for one in stretches] == [
        (timedelta(0), 23, 3),
        (timedelta(seconds=60), 1, 1),
        (timedelta(seconds=5), 1, 1),
    ]


def test_gaps_of_different_causes_stay_apart() -> None:
    assert len(merged([gap(0, 4), gap(4, 4, GapCause.DISK_FULL)])) == 2


def test_a_gap_of_a_second_alarms_nobody_but_many_of_them_do() -> None:
    assert alarming([gap(0, 1), gap(100, 9.9)], 8) == []
    assert [one.length.total_seconds() for one in alarming([gap(n * 5, 1) for n in range(10)], 8)] == [46]
    assert [one.length.total_seconds() for one in alarming([gap(0, 11), gap(100, 12)], 1)] == [12]


@pytest.fixture
async def continuous(fleet: Fleet, services: Services) -> Fleet:
    """The fleet, whose camera is due all day since an hour ago."""
    async with services.sessions.begin() as session:
        ago = datetime.now(UTC) - timedelta(hours=1)
        await session.execute(update(Schedule).values(schedule_type="continuous", updated_at=ago))
        await session.execute(update(Camera).values(updated_at=ago))
    return fleet


async def contact(services: Services, fleet: Fleet, at: datetime, **heartbeat: Any) -> None:
    async with services.sessions.begin() as session:
        await session.merge(ClientContact(client_id=fleet.client, last_contact_at=at, heartbeat=heartbeat or None))


async def recording_of(services: Services, fleet: Fleet) -> None:
    async with services.sessions.begin() as session:
        session.add(
            Recording(
                id=uuid.uuid4(),
                client_id=fleet.client,
                camera_id=fleet.camera,
                name="Nights",
                status=RecordingStatus.RECORDING,
                started_at=datetime.now(UTC) - timedelta(minutes=10),
            )
        )


async def look(services: Services, now: datetime | None = None) -> DueCameras:
    async with services.sessions() as session:
        found = await due_cameras(session, now or datetime.now(UTC))
    assert found is not None
    return found


async def test_a_camera_that_is_due_is_missed_after_a_minute_and_not_before(fleet: Fleet, services: Services) -> None:
    opens = datetime(2027, 1, 10, 21, tzinfo=UTC)  # 22:00 in Berlin
    seen = [await look(services, opens + timedelta(seconds=after)) for after in (-1, 0, 59, 60)]
    assert [(found.count, list(found.missing)) for found in seen] == [
        (0, []),
        (1, []),
        (1, []),
        (1, [fleet.camera]),
    ]


async def test_an_edit_gives_the_recorder_a_minute(continuous: Fleet, services: Services) -> None:
    assert list((await look(services)).missing) == [continuous.camera]
    async with services.sessions.begin() as session:
        await session.execute(update(Camera).values(updated_at=datetime.now(UTC)))
    assert (await look(services)).missing == {}


async def test_midnight_is_no_grace_for_a_continuous_schedule(continuous: Fleet, services: Services) -> None:
    midnight = datetime(2027, 1, 10, 23, tzinfo=UTC)
    assert list((await look(services, midnight + timedelta(seconds=5))).missing) == [continuous.camera]


async def test_a_camera_that_records_is_not_missed(continuous: Fleet, services: Services) -> None:
    await contact(services, continuous, datetime.now(UTC))
    await recording_of(services, continuous)
    assert (await look(services)).missing == {}


@pytest.mark.parametrize("condition", ["unreachable", "stalled", "refused", "unsupported"])
async def test_an_open_recording_of_a_camera_that_is_not_there_is_no_footage(
    continuous: Fleet, services: Services, admin: Visitor, condition: str
) -> None:
    state = {"camera_id": str(continuous.camera), "condition": condition, "reason": "no route to host"}
    await contact(services, continuous, datetime.now(UTC), cameras=[state])
    await recording_of(services, continuous)
    assert list((await look(services)).missing) == [continuous.camera]
    page = text_of(await admin.get("/"))
    assert condition in page
    assert "0 cameras recording" in page
    await contact(services, continuous, datetime.now(UTC), cameras=[state | {"condition": "recording"}])
    assert (await look(services)).missing == {}
    assert "1 cameras recording" in text_of(await admin.get("/"))


async def test_a_camera_behind_a_silent_recorder_is_missed_and_says_why(
    continuous: Fleet, services: Services, admin: Visitor
) -> None:
    await contact(services, continuous, datetime.now(UTC) - timedelta(minutes=5))
    await recording_of(services, continuous)
    assert list((await look(services)).missing) == [continuous.camera]
    page = text_of(await admin.get("/"))
    assert "Yard Depot recorder offline" in page
    assert "0 cameras recording" in page


async def test_a_camera_that_nobody_records_is_missed_and_says_why(
    continuous: Fleet, services: Services, admin: Visitor
) -> None:
    async with services.sessions.begin() as session:
        await session.execute(delete(ClientCamera))
    assert list((await look(services)).missing) == [continuous.camera]
    assert "Yard Depot not assigned" in text_of(await admin.get("/"))


async def test_inactive_cameras_and_those_of_the_backend_are_never_due(continuous: Fleet, services: Services) -> None:
    for values in ({"is_active": False}, {"is_active": True, "recording_mode": "backend"}):
        async with services.sessions.begin() as session:
            await session.execute(update(Camera).values(**values))
        assert (await look(services)).count == 0


async def test_short_gaps_are_on_the_recordings_page_only(fleet: Fleet, services: Services, admin: Visitor) -> None:
    now = datetime.now(UTC)
    recording = uuid.uuid4()
    async with services.sessions.begin() as session:
        session.add(
            Recording(
                id=recording,
                client_id=fleet.client,
                camera_id=fleet.camera,
                name="Nights",
                status=RecordingStatus.RECORDING,
                started_at=now - timedelta(minutes=10),
            )
        )
        await session.flush()
        for ago, length in ((600, 1.5), (300, 2), (295, 2)):
            start = now - timedelta(seconds=ago)
            session.add(
                Gap(
                    camera_id=fleet.camera,
                    client_id=fleet.client,
                    recording_id=recording,
                    id=uuid.uuid4(),
                    started_at=start,
                    ended_at=start + timedelta(seconds=length),
                    cause=GapCause.CAMERA_UNREACHABLE,
                )
            )
    assert "camera unreachable" not in text_of(await admin.get("/"))
    page = text_of(await admin.get(f"/recording/details/{recording}"))
    assert "1.5 s camera unreachable" in page
    assert "7.0 s camera unreachable 2 gaps a few seconds apart" in page


async def test_what_a_recorder_says_is_wrong_is_seen_everywhere(
    fleet: Fleet, services: Services, admin: Visitor
) -> None:
    problem = {"code": "disk_full", "text": "The disk <is> full.", "since": "2026-03-01T19:42:10Z"}
    await contact(services, fleet, datetime.now(UTC), problems=[problem, {"code": "clock_wrong", "since": "x"}])
    for path in ("/", f"/client/details/{fleet.client}"):
        page = await admin.get(path)
        assert "The disk &lt;is&gt; full." in page.text
        assert "since 2026-03-01 20:42:10 CET" in text_of(page)
        assert "clock wrong" in text_of(page)
    assert "online, 2 problems" in text_of(await admin.get("/client/list"))
    await contact(services, fleet, datetime.now(UTC), problems=[])
    assert "What recorders say is wrong" not in text_of(await admin.get("/"))
    assert "problem" not in text_of(await admin.get("/client/list"))


async def test_an_empty_console_leads_through_the_first_steps(fleet: Fleet, services: Services, admin: Visitor) -> None:
    assert "First steps" not in text_of(await admin.get("/"))
    steps = ["site", "camera", "client", "schedule"]
    tables = [Site, Camera, Client, Schedule]
    for step, table in reversed(list(zip(steps, tables, strict=True))):
        async with services.sessions.begin() as session:
            await session.execute(delete(table))
        page = (await admin.get("/")).text
        assert f"/admin/{step}/create" in page
        assert [one for one in steps if f"/admin/{one}/create" in page] == [step]


async def test_many_cameras_are_asked_for_in_one_parameter(fleet: Fleet, services: Services) -> None:
    many = [uuid.uuid4() for _ in range(40_000)]
    async with services.sessions() as session:
        found = await cameras_now(session, [fleet.camera, *many])
    assert found[fleet.camera].clients == 1
    assert len(found) == 40_001
