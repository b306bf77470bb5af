"""Every operation with every kind of key: who may, who may not, and who is nobody."""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx
import pytest
from sqlalchemy import text
from uuid_utils.compat import uuid7

from control_plane.cctv.app import create_app
from control_plane.events import COMMAND_LINE
from control_plane.fleet.clients import create_client
from control_plane.fleet.sites import site_named
from control_plane.models import ClientContact, Drill, Role
from control_plane.security.api_keys import create_api_key, revoke_api_key
from control_plane.services import Services
from tests.control_plane.cctv.footage import Footage
from tests.control_plane.cctv.scripts import BASE, Script

VIEWER, OPERATOR, ADMIN = Role


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    """With `{site}`, `{client}`... for the ids of what there is; `{empty_site}`... may be deleted."""
    needs: Role
    body: Callable[[dict[str, Any]], object] | None = None
    status: int = 200
    everywhere: bool = False
    """Belongs to no site: who is limited to some may not."""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def interval(camera_id: str) -> dict[str, str]:
    return {"camera_id": camera_id, "start": "2026-03-01T12:00:00Z", "end": "2026-03-01T12:15:00Z"}


OPERATIONS = [
    *(Operation("GET", f"{kind}s/", VIEWER) for kind in ("site", "client", "camera", "schedule", "recording")),
    *(Operation("GET", f"{kind}s/{{{kind}}}/", VIEWER) for kind in ("site", "client", "camera", "schedule")),
    Operation("GET", "recordings/{recording}/", VIEWER),
    Operation("GET", "recordings/{recording}/segments/", VIEWER),
    Operation("GET", "recordings/statistics/", VIEWER),
    Operation("POST", "recordings/{recording}/play/", VIEWER),
    Operation("POST", "recordings/{recording}/download/", OPERATOR),
    Operation("GET", "gaps/", VIEWER),
    Operation("POST", "recordings/{recording}/hold/", OPERATOR),
    Operation("POST", "cameras/{camera}/export/", OPERATOR, status=422),  # allowed, but no interval is given
    Operation("POST", "recordings/{recording}/release/", OPERATOR),
    Operation("GET", "fetches/", VIEWER),
    Operation("GET", "fetches/{fetch}/", VIEWER),
    Operation("GET", "commands/", VIEWER),
    Operation("GET", "commands/{command}/", VIEWER),
    Operation("GET", "commands/{command}/image/", VIEWER, status=404),  # allowed, but there is none
    Operation("POST", "cameras/{camera}/test/", OPERATOR, status=202),
    Operation("POST", "cameras/{camera}/snapshot/", OPERATOR, status=202),
    Operation("POST", "cameras/{camera}/stop/", OPERATOR, status=202),
    Operation("POST", "cameras/{camera}/record/", OPERATOR, lambda _: {"minutes": 15}, 202),
    Operation("POST", "clients/{client}/restart/", ADMIN, status=202),
    Operation("GET", "coverage/", VIEWER),
    Operation("GET", "coverage/total/", VIEWER),
    Operation("GET", "drills/", VIEWER),
    Operation("GET", "events/", VIEWER),
    Operation("GET", "drills/{drill}/", VIEWER),
    Operation("POST", "fetches/", OPERATOR, lambda a: interval(a["camera"]), 201),
    Operation("POST", "fetches/{fetch}/cancel/", OPERATOR),
    Operation("POST", "recordings/{recording}/fetch/", OPERATOR),
    Operation(
        "POST", "cameras/", OPERATOR, lambda a: {"name": "N", "site_id": a["site"], "ip_address": "10.0.0.9"}, 201
    ),
    Operation("PATCH", "cameras/{camera}/", OPERATOR, lambda a: {"name": "Other"}),
    Operation("DELETE", "cameras/{empty_camera}/", OPERATOR, status=204),
    Operation(
        "POST",
        "schedules/",
        OPERATOR,
        lambda a: {"name": "N", "camera_id": a["camera"], "schedule_type": "continuous"},
        201,
    ),
    Operation(
        "POST", "schedules/preview/", VIEWER, lambda a: {"camera_id": a["camera"], "schedule_type": "continuous"}
    ),
    Operation("GET", "schedules/{schedule}/preview/", VIEWER),
    Operation("GET", "schedules/{schedule}/status/", VIEWER),
    Operation("POST", "schedules/{schedule}/activate/", OPERATOR),
    Operation("POST", "schedules/{schedule}/deactivate/", OPERATOR),
    Operation("PATCH", "schedules/{schedule}/", OPERATOR, lambda a: {"name": "Other"}),
    Operation("DELETE", "schedules/{schedule}/", OPERATOR, status=204),
    Operation("PATCH", "clients/{client}/", OPERATOR, lambda a: {"camera_ids": []}),
    Operation("POST", "clients/", ADMIN, lambda a: {"name": "N", "site_id": a["site"]}, 201),
    Operation("DELETE", "clients/{empty_client}/", ADMIN, status=204),
    Operation("POST", "clients/{client}/rotate-token/", ADMIN),
    Operation("POST", "clients/{client}/revoke-tokens/", ADMIN),
    Operation("POST", "sites/", ADMIN, lambda a: {"name": "New"}, 201, everywhere=True),
    Operation("PATCH", "sites/{site}/", ADMIN, lambda a: {"name": "Other"}),
    Operation("DELETE", "sites/{empty_site}/", ADMIN, status=204),
    Operation("GET", "me/", VIEWER),
    Operation("POST", "login/logout/", VIEWER, status=409),  # a key has no login
    Operation("POST", "login/revoke-all/", VIEWER, status=409),
    Operation("GET", "api-keys/", ADMIN, everywhere=True),
    Operation("POST", "api-keys/", ADMIN, lambda a: {"name": "another"}, 201, everywhere=True),
    Operation("GET", "api-keys/{api_key}/", ADMIN, everywhere=True),
    Operation("POST", "api-keys/{api_key}/revoke/", ADMIN, everywhere=True),
]
WITHOUT_A_KEY = {"GET /health", "POST /login/", "POST /login/refresh/"}


