"""Who may come in, kept in the console: limits of operators, keys of scripts, and sessions that are ended."""

import re
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from control_plane.models import ApiKey, Event, Operator, Role
from control_plane.services import Services
from tests.console.conftest import Fleet
from tests.console.test_forms import errors
from tests.console.visitor import PASSWORD, Visitor, path_of, text_of

LogIn = Callable[[Role], Awaitable[Visitor]]
NEW = {"username": "ben", "role": "operator", "password": PASSWORD, "is_active": "y"}


async def operator_named(services: Services, name: str) -> Operator:
    async with services.sessions() as session:
        return (await session.scalars(select(Operator).where(Operator.username == name))).one()


async def test_an_operators_sites_are_set_shown_and_taken_away(
    admin: Visitor, fleet: Fleet, services: Services
) -> None:
    page = path_of(await admin.post("/operator/create", NEW | {"site_ids": [str(fleet.site)]}))
    ben = await operator_named(services, "ben")
    assert ben.site_ids == [fleet.site], "sites that were chosen count, also without the switch"
    shown = await admin.get(page)
    assert "Depot" in text_of(shown)
    form = await admin.get(f"/operator/edit/{ben.id}")
    assert f'<option value="{fleet.site}" selected>Depot (Europe/Berlin)</option>' in form.text
    edit = {"role": "operator", "is_active": "y"}
    refused = await admin.post(f"/operator/edit/{ben.id}", edit | {"is_limited": "y"})
    assert "1 to 1000 sites" in errors(refused.text)["site_ids"]
    assert (await operator_named(services, "ben")).site_ids == [fleet.site], "an empty field widens nothing by itself"
    path_of(await admin.post(f"/operator/edit/{ben.id}", edit))
    assert (await operator_named(services, "ben")).site_ids is None
    async with services.sessions() as session:
        query = select(Event).where(Event.subject_id == ben.id).order_by(Event.occurred_at)
        created, changed = await session.scalars(query)
    assert created.detail["site_ids"] == [str(fleet.site)]
    assert changed.detail == {"site_ids": {"before": [str(fleet.site)], "after": None}}


async def test_the_last_admin_of_all_sites_stays_one(admin: Visitor, fleet: Fleet, services: Services) -> None:
    only = await operator_named(services, "admin")
    answer = await admin.post(
        f"/operator/edit/{only.id}", {"role": "admin", "is_active": "y", "site_ids": [str(fleet.site)]}
    )
    assert "only active admin who is not limited" in text_of(answer)
    assert (await operator_named(services, "admin")).site_ids is None


async def test_a_key_is_shown_once_and_opens_what_it_names(admin: Visitor, fleet: Fleet, services: Services) -> None:
    day = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
    form = {"name": "wall", "role": "viewer", "expires_on": day, "site_ids": [str(fleet.site)]}
    once = path_of(await admin.post("/api-key/create", form | {"scopes": ["cameras:read", "sites:read"]}))
    page = await admin.get(once)
    found = re.search(r'value="(cfk_[\w-]+)"', page.text)
    assert found
    key = found[1]
    assert page.headers["cache-control"] == "no-store"
    assert key not in (await admin.get(once)).text

    async def get(path: str) -> int:
        header = {"authorization": f"Bearer {key}"}
        return (await admin.client.get(f"/v0/api/cctv/{path}", headers=header)).status_code

    assert [await get("cameras/"), await get("recordings/"), await get(f"cameras/{fleet.camera}/")] == [200, 403, 200]
    async with services.sessions() as session:
        stored = (await session.scalars(select(ApiKey))).one()
    assert stored.expires_at is not None
    assert stored.expires_at.date().isoformat() == day
    details = await admin.get(f"/api-key/details/{stored.id}")
    for text in ("wall", "live", "viewer", "Depot", "cameras:read, sites:read", f"{key[:10]}…"):
        assert text in text_of(details), text
    assert key not in details.text
    assert "wall" in text_of(await admin.get("/api-key/list", state="live"))
    assert "wall" not in text_of(await admin.get("/api-key/list", state="over"))
    path_of(await admin.post(f"/api-key/{stored.id}/revoke"))
    assert await get("cameras/") == 401
    assert "revoked" in text_of(await admin.get("/api-key/list", state="over"))
    assert "Revoke the key" not in (await admin.get(f"/api-key/details/{stored.id}")).text


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"role": "king"}, "role"),
        ({"expires_on": "tomorrow"}, "expires_on"),
        ({"scopes": ["cameras:destroy"]}, "scopes"),
        ({"site_ids": ["x"]}, "site_ids"),
        ({"site_ids": [str(uuid.UUID(int=5))]}, "site_ids"),
        ({"is_limited": "y"}, "site_ids"),
    ],
)
async def test_a_key_that_makes_no_sense_is_refused_at_its_field(
    admin: Visitor, given: dict[str, object], field: str
) -> None:
    answer = await admin.post("/api-key/create", {"name": "odd", "role": "viewer"} | given)
    assert answer.status_code == 422
    assert list(errors(answer.text)) == [field]


