"""For whoever is limited to sites, no other site exists: not by id, in no list, and not as part of a change."""

import uuid
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from control_plane.cctv.app import create_app
from control_plane.errors import Invalid
from control_plane.events import COMMAND_LINE
from control_plane.models import Role
from control_plane.security.api_keys import create_api_key
from control_plane.security.scopes import FEATURES
from control_plane.services import Services
from tests.control_plane.cctv.scripts import BASE, Script, fields_refused
from tests.control_plane.cctv.test_roles import OPERATIONS, ids, interval

__all__ = ["ids"]

OWN = {"me/", "login/logout/", "login/revoke-all/"}
"""What anybody may who calls."""


async def key_of(
    services: Services, http: httpx.AsyncClient, name: str, *sites: Any, role: Role = Role.ADMIN, **limits: Any
) -> Script:
    """A script with a key for these sites only."""
    site_ids = [uuid.UUID(site["id"]) for site in sites] or None
    async with services.sessions.begin() as session:
        key = await create_api_key(session, name, role, actor=COMMAND_LINE, site_ids=site_ids, **limits)
    return Script(http, key.text)


async def test_every_operation_on_another_sites_objects_finds_nothing(
    ids: dict[str, Any], admin: Script, services: Services, http: httpx.AsyncClient
) -> None:
    stranger = await key_of(services, http, "stranger", await admin.site("Elsewhere"))
    async with services.engine.connect() as connection:
        before = await connection.scalar(text("SELECT count(*) FROM events"))
    for operation in OPERATIONS:
        path, body = operation.path.format(**ids), operation.body(ids) if operation.body else None
        parameters = {"from": "2026-03-01T12:00:00Z", "until": "2026-03-01T13:00:00Z"} if "export" in path else None
        answer = await stranger.call(operation.method, path, body, params=parameters)
        if operation.everywhere:
            assert answer.status_code == 403, (str(operation), answer.text)
        elif operation.path in OWN:
            assert answer.status_code == operation.status, (str(operation), answer.text)
        elif "{" in operation.path:
            assert answer.status_code == 404, (str(operation), answer.text)
        elif operation.path == "recordings/statistics/":
            assert answer.json()["recordings"] == 0
        elif operation.method == "GET" and operation.path not in {"sites/", "coverage/total/"}:
            assert answer.json()["items"] == [], str(operation)
        elif operation.method == "POST":
            expected = 404 if operation.path == "fetches/" else 422
            assert answer.status_code == expected, (str(operation), answer.text)
        for name, value in ids.items():
            assert name in operation.path or str(value) not in answer.text or str(value) in str(body), str(operation)
    assert [site["name"] for site in await stranger.all("sites/")] == ["Elsewhere"]
    async with services.engine.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM events")) == before, "nothing was changed"


async def test_at_ones_own_sites_nothing_is_different(
    ids: dict[str, Any], admin: Script, services: Services, http: httpx.AsyncClient
) -> None:
    own = await key_of(services, http, "own", {"id": ids["site"]}, {"id": ids["empty_site"]})
    for operation in OPERATIONS:
        path, body = operation.path.format(**ids), operation.body(ids) if operation.body else None
        answer = await own.call(operation.method, path, body)
        if operation.everywhere:
            assert answer.status_code == 403, "a new site belongs to nobody's sites, and a key to none"
        elif operation.path == "drills/{drill}/":
            assert answer.status_code == 404, "a drill of all cameras is about all sites"
        else:
            assert answer.status_code == operation.status, (str(operation), answer.text)


async def test_nothing_can_be_moved_to_or_built_on_another_site(
    admin: Script, services: Services, http: httpx.AsyncClient
) -> None:
    here, there = await admin.site("Here"), await admin.site("There")
    camera, far = await admin.camera(here), await admin.camera(there)
    client, schedule = await admin.client(here), await admin.schedule(camera)
    own = await key_of(services, http, "own", here)
    unknown = {"id": str(uuid.uuid4())}
    for site, other_camera in ((there, far), (unknown, unknown)):
        for path, change in (
            (f"cameras/{camera['id']}/", {"site_id": site["id"]}),
            (f"clients/{client['id']}/", {"site_id": site["id"]}),
            (f"clients/{client['id']}/", {"camera_ids": [other_camera["id"]]}),
            (f"schedules/{schedule['id']}/", {"camera_id": other_camera["id"]}),
        ):
            detail = await own.refused(422, "PATCH", path, change)
            assert list(fields_refused(detail)) == list(change)
    foreign = fields_refused(await own.refused(422, "PATCH", f"cameras/{camera['id']}/", {"site_id": there["id"]}))
    assert foreign == {"site_id": f"there is no site {there['id']}"}, "as for one that there is not"
    await own.refused(404, "POST", "fetches/", interval(far["id"]))
    assert (await own.all("cameras/", site_id=there["id"])) == []
    assert (await own.all("clients/", camera_id=far["id"])) == []
    # What is at one's own site may be moved and changed.
    assert (await own.change(f"clients/{client['id']}/", {"camera_ids": [camera["id"]]}))["camera_ids"] == [
        camera["id"]
    ]


