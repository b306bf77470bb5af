"""Who gets in, who may change what, and that nothing changes by looking."""

import re
from collections.abc import Awaitable, Callable

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select, update

from control_plane.models import Base, Camera, Client, ClientToken, Event, Operator, Role, Site
from control_plane.services import Services
from tests.console.conftest import Fleet
from tests.console.visitor import PASSWORD, Visitor, path_of, text_of

LogIn = Callable[[Role], Awaitable[Visitor]]


async def rows(services: Services) -> dict[str, int]:
    """How many rows each table has."""
    async with services.sessions() as session:
        return {
            name: await session.scalar(select(func.count()).select_from(table)) or 0
            for name, table in Base.metadata.tables.items()
        }


async def test_without_a_login_every_page_leads_to_it(visitor: Visitor, fleet: Fleet) -> None:
    for path in ("/", "/client/list", f"/camera/edit/{fleet.camera}", f"/client/{fleet.client}/token", "/account"):
        answer = await visitor.get(path)
        assert answer.status_code == 303
        assert "/admin/login" in answer.headers["location"]
        assert "Depot" not in answer.text
    assert (await visitor.get("/camera/ajax/lookup", name="site_id", term="D")).status_code == 303


async def test_after_the_login_the_page_that_was_wanted_opens(visitor: Visitor) -> None:
    assert path_of(await visitor.log_in("admin", next="/admin/camera/list?search=x")) == "/camera/list?search=x"


@pytest.mark.parametrize(
    "wanted", ["//evil.example/admin/", "https://evil.example/admin/", "/\\evil.example", "/other"]
)
async def test_a_login_never_leads_to_another_site(visitor: Visitor, wanted: str) -> None:
    assert path_of(await visitor.log_in("admin", next=wanted)) == "/"


async def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(visitor: Visitor) -> None:
    wrong = await visitor.log_in("admin", "wrong password")
    unknown = await visitor.log_in("nobody", "wrong password")
    assert wrong.status_code == unknown.status_code == 401
    assert text_of(wrong) == text_of(unknown)


async def test_after_five_failures_even_the_right_password_has_to_wait(visitor: Visitor, app: FastAPI) -> None:
    for _ in range(5):
        assert (await visitor.log_in("admin", "wrong password")).status_code == 401
    assert (await visitor.log_in("admin")).status_code == 429
    # Another name from the same address, and the same name from elsewhere, are not affected.
    assert (await visitor.log_in("viewer")).status_code == 303
    elsewhere = httpx.ASGITransport(app, client=("198.51.100.7", 1))
    async with httpx.AsyncClient(transport=elsewhere, base_url="http://console.test") as client:
        assert (await Visitor(client).log_in("admin")).status_code == 303


async def test_the_cookie_is_for_this_site_and_no_script(visitor: Visitor) -> None:
    answer = await visitor.log_in("admin")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/admin" in cookie
    assert "secure" not in cookie


async def test_over_https_the_cookie_is_secure(app: FastAPI, operators: None) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://console.test") as client:
        answer = await Visitor(client).log_in("admin")
    assert "secure" in answer.headers["set-cookie"].lower()


async def test_a_login_changes_the_session_and_its_token(visitor: Visitor) -> None:
    before = await visitor.token()
    await visitor.log_in("admin")
    assert await visitor.token() != before


async def test_a_raised_epoch_or_a_deactivation_ends_sessions(admin: Visitor, services: Services) -> None:
    assert (await admin.get("/")).status_code == 200
    async with services.sessions.begin() as session:
        await session.execute(update(Operator).values(session_epoch=1))
    assert (await admin.get("/")).status_code == 303
    await admin.log_in("admin")
    assert (await admin.get("/")).status_code == 200
    async with services.sessions.begin() as session:
        await session.execute(update(Operator).values(is_active=False))
    assert (await admin.get("/")).status_code == 303
    assert (await admin.log_in("admin")).status_code == 401


async def test_a_cookie_that_was_tampered_with_is_nobody(visitor: Visitor) -> None:
    await visitor.log_in("admin")
    for cookie in visitor.client.cookies.jar:
        cookie.value = f"x{cookie.value}"
    assert (await visitor.get("/")).status_code == 303


