"""Keys over the API: an admin of all sites makes them, sees them by their first characters, and revokes them."""

import uuid
from datetime import UTC, datetime, timedelta

import httpx
from sqlalchemy import select

from control_plane.models import Event
from control_plane.services import Services
from tests.control_plane.cctv.scripts import Script, fields_refused
from tests.control_plane.cctv.test_other_sites import key_of
from tests.control_plane.cctv.test_secrets_and_history import everything_stored


async def test_a_key_is_made_used_shown_by_its_beginning_and_revoked(
    admin: Script, http: httpx.AsyncClient, services: Services
) -> None:
    site = await admin.site()
    ends = (datetime.now(UTC) + timedelta(days=30)).replace(microsecond=0)
    limits = {"site_ids": [site["id"]], "scopes": ["recordings:read", "cameras:read", "cameras:read"]}
    made = await admin.create("api-keys/", {"name": "wall", "expires_at": ends.isoformat(), **limits})
    assert made["role"] == "viewer", "the least, unless asked for"
    assert made["key"].startswith(made["prefix"])
    assert made["scopes"] == ["cameras:read", "recordings:read"]
    wall = Script(http, made.pop("key"))
    me = {"kind": "api_key", "name": "wall", "role": "viewer", "site_ids": [site["id"]], "scopes": made["scopes"]}
    assert await wall.get("me/") == me
    assert await wall.all("cameras/") == []
    shown = await admin.get(f"api-keys/{made['id']}/")
    assert datetime.fromisoformat(shown["expires_at"]) == ends
    assert shown == made | {"last_used_at": shown["last_used_at"]}
    assert shown["last_used_at"] is not None
    assert shown in await admin.all("api-keys/")
    assert [key["name"] for key in await admin.all("api-keys/", q="WAL")] == ["wall"]
    assert wall.key is not None
    assert not [body for body in admin.bodies[-3:] if wall.key in body]
    assert wall.key not in await everything_stored(services)

    for _ in range(2):
        assert (await admin.post(f"api-keys/{made['id']}/revoke/"))["revoked_at"] is not None
    await wall.refused(401, "GET", "me/")
    async with services.sessions() as session:
        query = select(Event).where(Event.subject_id == uuid.UUID(made["id"])).order_by(Event.occurred_at)
        events = list(await session.scalars(query))
    assert [(event.kind, event.actor, event.address) for event in events] == [
        ("api_key.created", "api_key:admin key", "192.0.2.7"),
        ("api_key.revoked", "api_key:admin key", "192.0.2.7"),
    ]
    assert events[0].detail["scopes"] == made["scopes"]
    await admin.refused(409, "POST", "api-keys/", {"name": "wall"})


async def test_a_key_that_makes_no_sense_is_refused_at_its_field(admin: Script) -> None:
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    for body, field in (
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"expires_at": past}, "expires_at"),
        ({"expires_at": "2027-01-01T00:00:00"}, "expires_at"),
        ({"role": "king"}, "role"),
        ({"site_ids": []}, "site_ids"),
        ({"site_ids": [str(uuid.UUID(int=9))]}, "site_ids"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["cameras:destroy"]}, "scopes.0"),
        ({"scope": ["cameras:read"]}, "scope"),
    ):
        detail = await admin.refused(422, "POST", "api-keys/", {"name": "odd"} | body)
        assert list(fields_refused(detail)) == [field]
    assert [key["name"] for key in await admin.all("api-keys/")] == ["admin key"]
    await admin.refused(404, "GET", f"api-keys/{uuid.uuid4()}/")
    await admin.refused(404, "POST", f"api-keys/{uuid.uuid4()}/revoke/")


async def test_a_key_makes_none_that_may_more_than_itself(
    admin: Script, services: Services, http: httpx.AsyncClient
) -> None:
    maker = await key_of(services, http, "maker", scopes=["api-keys:write", "cameras:read"])
    for number, (scopes, status) in enumerate(
        (
            (None, 403),
            (["*:read"], 403),
            (["cameras:write"], 403),
            (["cameras:read", "sites:read"], 403),
            (["cameras:read"], 201),
            (["api-keys:read", "cameras:read"], 201),
        )
    ):
        body = {"name": f"made {number}", "scopes": scopes, "role": "admin"}
        assert (await maker.call("POST", "api-keys/", body)).status_code == status, scopes
    limited = await key_of(services, http, "limited", await admin.site())
    assert "all sites" in await limited.refused(403, "POST", "api-keys/", {"name": "wide"})
    assert "all sites" in await limited.refused(403, "GET", "api-keys/")
