"""Sessions that end and databases that are away: the pages that an operator sees then."""

from typing import Any

import asyncpg
import pytest
from sqlalchemy import event, update

from control_plane.models import Operator
from control_plane.services import Services
from tests.console.conftest import Fleet
from tests.console.visitor import Visitor, path_of, text_of

REFERER = {"referer": "http://console.test/admin/site/create"}
SITE = {"name": "Harbour", "timezone": "UTC"}


async def end_sessions(services: Services) -> None:
    async with services.sessions.begin() as session:
        await session.execute(update(Operator).values(session_epoch=7))


async def test_a_session_that_ended_says_so_and_leads_back(admin: Visitor, services: Services) -> None:
    await end_sessions(services)
    login = path_of(await admin.get("/camera/list", search="x"))
    assert login == "/login?why=ended&next=%2Fadmin%2Fcamera%2Flist%3Fsearch%3Dx"
    page = await admin.client.get(f"/admin{login}")
    assert "Your session has ended" in text_of(page)
    assert 'value="/admin/camera/list?search=x"' in page.text


async def test_a_form_of_an_ended_session_is_not_saved_and_says_so(admin: Visitor, services: Services) -> None:
    token = await admin.token()
    await end_sessions(services)
    answer = await admin.client.post("/admin/site/create", data=SITE | {"csrf_token": token}, headers=REFERER)
    assert path_of(answer) == "/login?why=unsaved&next=%2Fadmin%2Fsite%2Fcreate"
    assert "nothing was saved" in text_of(await admin.client.get(answer.headers["location"]))


async def test_a_form_whose_cookie_ran_out_leads_to_the_login(admin: Visitor) -> None:
    token = await admin.token()
    admin.client.cookies.clear()
    answer = await admin.client.post("/admin/site/create", data=SITE | {"csrf_token": token}, headers=REFERER)
    assert path_of(answer) == "/login?why=unsaved&next=%2Fadmin%2Fsite%2Fcreate"


async def test_a_login_page_that_was_open_for_too_long_asks_again(visitor: Visitor) -> None:
    form = {"username": "admin", "password": "x", "csrf_token": "of a cookie that ran out"}
    answer = await visitor.client.post("/admin/login", data=form)
    assert answer.status_code == 403
    assert "open for too long" in text_of(answer)
    assert 'name="csrf_token"' in answer.text


async def test_who_was_never_logged_in_is_told_nothing_ended(visitor: Visitor) -> None:
    assert path_of(await visitor.get("/")) == "/login?next=%2Fadmin%2F"


async def test_a_logout_empties_the_browsers_cache(admin: Visitor) -> None:
    answer = await admin.post("/logout")
    assert answer.headers["clear-site-data"] == '"cache"'


OUTAGES = [
    ConnectionRefusedError(111, "Connection refused"),
    asyncpg.CannotConnectNowError("the database system is starting up"),
    asyncpg.TooManyConnectionsError("sorry, too many clients already"),
    asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
    TimeoutError(),
]


@pytest.mark.parametrize("error", OUTAGES, ids=lambda error: type(error).__name__)
async def test_without_the_database_every_page_says_so_and_it_comes_back(
    admin: Visitor, fleet: Fleet, services: Services, error: Exception
) -> None:
    token = await admin.token()

    def refuse(*_: Any) -> None:
        raise error

    await services.engine.dispose()
    event.listen(services.engine.sync_engine, "do_connect", refuse)
    try:
        for path in ("/", "/camera/list", f"/client/details/{fleet.client}", "/schedule/create", "/recording/list"):
            page = await admin.get(path)
            assert (page.status_code, page.headers["retry-after"]) == (503, "5"), (path, page.text)
            assert "database can't be reached" in text_of(page)
            assert "data-reload-seconds" in page.text
            assert str(error) not in page.text or not str(error)
        saved = await admin.client.post("/admin/site/create", data=SITE | {"csrf_token": token})
        assert saved.status_code == 503
        assert "Nothing was changed" in text_of(saved)
        assert "data-reload-seconds" not in saved.text
        name = {"username": "admin", "password": "x", "csrf_token": token}
        assert (await admin.client.post("/admin/login", data=name)).status_code == 503
    finally:
        event.remove(services.engine.sync_engine, "do_connect", refuse)
    assert (await admin.get("/")).status_code == 200
