"""Operators who call with their own name: in by password, on by refreshing, out by logging out or by a thief."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import select, text

from control_plane.events import COMMAND_LINE
from control_plane.models import Event, Login, LoginToken, Operator, Role
from control_plane.security.logins import FORGOTTEN_AFTER, LOGIN_FOR, forget_logins
from control_plane.security.operators import change_operator, change_password
from control_plane.security.passwords import hash_password
from control_plane.services import Services
from tests.control_plane.cctv.scripts import BASE, Script
from tests.control_plane.cctv.test_secrets_and_history import everything_stored

PASSWORD = "a long enough password"


@pytest_asyncio.fixture
async def maria(services: Services) -> uuid.UUID:
    async with services.sessions.begin() as session:
        operator = Operator(username="maria", password_hash=await hash_password(PASSWORD), role=Role.OPERATOR)
        session.add(operator)
    return operator.id


async def send(http: httpx.AsyncClient, path: str, **body: str) -> httpx.Response:
    return await http.post(BASE + path, json=body)


async def log_in(http: httpx.AsyncClient, password: str = PASSWORD, username: str = "maria") -> Any:
    answer = await send(http, "login/", username=username, password=password)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def refresh(http: httpx.AsyncClient, tokens: Any) -> httpx.Response:
    return await send(http, "login/refresh/", refresh_token=tokens["refresh_token"])


def caller(http: httpx.AsyncClient, tokens: Any) -> Script:
    return Script(http, tokens["access_token"])


async def execute(services: Services, statement: str, **values: object) -> None:
    async with services.engine.begin() as connection:
        await connection.execute(text(statement), values)


async def kinds(services: Services, subject: uuid.UUID) -> list[tuple[str, str]]:
    async with services.sessions() as session:
        query = select(Event).where(Event.subject_id == subject).order_by(Event.occurred_at, Event.id)
        return [(event.kind, event.actor) for event in await session.scalars(query)]


async def test_an_operator_logs_in_and_acts_under_the_own_name(
    http: httpx.AsyncClient, maria: uuid.UUID, admin: Script, services: Services
) -> None:
    tokens = await log_in(http)
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 600)
    assert (tokens["username"], tokens["role"], tokens["site_ids"]) == ("maria", "operator", None)
    script = caller(http, tokens)
    assert await script.get("me/") == {
        "kind": "operator",
        "name": "maria",
        "role": "operator",
        "site_ids": None,
        "scopes": None,
    }
    assert (await admin.get("me/"))["kind"] == "api_key"
    camera = await script.camera(await admin.site())
    assert ("camera.created", "operator:maria") in await kinds(services, uuid.UUID(camera["id"]))
    await script.refused(403, "POST", "sites/", {"name": "New"})
    stored = await everything_stored(services)
    for secret in (tokens["access_token"], tokens["refresh_token"], PASSWORD):
        assert secret not in stored


async def test_a_refresh_token_is_good_once_and_the_second_time_ends_the_login(
    http: httpx.AsyncClient, maria: uuid.UUID, services: Services
) -> None:
    first, other = await log_in(http), await log_in(http)
    second = (await refresh(http, first)).json()
    assert await caller(http, first).get("me/"), "the earlier access token stays good until its end"
    third = (await refresh(http, second)).json()
    assert len({one["refresh_token"] for one in (first, second, third, other)}) == 4

    stolen = await refresh(http, first)
    assert (stolen.status_code, stolen.headers["WWW-Authenticate"]) == (401, "Bearer")
    for tokens in (first, second, third):
        assert (await refresh(http, tokens)).status_code == 401
        assert "log in again" in await caller(http, tokens).refused(401, "GET", "me/")
    assert await caller(http, other).get("me/"), "a login at another machine is another family"
    assert (await refresh(http, other)).status_code == 200
    assert await kinds(services, maria) == [("operator.refresh_token_reused", "nobody")]


async def test_of_two_who_refresh_at_once_one_is_a_thief(http: httpx.AsyncClient, maria: uuid.UUID) -> None:
    tokens = await log_in(http)
    answers = await asyncio.gather(*(refresh(http, tokens) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401]
    (won,) = (answer.json() for answer in answers if answer.status_code == 200)
    await caller(http, won).refused(401, "GET", "me/")
    assert (await refresh(http, won)).status_code == 401


async def test_logging_out_ends_this_login_and_revoking_all_every_session(
    http: httpx.AsyncClient, maria: uuid.UUID, services: Services
) -> None:
    here, there = await log_in(http), await log_in(http)
    assert (await caller(http, here).call("POST", "login/logout/")).status_code == 204
    await caller(http, here).refused(401, "GET", "me/")
    assert (await refresh(http, here)).status_code == 401
    again = await log_in(http)
    assert (await caller(http, there).call("POST", "login/revoke-all/")).status_code == 204
    for tokens in (there, again):
        await caller(http, tokens).refused(401, "GET", "me/")
        assert (await refresh(http, tokens)).status_code == 401
    assert await kinds(services, maria) == [
        ("operator.logged_out", "operator:maria"),
        ("operator.sessions_ended", "operator:maria"),
    ]
    async with services.sessions() as session:
        assert (await session.get_one(Operator, maria)).session_epoch == 1, "which the console's sessions carry too"
    assert await caller(http, await log_in(http)).get("me/")


async def test_tokens_end_with_their_time(http: httpx.AsyncClient, maria: uuid.UUID, services: Services) -> None:
    tokens = await log_in(http)
    await execute(services, "UPDATE login_tokens SET expires_at = now() WHERE kind = 'access'")
    await caller(http, tokens).refused(401, "GET", "me/")
    tokens = (await refresh(http, tokens)).json()
    assert await caller(http, tokens).get("me/")
    await execute(services, "UPDATE login_tokens SET expires_at = now() WHERE kind = 'refresh'")
    assert (await refresh(http, tokens)).status_code == 401
    tokens = await log_in(http)
    await execute(services, "UPDATE logins SET expires_at = now()")
    await caller(http, tokens).refused(401, "GET", "me/")
    assert (await refresh(http, tokens)).status_code == 401
    # A token is no other kind of token, nor a key.
    await Script(http, tokens["refresh_token"]).refused(401, "GET", "me/")
    assert (await send(http, "login/refresh/", refresh_token=tokens["access_token"])).status_code == 401


async def test_what_the_operator_may_counts_from_the_next_call_on(
    http: httpx.AsyncClient, maria: uuid.UUID, admin: Script, services: Services
) -> None:
    here, _there = await admin.site("Here"), await admin.site("There")
    script = caller(http, await log_in(http))
    assert len(await script.all("sites/")) == 2
    async with services.sessions.begin() as session:
        operator = await session.get_one(Operator, maria)
        only = [uuid.UUID(here["id"])]
        await change_operator(session, operator, role=Role.VIEWER, is_active=True, site_ids=only, actor=COMMAND_LINE)
    assert [site["name"] for site in await script.all("sites/")] == ["Here"]
    assert (await script.get("me/"))["role"] == "viewer"
    async with services.sessions.begin() as session:
        operator = await session.get_one(Operator, maria)
        await change_password(session, operator, "another long password", actor=COMMAND_LINE)
    await script.refused(401, "GET", "me/")
    tokens = await log_in(http, "another long password")
    async with services.sessions.begin() as session:
        operator = await session.get_one(Operator, maria)
        await change_operator(session, operator, role=Role.VIEWER, is_active=False, site_ids=None, actor=COMMAND_LINE)
    await caller(http, tokens).refused(401, "GET", "me/")
    assert (await refresh(http, tokens)).status_code == 401
    assert (await send(http, "login/", username="maria", password="another long password")).status_code == 401
    await execute(services, "DELETE FROM operators WHERE id = :id", id=maria)
    await caller(http, tokens).refused(401, "GET", "me/")


async def test_who_guesses_has_to_wait_at_the_api_and_at_the_console(http: httpx.AsyncClient, maria: uuid.UUID) -> None:
    for _ in range(5):
        wrong = await send(http, "login/", username="maria", password="wrong password")
        assert wrong.status_code == 401
        assert wrong.json() == {"detail": "Unknown user name or wrong password."}
    unknown = await send(http, "login/", username="eve", password="wrong password")
    assert unknown.json() == wrong.json(), "who exists is not told"
    shut = await send(http, "login/", username="maria", password=PASSWORD)
    assert (shut.status_code, shut.headers["Retry-After"]) == (429, "900")
    page = await http.get("/admin/login")
    token = page.text.split('name="csrf_token" value="')[1].split('"')[0]
    form = {"username": "maria", "password": PASSWORD, "csrf_token": token}
    assert (await http.post("/admin/login", data=form)).status_code == 429


@pytest.mark.parametrize(
    "body",
    [
        {"username": "maria"},
        {"username": "maria", "password": "x" * 1001},
        {"username": "maria", "password": "Pa55word-typed\0"},
        {"username": "x" * 101, "password": "Pa55word-typed"},
        {"username": "maria", "password": "Pa55word-typed", "remember": True},
    ],
)
async def test_a_refused_login_does_not_tell_back_what_was_typed(http: httpx.AsyncClient, body: Any) -> None:
    answer = await http.post(f"{BASE}login/", json=body)
    assert answer.status_code == 422
    assert "Pa55word" not in answer.text
    assert "xxx" not in answer.text


async def test_logins_that_are_long_over_are_forgotten(
    http: httpx.AsyncClient, maria: uuid.UUID, services: Services
) -> None:
    tokens = await log_in(http)
    for after, left in ((LOGIN_FOR + FORGOTTEN_AFTER - timedelta(minutes=1), 1), (LOGIN_FOR + FORGOTTEN_AFTER, 0)):
        async with services.sessions.begin() as session:
            await forget_logins(session, datetime.now(UTC) + after)
        async with services.sessions() as session:
            assert len(list(await session.scalars(select(Login)))) == left
            assert len(list(await session.scalars(select(LoginToken)))) == 2 * left
    await caller(http, tokens).refused(401, "GET", "me/")