@pytest.fixture
async def ids(admin: Script, services: Services) -> dict[str, Any]:
    site, empty_site = await admin.site("Harbour"), await admin.site("Mill")
    camera, empty_camera = await admin.camera(site), await admin.camera(site)
    client, empty_client = await admin.client(site, camera), await admin.client(site)
    schedule = await admin.schedule(camera)
    recording = await Footage(services).recording(client, camera)
    made = {
        "site": site,
        "empty_site": empty_site,
        "camera": camera,
        "empty_camera": empty_camera,
        "client": client,
        "empty_client": empty_client,
        "schedule": schedule,
    }
    (fetch,) = await admin.create("fetches/", interval(camera["id"]))
    async with services.sessions.begin() as session:
        session.add(ClientContact(client_id=uuid.UUID(client["id"]), last_contact_at=datetime.now(UTC)))
    command = await admin.ask(f"cameras/{camera['id']}/test/")
    given = {"recording": str(recording.id), "drill": str(await a_drill(services))}
    given["api_key"] = (await admin.create("api-keys/", {"name": "to be revoked"}))["id"]
    return {name: thing["id"] for name, thing in (made | {"fetch": fetch, "command": command}).items()} | given


async def a_drill(services: Services) -> uuid.UUID:
    now = datetime.now(UTC)
    done = Drill(
        id=uuid7(),
        began_at=now,
        ended_at=now,
        actor="control-plane",
        asked=1,
        sampled=1,
        restorable=1,
        size_bytes=1,
        is_demuxed=True,
        failures=[],
    )
    async with services.sessions.begin() as session:
        session.add(done)
    return done.id