async def test_a_scope_allows_its_feature_and_no_other(
    ids: dict[str, Any], services: Services, http: httpx.AsyncClient
) -> None:
    features = {
        f"{method.upper()} {path}": operation["tags"][-1]
        for path, item in create_app(services).openapi()["paths"].items()
        for method, operation in item.items()
    }
    named = {name: f"{{{name.removeprefix('empty_')}_id}}" for name in ids} | {"api_key": "{key_id}"}
    for scopes in ({"cameras:read"}, {"schedules:write"}, {"*:read"}, {"*:write"}, {"recordings:write", "drills:read"}):
        script = await key_of(services, http, " ".join(sorted(scopes)), scopes=scopes)
        for operation in OPERATIONS:
            feature = features[f"{operation.method} /{operation.path.format(**named)}"]
            # Bodies are left out: what is allowed fails at them, what is not before.
            answer = await script.call(operation.method, operation.path.format(**dict.fromkeys(ids, "none")))
            accesses = ("read", "write") if operation.method == "GET" else ("write",)
            allowed = any(f"{one}:{access}" in scopes for one in (feature, "*") for access in accesses)
            allowed = allowed or operation.path in OWN
            assert (answer.status_code != 403) is allowed, (scopes, str(operation), answer.text)
            if not allowed:
                assert answer.json() == {"detail": f"This key lacks the scope {feature}:{accesses[0]}."}


def test_every_operation_belongs_to_a_feature_that_a_scope_can_name(services: Services) -> None:
    document = create_app(services).openapi()
    tags = {operation["tags"][-1] for item in document["paths"].values() for operation in item.values()}
    assert tags - {"health", "login"} <= set(FEATURES)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"site_ids": []}, "1 to 1000 sites"),
        ({"site_ids": [uuid.UUID(int=7)]}, "there is no site 00000000-0000-0000-0000-000000000007"),
        ({"scopes": []}, "at least one"),
        ({"scopes": ["cameras:read", "cameras:destroy"]}, "there is no scope cameras:destroy"),
    ],
)
async def test_a_limit_that_limits_nothing_or_everything_is_refused(
    services: Services, limits: dict[str, Any], message: str
) -> None:
    async with services.sessions() as session:
        with pytest.raises(Invalid, match=message):
            await create_api_key(session, "odd", Role.VIEWER, actor=COMMAND_LINE, **limits)


async def test_a_key_whose_sites_were_deleted_sees_nothing(
    admin: Script, services: Services, http: httpx.AsyncClient
) -> None:
    gone = await admin.site("Gone")
    script = await key_of(services, http, "gone", gone)
    await admin.delete(f"sites/{gone['id']}/")
    await admin.camera(await admin.site("Other"))
    assert await script.all("sites/") == []
    assert await script.all("cameras/") == []


async def test_every_event_knows_its_site_also_of_what_is_gone(
    ids: dict[str, Any], admin: Script, services: Services
) -> None:
    for operation in OPERATIONS:
        if operation.method != "GET" and operation.path not in {"sites/", "sites/{empty_site}/"}:
            body = operation.body(ids) if operation.body else None
            await admin.http.request(
                operation.method,
                BASE + operation.path.format(**ids),
                json=body,
                headers={"Authorization": f"Bearer {admin.key}"},
            )
    async with services.engine.connect() as connection:
        found = (
            await connection.execute(
                text("SELECT kind, site_id FROM events WHERE site_id IS DISTINCT FROM :other"),
                {"other": ids["empty_site"]},
            )
        ).all()
    assert {"camera.deleted", "client.deleted", "schedule.deleted", "recording.held", "camera.fetch_asked"} <= {
        kind for kind, _ in found
    }
    wrong = {kind for kind, site_id in found if (site_id is None) is not kind.startswith("api_key.")}
    assert wrong == set()
    assert {site_id for _, site_id in found if site_id} == {uuid.UUID(ids["site"])}
