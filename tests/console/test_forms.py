"""What the forms save, and what they refuse next to which field."""

import re
from typing import Any

import pytest
from sqlalchemy import event, select

from control_plane.fleet.cameras import camera_stream_url, find_camera
from control_plane.models import Camera, ClientCamera, Event, Operator, Schedule
from control_plane.security.principals import UNLIMITED
from control_plane.services import Services
from tests.console.conftest import CAMERA_PASSWORD, URL_PASSWORD, Fleet
from tests.console.test_pages import record
from tests.console.visitor import PASSWORD, Visitor, path_of, text_of

CAMERA: dict[str, Any] = {
    "name": "Yard",
    "ip_address": "192.0.2.7",
    "port": "554",
    "username": "viewer",
    "rtsp_path": "/s1",
    "recording_mode": "local_client",
    "camera_type": "rtsp",
    "record_quality": "medium",
    "is_active": "y",
}
SCHEDULE: dict[str, Any] = {
    "name": "Nights",
    "schedule_type": "daily",
    "start_time": "22:00",
    "end_time": "06:00",
    "segment_seconds": "60",
    "is_active": "y",
}


def errors(page: str) -> dict[str, str]:
    """What stands next to which field."""
    return dict(re.findall(r'<div id="(\w+)-error"><div class="invalid-feedback d-block">([^<]+)', page))


async def url_of(services: Services, camera: Any) -> str:
    async with services.sessions() as session:
        return camera_stream_url(await find_camera(session, camera, seen_by=UNLIMITED), services.secrets)


async def test_an_empty_password_keeps_the_stored_one(admin: Visitor, fleet: Fleet, services: Services) -> None:
    form = CAMERA | {"site_id": str(fleet.site), "name": "Yard 2", "password": ""}
    path_of(await admin.post(f"/camera/edit/{fleet.camera}", form))
    assert await url_of(services, fleet.camera) == f"rtsp://viewer:{CAMERA_PASSWORD}@192.0.2.7:554/s1"
    path_of(await admin.post(f"/camera/edit/{fleet.camera}", form | {"password": "another"}))
    assert "another" in await url_of(services, fleet.camera)
    path_of(await admin.post(f"/camera/edit/{fleet.camera}", form | {"username": "", "clear_password": "y"}))
    assert await url_of(services, fleet.camera) == "rtsp://192.0.2.7:554/s1"


async def test_a_whole_url_stays_until_it_is_replaced(admin: Visitor, fleet: Fleet, services: Services) -> None:
    form = CAMERA | {"site_id": str(fleet.site), "name": "Gate", "username": "", "rtsp_url": ""}
    path_of(await admin.post(f"/camera/edit/{fleet.camera_by_url}", form))
    assert URL_PASSWORD in await url_of(services, fleet.camera_by_url)
    page = await admin.get(f"/camera/edit/{fleet.camera_by_url}")
    assert "rtsp://user:***@192.0.2.8:554/s1" in page.text
    path_of(await admin.post(f"/camera/edit/{fleet.camera_by_url}", form | {"clear_rtsp_url": "y"}))
    assert await url_of(services, fleet.camera_by_url) == "rtsp://192.0.2.7:554/s1"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"name": "x" * 300}, "name"),
        ({"site_id": ""}, "site_id"),
        ({"site_id": "not-an-id"}, "site_id"),
        ({"site_id": "00000000-0000-0000-0000-000000000000"}, "site_id"),
        ({"ip_address": ""}, "ip_address"),
        ({"ip_address": "192.168.1.300"}, "ip_address"),
        ({"port": "0"}, "port"),
        ({"port": "x"}, "port"),
        ({"port": "9" * 30}, "port"),
        ({"rtsp_path": "/a b"}, "rtsp_path"),
        ({"rtsp_url": "file:///etc/passwd"}, "rtsp_url"),
        ({"recording_mode": "sideways"}, "recording_mode"),
    ],
)
async def test_a_camera_that_makes_no_sense_is_refused_next_to_the_field(
    admin: Visitor, fleet: Fleet, wrong: dict[str, str], field: str
) -> None:
    answer = await admin.post("/camera/create", CAMERA | {"site_id": str(fleet.site)} | wrong)
    assert answer.status_code == 422
    assert field in errors(answer.text), text_of(answer)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"camera_id": ""}, "camera_id"),
        ({"start_time": ""}, "start_time"),
        ({"start_time": "25:00"}, "start_time"),
        ({"end_time": "22:00:00"}, "end_time"),
        ({"schedule_type": "weekly"}, "days_of_week"),
        ({"schedule_type": "once"}, "start_date"),
        ({"start_date": "2026-03-02", "end_date": "2026-03-01"}, "end_date"),
        ({"start_date": "0001-01-01"}, "start_date"),
        ({"start_date": "tomorrow"}, "start_date"),
        ({"days_of_week": ["monday"]}, "days_of_week"),
        ({"days_of_week": ["someday"]}, "days_of_week"),
        ({"segment_seconds": "0"}, "segment_seconds"),
    ],
)
async def test_a_schedule_that_makes_no_sense_is_refused_next_to_the_field(
    admin: Visitor, fleet: Fleet, wrong: dict[str, Any], field: str
) -> None:
    answer = await admin.post("/schedule/create", SCHEDULE | {"camera_id": str(fleet.camera)} | wrong)
    assert answer.status_code == 422
    assert field in errors(answer.text), text_of(answer)