async def test_logging_out_takes_a_post(admin: Visitor) -> None:
    assert (await admin.get("/logout")).status_code in {404, 405}
    assert (await admin.get("/")).status_code == 200
    assert path_of(await admin.post("/logout")) == "/login"
    assert (await admin.get("/")).status_code == 303


def posts(fleet: Fleet) -> list[str]:
    return [
        "/site/create",
        "/client/create",
        "/operator/create",
        f"/camera/edit/{fleet.camera}",
        f"/schedule/delete/{fleet.schedule}",
        f"/client/{fleet.client}/rotate-token",
        f"/client/{fleet.client}/revoke-tokens",
        "/account",
        "/logout",
        "/login",
    ]


async def test_without_the_token_nothing_is_accepted(admin: Visitor, fleet: Fleet, services: Services) -> None:
    before = await rows(services)
    token = await admin.token()
    form = {"name": "New", "timezone": "UTC", "username": "x", "password": PASSWORD}
    forged: list[dict[str, dict[str, str]]] = [
        {"data": form},
        {"data": form | {"csrf_token": ""}},
        {"data": form | {"csrf_token": "x" * 43}},
        {"data": form | {"csrf_token": token}, "headers": {"origin": "https://evil.example"}},
        {"data": form | {"csrf_token": token}, "headers": {"origin": "null"}},
        {"data": form | {"csrf_token": token}, "headers": {"sec-fetch-site": "cross-site"}},
    ]
    for path in posts(fleet):
        for request in forged:
            answer = await admin.client.post(f"/admin{path}", data=request["data"], headers=request.get("headers"))
            assert answer.status_code == 403, (path, request)
    assert await rows(services) == before


async def test_another_sessions_token_is_no_token(as_role: LogIn, services: Services) -> None:
    mine, theirs = await as_role(Role.ADMIN), await as_role(Role.ADMIN)
    data = {"csrf_token": await theirs.token(), "name": "New", "timezone": "UTC"}
    assert (await mine.client.post("/admin/site/create", data=data)).status_code == 403


async def test_the_token_may_come_in_a_header_and_from_our_own_pages(admin: Visitor) -> None:
    headers = {"x-csrf-token": await admin.token(), "origin": "http://console.test", "sec-fetch-site": "same-origin"}
    answer = await admin.client.post("/admin/site/create", data={"name": "A", "timezone": "UTC"}, headers=headers)
    assert answer.status_code == 303


async def test_reading_never_changes_anything(admin: Visitor, fleet: Fleet, services: Services) -> None:
    before = await rows(services)
    for path in posts(fleet):
        await admin.get(path)
    for method in ("PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"):
        for path in (*posts(fleet), f"/camera/delete?pks={fleet.camera}"):
            answer = await admin.client.request(method, f"/admin{path}")
            assert answer.status_code in {200, 303, 403, 404, 405}, (method, path)
    assert await rows(services) == before


MAY = {
    Role.VIEWER: {"site": False, "camera": False, "schedule": False, "client": False, "operator": False},
    Role.OPERATOR: {"site": False, "camera": True, "schedule": True, "client": False, "operator": False},
    Role.ADMIN: {"site": True, "camera": True, "schedule": True, "client": True, "operator": True},
}


@pytest.mark.parametrize("role", list(Role))
async def test_each_role_changes_what_is_its_own(as_role: LogIn, fleet: Fleet, services: Services, role: Role) -> None:
    visitor = await as_role(role)
    for identity, allowed in MAY[role].items():
        page = await visitor.get(f"/{identity}/create")
        assert page.status_code == (200 if allowed else 403), identity
        assert (await visitor.post(f"/{identity}/create", {})).status_code == (422 if allowed else 403), identity
    listed = await visitor.get("/operator/list")
    assert listed.status_code == (200 if role is Role.ADMIN else 403)
    before = await rows(services)
    if role is not Role.ADMIN:
        for path in (
            f"/client/{fleet.client}/rotate-token",
            f"/client/{fleet.client}/revoke-tokens",
            f"/site/delete/{fleet.site}",
            f"/client/delete/{fleet.client}",
        ):
            assert (await visitor.post(path)).status_code == 403
        assert (await visitor.get(f"/client/{fleet.client}/token")).status_code == 403
    assert await rows(services) == before