def test_the_table_has_every_operation_of_the_document(services: Services) -> None:
    paths = create_app(services).openapi()["paths"]
    documented = {f"{method.upper()} {path}" for path, item in paths.items() for method in item} - WITHOUT_A_KEY
    named = {"site": "site_id", "camera": "camera_id", "client": "client_id", "schedule": "schedule_id"}
    named["api_key"] = "key_id"
    tested = {
        str(operation)
        .replace(" ", " /", 1)
        .replace("{empty_", "{")
        .format(
            **{
                name: f"{{{field}}}"
                for name, field in (
                    named | {one: f"{one}_id" for one in ("recording", "fetch", "command", "drill")}
                ).items()
            }
        )
        for operation in OPERATIONS
    }
    assert tested == documented


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
async def test_who_may(
    operation: Operation, ids: dict[str, Any], viewer: Script, operator: Script, admin: Script
) -> None:
    path, body = operation.path.format(**ids), operation.body(ids) if operation.body else None
    callers = {VIEWER: viewer, OPERATOR: operator, ADMIN: admin}
    for role, script in callers.items():
        if not role.includes(operation.needs):
            detail = await script.refused(403, operation.method, path, body)
            assert detail == f"This needs the role {operation.needs}; yours is {role}."
    answer = await callers[operation.needs].call(operation.method, path, body)
    assert answer.status_code == operation.status, answer.text


async def _expired(services: Services) -> str:
    async with services.sessions.begin() as session:
        past = datetime.now(UTC) - timedelta(seconds=1)
        return (await create_api_key(session, "old", Role.ADMIN, past, actor=COMMAND_LINE)).text


async def _revoked(services: Services) -> str:
    async with services.sessions.begin() as session:
        key = await create_api_key(session, "stolen", Role.ADMIN, actor=COMMAND_LINE)
        await revoke_api_key(session, "stolen", now=datetime.now(UTC), actor=COMMAND_LINE)
        return key.text


async def _a_recorders_token(services: Services) -> str:
    async with services.sessions.begin() as session:
        site = await site_named(session, "Harbour", actor=COMMAND_LINE)
        _, token = await create_client(session, "Box", site.id, actor=COMMAND_LINE)
        return token.text


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
async def test_nobody_gets_401_before_anything_is_read(operation: Operation, http: httpx.AsyncClient) -> None:
    # An id that is none and a body that is no JSON would be 422.
    path = operation.path.format_map(
        dict.fromkeys(("site", "client", "camera", "schedule", "recording"), "none")
        | dict.fromkeys(("fetch", "command", "drill", "api_key"), "none")
        | dict.fromkeys(("empty_site", "empty_client", "empty_camera"), "none")
    )
    for headers in (
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer cfk_x"},
    ):
        answer = await http.request(operation.method, BASE + path, headers=headers, content=b"{")
        assert answer.status_code == 401, answer.text
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert set(answer.json()) == {"detail"}


@pytest.mark.parametrize("make", [_expired, _revoked, _a_recorders_token])
async def test_keys_that_are_over_are_no_keys(
    make: Callable[[Services], Awaitable[str]], services: Services, http: httpx.AsyncClient
) -> None:
    script = Script(http, await make(services))
    assert await script.refused(401, "GET", "sites/") == "This API key is unknown, expired or revoked."


async def test_the_use_of_a_key_is_noted_but_not_at_every_call(services: Services, admin: Script) -> None:
    async def last_used_at() -> datetime | None:
        async with services.engine.connect() as connection:
            found = await connection.scalar(text("SELECT last_used_at FROM api_keys WHERE name = 'admin key'"))
            return cast("datetime | None", found)

    assert await last_used_at() is None
    await admin.get("sites/")
    first = await last_used_at()
    assert first is not None
    await admin.get("sites/")
    assert await last_used_at() == first
    async with services.engine.begin() as connection:
        await connection.execute(text("UPDATE api_keys SET last_used_at = now() - interval '6 minutes'"))
    await admin.get("sites/")
    again = await last_used_at()
    assert again is not None
    assert again >= first