async def test_a_schedule_is_saved_as_it_was_meant(admin: Visitor, fleet: Fleet, services: Services) -> None:
    form = SCHEDULE | {
        "name": "Weekend",
        "camera_id": str(fleet.camera),
        "schedule_type": "weekly",
        "days_of_week": ["saturday", "sunday"],
        "end_date": "2030-01-01",
    }
    made_at = path_of(await admin.post("/schedule/create", form))
    page = text_of(await admin.get(made_at))
    assert "Sat, Sun 22:00:00–06:00:00 (next day), until 2030-01-01" in page
    assert "CE" in page
    form |= {"schedule_type": "continuous", "days_of_week": [], "start_time": "", "end_time": "", "end_date": ""}
    path_of(await admin.post(f"/schedule/edit/{made_at.rsplit('/', 1)[1]}", form))
    async with services.sessions() as session:
        saved = await session.scalar(select(Schedule).where(Schedule.name == "Weekend"))
    assert saved is not None
    assert (saved.schedule_type, saved.days_of_week, saved.end_date) == ("continuous", [], None)


async def test_only_cameras_of_its_site_go_to_a_client(admin: Visitor, fleet: Fleet, services: Services) -> None:
    other = path_of(await admin.post("/site/create", {"name": "Other", "timezone": "UTC"})).rsplit("/", 1)[1]
    form = {"name": "Box 2", "site_id": other, "camera_ids": [str(fleet.camera)], "is_active": "y"}
    answer = await admin.post("/client/create", form)
    assert "cameras of the client's site" in errors(answer.text)["camera_ids"].replace("&#39;", "'")
    assert "Yard" in answer.text
    path_of(await admin.post("/client/create", form | {"camera_ids": []}))
    lookup = await admin.get("/client/ajax/lookup", name="camera_ids", term="", site_id=other)
    assert lookup.json() == {"results": []}


async def test_an_assignment_can_be_taken_back(admin: Visitor, fleet: Fleet, services: Services) -> None:
    form = {"name": "Box 1", "site_id": str(fleet.site), "is_active": "y"}
    path_of(await admin.post(f"/client/edit/{fleet.client}", form))
    async with services.sessions() as session:
        assert (await session.scalars(select(ClientCamera))).all() == []


async def test_an_operator_is_made_and_logs_in(admin: Visitor, visitor: Visitor, services: Services) -> None:
    form = {"username": "eve", "role": "viewer", "password": "short", "is_active": "y"}
    assert "at least 10" in errors((await admin.post("/operator/create", form)).text)["password"]
    path_of(await admin.post("/operator/create", form | {"password": PASSWORD}))
    assert (await visitor.log_in("eve")).status_code == 303
    async with services.sessions() as session:
        eve = await session.scalar(select(Operator).where(Operator.username == "eve"))
    assert eve is not None
    assert eve.password_hash.startswith("$argon2id$")
    path_of(
        await admin.post(f"/operator/edit/{eve.id}", {"role": "viewer", "is_active": "y", "password": PASSWORD * 2})
    )
    assert (await visitor.get("/")).status_code == 303


async def test_every_change_is_in_the_events_without_a_secret(admin: Visitor, fleet: Fleet, services: Services) -> None:
    form = CAMERA | {"site_id": str(fleet.site), "name": "Renamed", "password": "brand-new-password"}
    path_of(await admin.post(f"/camera/edit/{fleet.camera}", form))
    async with services.sessions() as session:
        changed = await session.scalar(select(Event).where(Event.kind == "camera.changed"))
        details = [str(detail) for detail in await session.scalars(select(Event.detail))]
    assert changed is not None
    assert changed.actor == "operator:admin"
    assert changed.detail["name"] == {"before": "Yard", "after": "Renamed"}
    assert not any("brand-new-password" in detail or CAMERA_PASSWORD in detail for detail in details)
    page = await admin.get("/event/list")
    assert "Yard → Renamed" in text_of(page)