async def test_a_viewer_may_not_ask_the_search_boxes(as_role: LogIn, fleet: Fleet) -> None:
    asked = {"name": "camera_ids", "term": "Y", "site_id": str(fleet.site)}
    viewer = await as_role(Role.VIEWER)
    assert (await viewer.get("/client/ajax/lookup", **asked)).status_code == 403
    operator = await as_role(Role.OPERATOR)
    found = (await operator.get("/client/ajax/lookup", **asked)).json()["results"]
    assert [one["id"] for one in found] == [str(fleet.camera)]


async def test_an_operator_assigns_cameras_and_no_more(as_role: LogIn, fleet: Fleet, services: Services) -> None:
    operator = await as_role(Role.OPERATOR)
    form = {"name": "Renamed", "is_active": "", "camera_ids": [str(fleet.camera), str(fleet.camera_by_url)]}
    path_of(await operator.post(f"/client/edit/{fleet.client}", form))
    async with services.sessions() as session:
        client = await session.get_one(Client, fleet.client)
        assert client.name == "Box 1"
        assert client.is_active
    page = text_of(await operator.get(f"/client/details/{fleet.client}"))
    assert "Yard" in page
    assert "Gate" in page


async def test_a_token_is_shown_once(admin: Visitor, fleet: Fleet, services: Services) -> None:
    shown_at = path_of(await admin.post(f"/client/{fleet.client}/rotate-token"))
    assert "cfr_" not in shown_at
    page = await admin.get(shown_at)
    found = re.search(r"CLIENT_TOKEN=(cfr_[\w-]+)", page.text)
    assert found
    token = found[1]
    assert page.headers["cache-control"] == "no-store"
    assert token not in (await admin.get(shown_at)).text
    async with services.sessions() as session:
        kept = [str(one.detail) for one in await session.scalars(select(Event))] + [
            one.prefix for one in await session.scalars(select(ClientToken))
        ]
    assert not any(token in text for text in kept)
    answer = await admin.client.get("/v0/api/local-client/schedules", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 200


async def test_revoked_tokens_are_refused_at_once(admin: Visitor, fleet: Fleet) -> None:
    header = {"authorization": f"Bearer {fleet.token}"}
    assert (await admin.client.get("/v0/api/local-client/schedules", headers=header)).status_code == 200
    await admin.post(f"/client/{fleet.client}/revoke-tokens")
    assert (await admin.client.get("/v0/api/local-client/schedules", headers=header)).status_code == 401


async def test_nobody_can_remove_the_last_admin(admin: Visitor, services: Services) -> None:
    async with services.sessions() as session:
        only = await session.scalar(select(Operator.id).where(Operator.role == Role.ADMIN))
    answer = await admin.post(f"/operator/edit/{only}", {"role": "viewer", "is_active": "y"})
    assert "only active admin" in text_of(answer)
    await admin.post(f"/operator/delete/{only}")
    async with services.sessions() as session:
        assert await session.get(Operator, only) is not None


async def test_ones_own_password_takes_the_old_one(admin: Visitor) -> None:
    new = "another long password"
    wrong = await admin.post("/account", {"current": "x", "password": new, "repeated": new})
    assert "Is wrong" in text_of(wrong)
    path_of(await admin.post("/account", {"current": PASSWORD, "password": new, "repeated": new}))
    assert (await admin.get("/")).status_code == 200
    assert (await admin.log_in("admin", new)).status_code == 303


async def test_a_site_with_cameras_is_not_deleted_and_says_why(
    admin: Visitor, fleet: Fleet, services: Services
) -> None:
    answer = await admin.post(f"/site/delete/{fleet.site}")
    page = text_of(await admin.get(path_of(answer)))
    assert "has cameras or clients" in page
    assert "INSERT" not in page
    assert "DELETE FROM" not in page
    async with services.sessions() as session:
        assert await session.get(Site, fleet.site) is not None
        assert await session.get(Camera, fleet.camera) is not None


async def test_an_ipv6_neighbour_is_the_same_person(visitor: Visitor, app: FastAPI) -> None:
    for number, expected in ((1, 401), (2, 401), (3, 401), (4, 401), (5, 401), (6, 429)):
        transport = httpx.ASGITransport(app, client=(f"2001:db8:0:1::{number}", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://console.test") as client:
            assert (await Visitor(client).log_in("admin", "wrong password")).status_code == expected
    transport = httpx.ASGITransport(app, client=("2001:db8:0:2::1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://console.test") as client:
        assert (await Visitor(client).log_in("admin")).status_code == 303
