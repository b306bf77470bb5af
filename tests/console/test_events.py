"""What is wrong with the fleet: on the overview, and in the list of events."""

import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from uuid_utils.compat import uuid7

from control_plane.events import COMMAND_LINE
from control_plane.fleet.sites import NewSite, create_site
from control_plane.models import Event, Operator, Role
from control_plane.services import Services
from tests.console.conftest import Fleet
from tests.console.visitor import Visitor, text_of

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


async def event(
    services: Services, kind: str, subject: uuid.UUID, *, ended_at: datetime | None = None, **detail: Any
) -> None:
    async with services.sessions.begin() as session:
        session.add(
            Event(
                id=uuid7(),
                subject_type="client" if kind.startswith("client.") else "camera",
                subject_id=subject,
                kind=kind,
                actor="control-plane",
                occurred_at=NOON,
                is_lasting=True,
                ended_at=ended_at,
                detail=detail,
            )
        )


@pytest.fixture
async def troubled(fleet: Fleet, services: Services) -> Fleet:
    """Its camera is down, and its recorder was offline for an hour."""
    reason = "no route to <host>"
    await event(services, "camera.down", fleet.camera, name="Yard", condition="unreachable", reason=reason)
    await event(services, "client.offline", fleet.client, ended_at=NOON + timedelta(hours=1), name="Box 1")
    return fleet


async def test_the_list_says_what_was_wrong_since_when_and_why(admin: Visitor, troubled: Fleet) -> None:
    page = await admin.get("/trouble/list")
    assert "camera down Yard unreachable: no route to" in text_of(page)
    assert "no route to &lt;host&gt;" in page.text
    assert "1 h recorder offline Box 1" in text_of(page)
    assert "camera created" not in text_of(page), "changes are in the audit"
    assert f"/admin/camera/details/{troubled.camera}" in page.text
    audit = text_of(await admin.get("/event/list"))
    assert "camera created" in audit


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ({"state": "open"}, ["Yard"]),
        ({"state": "over"}, ["Box 1"]),
        ({"kind": "client.offline"}, ["Box 1"]),
        ({"kind": "client.disk"}, []),
        ({"site": "own"}, ["Box 1", "Yard"]),
        ({"site": "other"}, []),
        ({"subject": "camera"}, ["Yard"]),
        ({"search": "yar"}, ["Yard"]),
        ({"search": "%"}, []),
    ],
)
async def test_the_list_is_filtered(
    admin: Visitor, troubled: Fleet, services: Services, asked: dict[str, str], shown: list[str]
) -> None:
    async with services.sessions.begin() as session:
        other = await create_site(session, NewSite(name="Elsewhere"), actor=COMMAND_LINE)
    ids = {"own": troubled.site, "other": other.id, "camera": troubled.camera}
    page = await admin.get("/trouble/list", **{name: str(ids.get(value, value)) for name, value in asked.items()})
    assert page.status_code == 200, page.text
    assert [name for name in ("Box 1", "Yard") if f">{name}</a>" in page.text] == shown


@pytest.mark.parametrize("query", ["kind=x", "site=x", "subject=x", "state=x", "older=x"])
async def test_no_parameter_breaks_the_list(admin: Visitor, troubled: Fleet, query: str) -> None:
    assert (await admin.client.get(f"/admin/trouble/list?{query}")).status_code == 400


async def test_the_overview_shows_what_goes_on(admin: Visitor, troubled: Fleet, services: Services) -> None:
    page = text_of(await admin.get("/"))
    assert "What is wrong now 1 open" in page
    assert "Yard camera down unreachable: no route to" in page
    assert "recorder offline" not in page
    async with services.sessions.begin() as session:
        down = (await session.scalars(select(Event).where(Event.kind == "camera.down"))).one()
        down.ended_at = NOON + timedelta(minutes=5)
    assert "What is wrong now" not in text_of(await admin.get("/"))


async def test_each_kind_says_what_it_means(admin: Visitor, fleet: Fleet, services: Services) -> None:
    loss = {"loss_at": "2026-06-03T04:12:00Z", "rule": "disk"}
    told: dict[str, dict[str, Any]] = {
        "client.disk": {"reason": "mount the disk"},
        "client.clock": {"reason": "check NTP"},
        "client.version": {"recorder": "0.0.9", "control_plane": "0.1.0", "reason": "upgrade the recorder"},
        "client.backlog": {"segments": 20, "bytes": 90_000_000},
        "client.footage_at_risk": loss | {"needed_bytes_per_second": 612_000},
        "camera.not_recording": {"reason": "its recorder has never called"},
        "scene.covered": {"seen": {"keyframe_bytes": 4120}, "usual": {"keyframe_bytes": 96_400}},
        "scene.of_a_newer_recorder": {},
    }
    for kind, detail in told.items():
        await event(services, kind, fleet.client if kind.startswith("client") else fleet.camera, name="It", **detail)
    page = text_of(await admin.get("/trouble/list"))
    for line in (
        "recorder's disk It mount the disk",
        "recorder's clock It check NTP",
        "recorder's version It 0.0.9, the control plane 0.1.0: upgrade the recorder",
        "backlog grows It 20 segments wait, 90.0 MB",
        "footage at risk It the first is lost at 2026-06-03 04:12 UTC; 4.9 Mbit/s of uplink would save it",
        "due, but not recording It its recorder has never called",
        "covered or dark It keyframe 4.1 kB; usually keyframe 96.4 kB",
        "of a newer recorder It",
    ):
        assert line in page


async def test_another_sites_events_do_not_exist(
    as_role: Callable[[Role], Awaitable[Visitor]], troubled: Fleet, services: Services
) -> None:
    async with services.sessions.begin() as session:
        other = await create_site(session, NewSite(name="Elsewhere"), actor=COMMAND_LINE)
        viewer = (await session.scalars(select(Operator).where(Operator.role == Role.VIEWER))).one()
        viewer.site_ids = [other.id]
    visitor = await as_role(Role.VIEWER)
    queries: list[dict[str, str]] = [
        {},
        {"site": str(troubled.site)},
        {"subject": str(troubled.camera)},
        {"search": "Yard"},
    ]
    for query in queries:
        page = text_of(await visitor.get("/trouble/list", **query))
        assert "camera down Yard" not in page
        assert "Depot" not in page
    assert "What is wrong now" not in text_of(await visitor.get("/"))