async def test_no_secret_is_logged(admin: Visitor, fleet: Fleet, capfd: pytest.CaptureFixture[str]) -> None:
    form = CAMERA | {"site_id": str(fleet.site), "password": "brand-new-password", "port": "x"}
    await admin.post(f"/camera/edit/{fleet.camera}", form)
    await admin.post(f"/camera/edit/{fleet.camera}", form | {"port": "1"})
    shown = await admin.get(path_of(await admin.post(f"/client/{fleet.client}/rotate-token")))
    token = re.search(r"cfr_[\w-]{40,}", shown.text)
    assert token
    logged = "".join(capfd.readouterr())
    for secret in ("brand-new-password", PASSWORD, token[0], CAMERA_PASSWORD):
        assert secret not in logged


@pytest.mark.parametrize("identity", ["client", "camera", "schedule", "site", "recording"])
async def test_more_rows_cost_no_more_queries(admin: Visitor, fleet: Fleet, services: Services, identity: str) -> None:
    statements: list[str] = []

    def listen(*arguments: Any) -> None:
        statements.append(str(arguments[2]))

    async def queries() -> int:
        statements.clear()
        assert (await admin.get(f"/{identity}/list")).status_code == 200
        return len(statements)

    await record(services, fleet)
    event.listen(services.engine.sync_engine, "before_cursor_execute", listen)
    try:
        few = await queries()
        for number in range(5):
            made = await admin.post("/site/create", {"name": f"Site {number}", "timezone": "UTC"})
            site = path_of(made).rsplit("/", 1)[1]
            camera = await admin.post("/camera/create", CAMERA | {"name": f"Camera {number}", "site_id": site})
            camera_id = path_of(camera).rsplit("/", 1)[1]
            path_of(await admin.post("/schedule/create", SCHEDULE | {"camera_id": camera_id}))
            path_of(await admin.post("/client/create", {"name": "Box", "site_id": site, "camera_ids": [camera_id]}))
            await record(services, fleet)
        assert await queries() == few
    finally:
        event.remove(services.engine.sync_engine, "before_cursor_execute", listen)


async def test_a_camera_with_schedules_is_deleted_with_them(admin: Visitor, fleet: Fleet, services: Services) -> None:
    assert path_of(await admin.post(f"/camera/delete/{fleet.camera}")) == "/camera/list"
    async with services.sessions() as session:
        assert await session.get(Camera, fleet.camera) is None
        assert await session.get(Schedule, fleet.schedule) is None


async def test_a_camera_with_recordings_says_why_it_stays(admin: Visitor, fleet: Fleet, services: Services) -> None:
    await record(services, fleet)
    page = text_of(await admin.get(path_of(await admin.post(f"/camera/delete/{fleet.camera}"))))
    assert "has recordings" in page


async def test_how_a_camera_is_read_is_chosen_shown_and_kept(admin: Visitor, fleet: Fleet, services: Services) -> None:
    path = f"/camera/edit/{fleet.camera}"
    chosen = {"rtsp_transport": "udp", "recorded_stream": "sub"}
    form = CAMERA | {"site_id": str(fleet.site)} | chosen
    assert list(errors((await admin.post(path, form)).text)) == ["recorded_stream"]
    path_of(await admin.post(path, form | {"rtsp_url_sub": "rtsp://192.0.2.7:554/s2"}))

    async with services.sessions() as session:
        camera = await find_camera(session, fleet.camera, seen_by=UNLIMITED)
    assert (camera.rtsp_transport, camera.recorded_stream) == ("udp", "sub")
    shown = text_of(await admin.get(f"/camera/details/{fleet.camera}"))
    assert "UDP" in shown
    assert "The second stream" in shown
    page = (await admin.get(path)).text
    for value in chosen.values():
        assert re.search(rf'<option selected value="{value}">', page)

    path_of(
        await admin.post(path, CAMERA | {"site_id": str(fleet.site), "rtsp_transport": "", "recorded_stream": "main"})
    )
    async with services.sessions() as session:
        camera = await find_camera(session, fleet.camera, seen_by=UNLIMITED)
    assert (camera.rtsp_transport, camera.recorded_stream) == (None, "main")
