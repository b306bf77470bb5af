"""An operator who is limited to sites: the console shows no other, and takes nothing for another."""

import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import httpx
import pytest_asyncio
from sqlalchemy import func, select
from uuid_utils.compat import uuid7

from camfleet_contract.recordings import RecordingStatus
from control_plane.events import COMMAND_LINE
from control_plane.fleet.sites import NewSite, create_site
from control_plane.models import Camera, Event, Operator, Recording, Role, Schedule
from control_plane.services import Services
from tests.console.conftest import Fleet
from tests.console.visitor import Visitor, path_of, text_of

LogIn = Callable[[Role], Awaitable[Visitor]]
NAMES = ("Depot", "Yard", "Gate", "Box 1", "Nights")


@pytest_asyncio.fixture
async def elsewhere(services: Services) -> uuid.UUID:
    """A site without anything, which is all that the limited operators see."""
    async with services.sessions.begin() as session:
        site = await create_site(session, NewSite(name="Elsewhere"), actor=COMMAND_LINE)
    return site.id


async def limit(services: Services, role: Role, *sites: uuid.UUID) -> None:
    async with services.sessions.begin() as session:
        operator = (await session.scalars(select(Operator).where(Operator.username == str(role)))).one()
        operator.site_ids = list(sites)


async def a_recording(services: Services, fleet: Fleet) -> uuid.UUID:
    recording = Recording(
        id=uuid7(),
        client_id=fleet.client,
        camera_id=fleet.camera,
        schedule_id=fleet.schedule,
        name="Night",
        status=RecordingStatus.COMPLETED,
        started_at=datetime.now(UTC),
    )
    async with services.sessions.begin() as session:
        session.add(recording)
    return recording.id


async def test_no_page_shows_another_site(
    as_role: LogIn, fleet: Fleet, elsewhere: uuid.UUID, services: Services
) -> None:
    recording = await a_recording(services, fleet)
    admin = await as_role(Role.ADMIN)
    await limit(services, Role.ADMIN, elsewhere)
    of_each = {
        "site": fleet.site,
        "client": fleet.client,
        "camera": fleet.camera,
        "schedule": fleet.schedule,
        "recording": recording,
    }
    for path in ("/", "/site/list", "/client/list", "/camera/list", "/schedule/list", "/recording/list", "/event/list"):
        page = await admin.get(path)
        assert page.status_code == 200, path
        assert not [name for name in (*NAMES, "Night") if f">{name}<" in page.text], path
    for identity, pk in of_each.items():
        assert (await admin.get(f"/{identity}/details/{pk}")).status_code == 404, identity
        if identity != "recording":
            assert (await admin.get(f"/{identity}/edit/{pk}")).status_code == 404, identity
            assert (await admin.post(f"/{identity}/edit/{pk}", {"name": "Mine"})).status_code == 404, identity
            assert (await admin.post(f"/{identity}/delete/{pk}")).status_code == 404, identity
        listed = text_of(await admin.get("/recording/list", **{identity: str(pk)} if identity != "recording" else {}))
        assert not [name for name in NAMES if f": {name}" in listed], "a filter's title tells no name"
    for path in (
        f"/client/{fleet.client}/rotate-token",
        f"/client/{fleet.client}/revoke-tokens",
        f"/recording/{recording}/hold",
        f"/recording/{recording}/release",
        f"/recording/{recording}/export",
        f"/recording/{recording}/fetch",
        f"/camera/{fleet.camera}/fetch",
    ):
        sent = await admin.post(path, {"from": "2026-03-01T10:00", "to": "2026-03-01T11:00"})
        assert sent.status_code == 404, path
    assert (await admin.get(f"/client/{fleet.client}/token")).status_code == 404


async def test_search_boxes_and_forms_offer_ones_own_sites(
    as_role: LogIn, fleet: Fleet, elsewhere: uuid.UUID, services: Services
) -> None:
    operator = await as_role(Role.OPERATOR)
    await limit(services, Role.OPERATOR, elsewhere)
    for identity, name in (("camera", "site_id"), ("schedule", "camera_id"), ("client", "camera_ids")):
        asked = {"name": name, "term": "", "site_id": str(fleet.site)}
        offered = (await operator.get(f"/{identity}/ajax/lookup", **asked)).json()["results"]
        expected = [str(elsewhere)] if identity == "camera" else []
        assert [one["id"] for one in offered] == expected, identity
    assert "Depot" not in text_of(await operator.get("/camera/create", site=str(fleet.site)))
    assert "Yard" not in text_of(await operator.get("/schedule/create", camera=str(fleet.camera)))
    camera = {"name": "Mine", "ip_address": "192.0.2.9", "port": "554", "rtsp_path": "/"}
    more = {
        "recording_mode": "local_client",
        "recorded_stream": "main",
        "camera_type": "rtsp",
        "record_quality": "high",
    }
    refused = await operator.post("/camera/create", camera | more | {"site_id": str(fleet.site)})
    assert refused.status_code == 422
    assert "There is no site" in text_of(refused)
    always = {"name": "Always", "schedule_type": "continuous", "segment_seconds": "60", "is_active": "y"}
    refused = await operator.post("/schedule/create", always | {"camera_id": str(fleet.camera)})
    assert refused.status_code == 422
    assert "There is no camera" in text_of(refused)
    own = path_of(await operator.post("/camera/create", camera | more | {"site_id": str(elsewhere)}))
    moved = await operator.post(own.replace("details", "edit"), camera | more | {"site_id": str(fleet.site)})
    assert moved.status_code == 422
    async with services.sessions() as session:
        sites = list(await session.scalars(select(Camera.site_id).where(Camera.name == "Mine")))
        assert sites == [elsewhere]
        assert await session.scalar(select(func.count(Schedule.id))) == 1


async def test_what_belongs_to_no_site_is_for_admins_without_a_limit(
    as_role: LogIn, fleet: Fleet, services: Services
) -> None:
    admin = await as_role(Role.ADMIN)
    await limit(services, Role.ADMIN, fleet.site)
    assert (await admin.get("/operator/list")).status_code == 403
    assert (await admin.get("/site/create")).status_code == 403
    assert (await admin.post("/operator/create", {"username": "eve"})).status_code == 403
    overview = await admin.get("/")
    assert 'id="last-drill"' not in overview.text
    assert "Operators" not in text_of(overview)
    events = text_of(await admin.get("/event/list"))
    assert "camera created" in events
    assert "login succeeded" not in events
    assert path_of(await admin.post(f"/client/{fleet.client}/rotate-token")) == f"/client/{fleet.client}/token"
    async with services.sessions() as session:
        newest = await session.scalar(select(Event.actor).where(Event.kind == "client.token_rotated"))
    assert newest == "operator:admin"


async def test_a_limit_counts_from_the_next_page_on(as_role: LogIn, fleet: Fleet, services: Services) -> None:
    viewer = await as_role(Role.VIEWER)
    page: httpx.Response = await viewer.get(f"/camera/details/{fleet.camera}")
    assert page.status_code == 200
    await limit(services, Role.VIEWER)
    assert (await viewer.get(f"/camera/details/{fleet.camera}")).status_code == 404
    assert ">Depot<" not in (await viewer.get("/site/list")).text