async def test_keys_and_sessions_are_an_admins(as_role: LogIn, fleet: Fleet, services: Services) -> None:
    admin = await as_role(Role.ADMIN)
    path_of(await admin.post("/api-key/create", {"name": "wall", "role": "viewer"}))
    async with services.sessions() as session:
        key = (await session.scalars(select(ApiKey))).one()
    viewer = await operator_named(services, "viewer")
    for role in (Role.VIEWER, Role.OPERATOR):
        visitor = await as_role(role)
        for path in ("/api-key/list", f"/api-key/details/{key.id}", f"/api-key/{key.id}/once", "/api-key/create"):
            assert (await visitor.get(path)).status_code == 403, path
        for path in (f"/api-key/{key.id}/revoke", "/api-key/create", f"/operator/{viewer.id}/end-sessions"):
            assert (await visitor.post(path)).status_code == 403, path
        assert "API keys" not in text_of(await visitor.get("/"))
    assert (await admin.post(f"/api-key/{uuid.uuid4()}/revoke")).status_code == 404
    assert (await admin.post("/api-key/none/revoke")).status_code == 404
    assert (await admin.post(f"/operator/{uuid.uuid4()}/end-sessions")).status_code == 404
    for path in (f"/api-key/edit/{key.id}", f"/api-key/delete/{key.id}"):
        assert (await admin.post(path)).status_code in {403, 404}, path


async def test_the_audit_says_who_did_what_from_where_before_and_after(
    as_role: LogIn, fleet: Fleet, services: Services
) -> None:
    admin = await as_role(Role.ADMIN)
    path_of(await admin.post(f"/site/edit/{fleet.site}", {"name": "Harbour", "timezone": "Europe/Berlin"}))
    path_of(await admin.post("/operator/create", NEW))
    path_of(await admin.post("/api-key/create", {"name": "wall", "role": "viewer"}))
    everything = text_of(await admin.get("/event/list"))
    for told in ("site changed", "name: Depot → Harbour", "127.0.0.1", "operator created", "api key created", "login"):
        assert told in everything, told
    changed = text_of(await admin.get("/event/list", by="operator:", done="changed"))
    assert "Depot → Harbour" in changed
    assert "operator created" not in changed
    today = datetime.now(UTC).date()
    for parameters, shows in (
        ({"search": "127.0.0.1"}, True),
        ({"search": "192.0.2.1"}, False),
        ({"search": "operator:admin"}, True),
        ({"by": "api_key:"}, False),
        ({"by": "control-plane"}, False),
        ({"from": (today - timedelta(days=1)).isoformat()}, True),
        ({"from": (today + timedelta(days=2)).isoformat()}, False),
        ({"to": (today - timedelta(days=2)).isoformat()}, False),
    ):
        assert ("Depot → Harbour" in text_of(await admin.get("/event/list", **parameters))) is shows, parameters
    assert (await admin.get("/event/list", by="anybody")).status_code == 400
    viewer = text_of(await (await as_role(Role.VIEWER)).get("/event/list"))
    assert "Depot → Harbour" in viewer
    for hidden in ("operator created", "api key created", "login succeeded"):
        assert hidden not in viewer, hidden


async def test_sessions_are_ended_everywhere_by_oneself_or_by_an_admin(as_role: LogIn, services: Services) -> None:
    here, there = await as_role(Role.VIEWER), await as_role(Role.VIEWER)
    path_of(await here.post("/account/end-sessions"))
    assert (await here.get("/account")).status_code == 200
    assert (await there.get("/account")).status_code == 303
    admin = await as_role(Role.ADMIN)
    viewer = await operator_named(services, "viewer")
    path_of(await admin.post(f"/operator/{viewer.id}/end-sessions"))
    assert (await here.get("/account")).status_code == 303
    async with services.sessions() as session:
        query = select(Event.actor).where(Event.kind == "operator.sessions_ended").order_by(Event.occurred_at)
        assert list(await session.scalars(query)) == ["operator:viewer", "operator:admin"]
