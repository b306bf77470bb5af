"""The preview beside a schedule's form, and a camera's coverage on its page."""

import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from sqlalchemy import func, select, update
from uuid_utils.compat import uuid7

from camfleet_contract.gaps import GapCause
from camfleet_contract.schedules import ScheduleRule
from camfleet_contract.zones import zone
from control_plane.console.admin import Console
from control_plane.fleet.previews import outlook
from control_plane.fleet.schedule_previews import Preview
from control_plane.models import Gap, Role, Schedule, Segment, SegmentState, Version
from control_plane.services import Services
from tests.console.conftest import Fleet
from tests.console.visitor import Visitor, text_of

LogIn = Callable[[Role], Awaitable[Visitor]]
PATH = "/schedule/preview"
FORM = {"name": "", "schedule_type": "daily", "start_time": "22:00", "end_time": "6:00", "is_active": "y"}


async def test_a_form_is_looked_at_and_not_saved(as_role: LogIn, fleet: Fleet, services: Services) -> None:
    operator = await as_role(Role.OPERATOR)
    shown = await operator.post(PATH, FORM | {"camera_id": str(fleet.camera_by_url)})
    assert shown.status_code == 200
    text = text_of(shown)
    assert "starts" in text
    assert "of Gate" in text
    assert "No active local recording client has this camera. Nothing will be recorded." in text
    same = await operator.post(f"{PATH}?schedule={fleet.schedule}", FORM | {"camera_id": str(fleet.camera)})
    assert "Saving this changes nothing" in text_of(same)
    off = {name: value for name, value in FORM.items() if name != "is_active"} | {"camera_id": str(fleet.camera)}
    stopped = text_of(await operator.post(f"{PATH}?schedule={fleet.schedule}", off))
    assert "stops" in stopped
    assert "and 9 more" in stopped or "and 10 more" in stopped
    async with services.sessions() as session:
        assert await session.scalar(select(func.count()).select_from(Schedule)) == 1


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "Camera: "),
        ({"camera_id": "{camera}", "start_time": ""}, "From: is needed"),
        ({"camera_id": "{camera}", "schedule_type": "weekly"}, "On: must name at least one day"),
        ({"camera_id": "{camera}", "start_date": "soon"}, "First day: "),
        ({"camera_id": str(uuid7())}, "Camera: there is no camera"),
    ],
)
async def test_a_form_that_is_not_complete_says_what_is_missing(
    admin: Visitor, fleet: Fleet, given: dict[str, str], told: str
) -> None:
    given = {name: str(fleet.camera) if value == "{camera}" else value for name, value in given.items()}
    shown = await admin.post(PATH, FORM | given)
    assert shown.status_code == 200
    assert f"Nothing to show yet. {told}" in text_of(shown)


async def test_only_who_may_save_a_schedule_may_preview_one(as_role: LogIn, visitor: Visitor, fleet: Fleet) -> None:
    form = FORM | {"camera_id": str(fleet.camera)}
    assert (await (await as_role(Role.VIEWER)).post(PATH, form)).status_code == 403
    assert (await visitor.post(PATH, form)).status_code == 303
    admin = await as_role(Role.ADMIN)
    assert (await admin.client.post(f"/admin{PATH}", data=form)).status_code == 403
    assert (await admin.get(PATH)).status_code in {404, 405}
    assert (await admin.post(f"{PATH}?schedule={uuid7()}", form)).status_code == 404


async def test_what_a_change_of_the_clock_does_is_marked(services: Services) -> None:
    berlin, now = zone("Europe/Berlin"), datetime(2026, 3, 20, 12, tzinfo=UTC)

    async def shown(start: str, end: str) -> str:
        rule = ScheduleRule.model_validate({"schedule_type": "daily", "start_time": start, "end_time": end})
        preview = Preview("Europe/Berlin", outlook(rule, berlin, now), [], [])
        template = Console(FastAPI(), services).templates.env.get_template("console/preview.html")
        return await template.render_async(preview=preview, now=now, effects=[])

    night = await shown("22:00:00", "06:00:00")
    assert night.count("data-longer-by") == 1
    assert 'data-longer-by="-3600"' in night
    assert "1 h shorter: the clock is put forward" in night
    assert "The clock is put forward on 2026-03-29, 02:00 to 03:00." in night
    assert "Nothing on 2026-03-29: the clock jumps over it." in await shown("02:00:00", "02:45:00")


async def test_a_cameras_page_says_what_became_of_its_week(as_role: LogIn, fleet: Fleet, services: Services) -> None:
    viewer = await as_role(Role.VIEWER)
    now = datetime.now(UTC)
    async with services.sessions.begin() as session:
        schedule = await session.get_one(Schedule, fleet.schedule)
        schedule.start_time = schedule.end_time = schedule.end_time.replace(hour=0)
    async with services.sessions.begin() as session:
        await session.execute(update(Version).where(Version.until.is_(None)).values(since=now - timedelta(days=30)))
        # Yesterday and the day before, whatever the hour is at the site.
        start = now - timedelta(hours=60)
        session.add_all(footage(fleet, start + timedelta(hours=n), SegmentState.STORED) for n in range(4))
        session.add(footage(fleet, start + timedelta(hours=4), SegmentState.OFFERED))
        session.add(
            Gap(
                camera_id=fleet.camera,
                started_at=start + timedelta(hours=5),
                id=uuid7(),
                ended_at=start + timedelta(hours=5, seconds=90),
                client_id=fleet.client,
                cause=GapCause.CAMERA_UNREACHABLE,
            )
        )
    page = await viewer.get(f"/camera/details/{fleet.camera}")
    text = text_of(page)
    assert page.text.count("data-day=") == 7
    assert "stored 4 h" in text
    assert "at the site only 1 h" in text
    assert "1 min 30 s camera unreachable" in text
    assert "24 h" in text or "1 d" in text


def footage(fleet: Fleet, start: datetime, state: SegmentState) -> Segment:
    return Segment(
        id=uuid7(),
        recording_id=uuid.uuid4(),
        camera_id=fleet.camera,
        client_id=fleet.client,
        started_at=start,
        ended_at=start + timedelta(hours=1),
        state=state,
        size_bytes=1,
        crc32c="yZRlqg==",
        sha256="9f" * 32,
        codec="h264",
        packets=1,
        object_name="x",
    )
