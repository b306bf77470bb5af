"""Whatever goes wrong, the caller reads JSON that says what, and nothing of the inside."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from control_plane.answers import install_error_handlers
from control_plane.database import Session, create_engine, create_sessions
from control_plane.errors import Conflict, FieldProblem, Forbidden, Invalid, NotFound, Unauthorized, Unavailable
from control_plane.main import create_app
from control_plane.middleware import BodyLimit, RequestLog
from control_plane.models import Camera, Site
from control_plane.services import Services

LIMIT = 6000


class Login(BaseModel):
    name: int
    password: str


@pytest.fixture
def app(services: Services) -> FastAPI:
    app = FastAPI()
    app.state.services = services
    install_error_handlers(app)
    app.add_middleware(BodyLimit, max_bytes=LIMIT)
    app.add_middleware(RequestLog)
    problems = {
        "unauthorized": Unauthorized("Who are you?"),
        "forbidden": Forbidden("Not yours."),
        "not-found": NotFound("No such thing."),
        "conflict": Conflict("Taken."),
        "invalid": Invalid("days.0", "is no day", FieldProblem("name", "is empty")),
        "unavailable": Unavailable("Later.", retry_after_seconds=7),
        "bug": RuntimeError("postgresql://user:secret@host"),
        "refused": ConnectionRefusedError(111, "refused"),
        "several": OSError("Multiple exceptions: refused, refused"),
        "grouped": ExceptionGroup("tasks", [ConnectionResetError()]),
        "file": FileNotFoundError(2, "No such file", "/secret/place"),
    }

    @app.get("/raise/{name}")
    async def fail(name: str) -> None:
        raise problems[name]

    @app.get("/number/{number}")
    async def number(number: int, session: Session) -> None:
        await session.execute(select(Camera.id).where(Camera.port == number))

    @app.post("/orphan")
    async def orphan(session: Session) -> None:
        session.add(Camera(name="lost", site_id=uuid.uuid4()))

    @app.get("/text")
    async def find(name: str, session: Session) -> None:
        await session.execute(select(Site.id).where(Site.name == name))

    @app.get("/sql")
    async def sql(statement: str, session: Session) -> None:
        await session.execute(text(statement))

    @app.post("/find")
    async def find_posted(login: Login, session: Session) -> None:
        await session.execute(select(Site.id).where(Site.name == login.password))

    @app.post("/login")
    async def login(login: Login) -> None: ...

    return app


@pytest.mark.parametrize(
    ("name", "status", "detail"),
    [
        ("unauthorized", 401, "Who are you?"),
        ("forbidden", 403, "Not yours."),
        ("not-found", 404, "No such thing."),
        ("conflict", 409, "Taken."),
        ("unavailable", 503, "Later."),
        ("refused", 503, "The database can't be reached; try again."),
        ("several", 503, "The database can't be reached; try again."),
        ("grouped", 503, "The database can't be reached; try again."),
    ],
)
async def test_each_error_has_its_status_and_says_what(
    client: httpx.AsyncClient, name: str, status: int, detail: str
) -> None:
    response = await client.get(f"/raise/{name}")
    assert (response.status_code, response.json()) == (status, {"detail": detail})
    assert response.headers["content-type"] == "application/json"


async def test_some_errors_come_with_headers(client: httpx.AsyncClient) -> None:
    assert (await client.get("/raise/unauthorized")).headers["www-authenticate"] == "Bearer"
    assert (await client.get("/raise/unavailable")).headers["retry-after"] == "7"


async def test_problems_with_fields_are_told_as_fastapi_tells_them(client: httpx.AsyncClient) -> None:
    response = await client.get("/raise/invalid")
    assert response.status_code == 422
    assert response.json()["detail"] == [
        {"type": "value_error", "loc": ["body", "days", 0], "msg": "is no day"},
        {"type": "value_error", "loc": ["body", "name"], "msg": "is empty"},
    ]


@pytest.mark.parametrize("name", ["bug", "file"])
async def test_a_fault_of_ours_tells_the_caller_its_request_id_alone(client: httpx.AsyncClient, name: str) -> None:
    response = await client.get(f"/raise/{name}", headers={"X-Request-ID": "abc-1"})
    assert response.status_code == 500
    assert response.json() == {"detail": "Something went wrong on our side. It was logged as request abc-1."}


async def test_unknown_paths_and_methods_are_json_too(client: httpx.AsyncClient) -> None:
    assert (await client.get("/nowhere")).json() == {"detail": "Not Found"}
    refused = await client.delete("/login")
    assert (refused.status_code, refused.json()) == (405, {"detail": "Method Not Allowed"})


async def test_a_refused_method_is_told_all_that_would_do(services: Services) -> None:
    transport = httpx.ASGITransport(create_app(services))
    async with httpx.AsyncClient(transport=transport, base_url="http://control-plane.test") as client:
        for call, allowed in {
            "PUT /v0/api/cctv/sites/": "GET, POST",
            f"PUT /v0/api/cctv/cameras/{uuid.uuid4()}/": "GET, PATCH, DELETE",
            f"PUT /v0/api/cctv/cameras/{uuid.uuid4()}": "GET, PATCH, DELETE",
            "GET /v0/api/local-client/gaps": "POST",
            "POST /v0/api/local-client/docs": "GET, HEAD",
            "POST /health/": "GET, HEAD",
        }.items():
            response = await client.request(*call.split())
            assert (response.status_code, response.headers["Allow"]) == (405, allowed), call


async def test_what_was_sent_is_never_echoed(client: httpx.AsyncClient) -> None:
    response = await client.post("/login", json={"name": "hunter2", "password": ["hunter2"]})
    assert response.status_code == 422
    assert "hunter2" not in response.text
    assert [problem["loc"] for problem in response.json()["detail"]] == [["body", "name"], ["body", "password"]]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[" * 1900,
        b'{"name": NaN, "password": "\\ud800"}',
        b'{"name": ' + b"9" * 5000 + b', "password": "x"}',
        b'{"name": 1, "password": "\xff"}',
        b"\x00",
        b'"\\u0000"',
        b"null",
    ],
)
async def test_a_malformed_body_is_the_callers_fault(client: httpx.AsyncClient, body: bytes) -> None:
    response = await client.post("/login", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code in {400, 422}
    assert response.json()["detail"]


async def test_invalid_utf8_in_the_address_is_no_fault_of_ours(client: httpx.AsyncClient) -> None:
    for path in ("/text?name=%ff%fe", "/raise%ff/%c3", "/number/%ff", "/text?name=%ED%A0%80"):
        assert (await client.get(path)).status_code < 500


async def test_what_the_database_can_not_store_is_the_callers_fault(client: httpx.AsyncClient) -> None:
    assert (await client.get(f"/number/{2**70}")).status_code == 422
    assert (await client.get("/number/3000000000")).status_code == 422
    assert (await client.get("/text", params={"name": "a\0b"})).status_code == 422
    half_a_character = b'{"name": 1, "password": "\\ud800"}'
    response = await client.post("/find", content=half_a_character, headers={"Content-Type": "application/json"})
    assert response.status_code == 422
    response = await client.post("/orphan")
    assert response.status_code == 409
    assert "camera" not in response.text, "no driver's text, no SQL"


@pytest.mark.parametrize(
    ("statement", "status"),
    [
        ("SELECT 1/0", 422),
        ("SELECT nothing", 500),
        ("SELECT pg_terminate_backend(pg_backend_pid())", 503),
        ("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '57P03'; END $$", 503),
        ("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '57014'; END $$", 503),
        ("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40P01'; END $$", 503),
        ("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '53300'; END $$", 503),
    ],
)
async def test_each_error_of_the_database_has_its_status(
    client: httpx.AsyncClient, statement: str, status: int
) -> None:
    response = await client.get("/sql", params={"statement": statement})
    assert response.status_code == status
    assert "SELECT" not in response.text
    assert "pg_" not in response.text
    if status == 503:
        assert int(response.headers["retry-after"]) > 0


@pytest_asyncio.fixture
async def busy(app: FastAPI, services: Services) -> AsyncIterator[AsyncSession]:
    """The application with a pool of one connection, and that one taken."""
    engine = create_engine(services.engine.url.render_as_string(hide_password=False), pool_size=1)
    engine.pool._timeout = 0.1  # type: ignore[attr-defined]  # QueuePool has one
    sessions = create_sessions(engine)
    app.state.services = replace(services, engine=engine, sessions=sessions)
    async with sessions() as session:
        await session.execute(text("SELECT 1"))
        yield session
    await engine.dispose()


async def test_an_exhausted_pool_asks_to_come_back(client: httpx.AsyncClient, busy: AsyncSession) -> None:
    response = await client.get("/number/1")
    assert response.status_code == 503
    assert "overloaded" in response.json()["detail"]


async def test_polls_without_news_and_probes_do_not_fill_the_log(
    services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = {"/news": 304, "/health/x": 200, "/health/y": 503, "/thing": 200}

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(status_code=answers[scope["path"]])(scope, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(RequestLog(answer)), base_url="http://x") as client:
        for path in answers:
            await client.get(path)
    levels = {line.split("path=")[1].split()[0]: line.split("]")[0] for line in capsys.readouterr().out.splitlines()}
    assert {path: level.strip("[ ") for path, level in levels.items()} == {
        "/news": "debug",
        "/health/x": "debug",
        "/health/y": "info",
        "/thing": "info",
    }


async def test_a_body_that_is_too_big_is_refused_announced_or_not(client: httpx.AsyncClient) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(90):
            yield b"x" * 100
            await asyncio.sleep(0)

    for content in (b"x" * 9000, pieces()):
        response = await client.post("/login", content=content, headers={"Content-Type": "application/json"})
        assert response.status_code == 413
        assert response.json() == {"detail": "The body is too big: at most 6000 bytes."}


async def test_who_may_not_call_is_told_so_whatever_the_size(client: httpx.AsyncClient) -> None:
    response = await client.request("GET", "/raise/unauthorized", content=b"x" * 9000)
    assert response.status_code == 401
