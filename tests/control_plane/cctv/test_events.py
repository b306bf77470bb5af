"""`events/`: what was wrong, filtered and page by page."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update
from uuid_utils.compat import uuid7

from control_plane.models import ApiKey, Event, Role
from control_plane.services import Services
from tests.control_plane.cctv.scripts import Script
from tests.control_plane.local_client.statements import counted_statements

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
async def fleet(admin: Script) -> dict[str, Any]:
    """Two sites with a recorder and a camera each."""
    made: dict[str, Any] = {}
    for name in ("here", "there"):
        site = await admin.site(name)
        camera = await admin.camera(site, name=f"Camera {name}")
        made |= {name: site, f"camera {name}": camera, f"client {name}": await admin.client(site, camera)}
    return made


async def tell(services: Services, kind: str, subject: Any, hour: int, lasts: timedelta | None = None) -> None:
    began = NOON + hour * HOUR
    told = Event(
        id=uuid7(),
        subject_type="client" if kind.startswith("client.") else "camera",
        subject_id=uuid.UUID(subject["id"]),
        kind=kind,
        actor="control-plane",
        occurred_at=began,
        is_lasting=True,
        ended_at=lasts and began + lasts,
        detail={"name": subject["name"], "reason": "why"},
    )
    async with services.sessions.begin() as session:
        session.add(told)


async def tell_all(services: Services, fleet: dict[str, Any]) -> None:
    await tell(services, "camera.down", fleet["camera here"], 0)
    await tell(services, "camera.down", fleet["camera there"], 1, HOUR)
    await tell(services, "client.offline", fleet["client here"], 2, HOUR)
    await tell(services, "scene.covered", fleet["camera here"], 3)


async def test_an_event_says_what_was_wrong_since_when_and_where(
    services: Services, viewer: Script, fleet: dict[str, Any]
) -> None:
    await tell(services, "camera.down", fleet["camera here"], 0, HOUR)
    (event,) = await viewer.all("events/")
    assert uuid.UUID(event.pop("id")).version == 7
    assert event == {
        "kind": "camera.down",
        "subject_type": "camera",
        "subject_id": fleet["camera here"]["id"],
        "site_id": fleet["here"]["id"],
        "began_at": "2026-06-01T12:00:00Z",
        "ended_at": "2026-06-01T13:00:00Z",
        "detail": {"name": "Camera here", "reason": "why"},
    }


async def test_events_are_filtered_and_paged(services: Services, admin: Script, fleet: dict[str, Any]) -> None:
    await tell_all(services, fleet)

    async def hours(**asked: Any) -> list[int]:
        found = await admin.all("events/", limit=2, **asked)
        return [datetime.fromisoformat(event["began_at"]).hour - 12 for event in found]

    assert await hours() == [3, 2, 1, 0], "what began last first, and no change that somebody made"
    assert await hours(is_open=True) == [3, 0]
    assert await hours(is_open=False) == [2, 1]
    assert await hours(kind="camera.down") == [1, 0]
    assert await hours(kind="camera.down", is_open=True) == [0]
    assert await hours(site_id=fleet["here"]["id"]) == [3, 2, 0]
    assert await hours(camera_id=fleet["camera here"]["id"]) == [3, 0]
    assert await hours(client_id=fleet["client here"]["id"]) == [2]
    assert await hours(client_id=fleet["client here"]["id"], camera_id=fleet["camera here"]["id"]) == []
    assert await hours(began_after="2026-06-01T13:00:00Z", began_before="2026-06-01T15:00:00Z") == [2, 1]
    assert await hours(site_id=str(uuid.uuid4())) == []


async def test_another_sites_events_do_not_exist(services: Services, viewer: Script, fleet: dict[str, Any]) -> None:
    await tell_all(services, fleet)
    async with services.sessions.begin() as session:
        mine = update(ApiKey).where(ApiKey.role == Role.VIEWER).values(site_ids=[uuid.UUID(fleet["there"]["id"])])
        await session.execute(mine)
    assert [event["subject_id"] for event in await viewer.all("events/")] == [fleet["camera there"]["id"]]
    assert await viewer.all("events/", site_id=fleet["here"]["id"]) == []
    assert await viewer.all("events/", camera_id=fleet["camera here"]["id"]) == []


@pytest.mark.parametrize("kind", ["x", "camera.", "Camera.Down", "camera.down'", "a" * 70, "camera.down\0"])
async def test_a_kind_that_can_be_none_is_refused(viewer: Script, kind: str) -> None:
    await viewer.refused(422, "GET", "events/", params={"kind": kind})


async def test_a_page_is_one_statement_however_many_events(
    services: Services, admin: Script, fleet: dict[str, Any]
) -> None:
    await tell_all(services, fleet)
    with counted_statements(services.engine) as few:
        await admin.get("events/")
    for hour in range(4, 20):
        await tell(services, "camera.down", fleet["camera here"], hour)
    with counted_statements(services.engine) as many:
        await admin.get("events/")
    assert len(few) == len(many)
