"""Health says whether the service works, and never lies in either direction."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
from pydantic import SecretStr

from control_plane.database import create_engine, create_sessions
from control_plane.main import create_app
from control_plane.service import RunningService, running_service
from control_plane.services import Services
from control_plane.settings import Settings
from tests.control_plane.tasks import in_a_task
from tests.postgres import Postgres, postgres_server


async def test_a_working_service_is_healthy_and_ready(client: httpx.AsyncClient) -> None:
    for path in ("/health/", "/health/ready"):
        assert (await client.get(path)).status_code == 200
        assert (await client.head(path)).status_code == 200


async def test_a_database_that_was_not_migrated_is_healthy_but_not_ready(
    services: Services, postgres: Postgres
) -> None:
    async with postgres.database(empty=True) as url, client_on(services, url) as client:
        assert (await client.get("/health/")).status_code == 200
        response = await client.get("/health/ready")
        assert response.status_code == 503
        assert "run `control-plane migrate`" in response.json()["detail"]


async def test_every_answer_has_an_id_and_safe_headers(client: httpx.AsyncClient) -> None:
    response = await client.get("/health/", headers={"X-Request-ID": "mine"})
    assert response.headers["x-request-id"] == "mine"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["x-frame-options"] == "DENY"
    assert "strict-transport-security" not in response.headers
    for odd in ("a b", "x" * 65, '"', "a\xe4"):
        response = await client.get("/nowhere", headers={b"X-Request-ID": odd.encode("latin-1")})
        assert response.headers["x-request-id"] not in {odd, ""}


async def test_only_a_trusted_proxy_is_believed(services: Services, settings: Settings) -> None:
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
    url = services.engine.url.render_as_string(hide_password=False)
    async with client_on(services, url) as client:
        assert "strict-transport-security" not in (await client.get("/", headers=forwarded)).headers
    trusting = settings.model_copy(update={"trusted_proxies": ["127.0.0.1"]})
    async with client_on(services, url, trusting) as client:
        assert "strict-transport-security" in (await client.get("/", headers=forwarded)).headers


async def test_the_start_page_is_the_console(client: httpx.AsyncClient) -> None:
    response = await client.get("/")
    assert (response.status_code, response.headers["location"]) == (307, "/admin/")


async def test_a_database_that_goes_away_makes_503_and_comes_back(tmp_path: Path, settings: Settings) -> None:
    async with postgres_server(tmp_path / "postgres") as own:
        changed = settings.model_copy(update={"database_url": SecretStr(own.server.url)})
        async with in_a_task(running_service(changed)) as service, httpx.AsyncClient(base_url=service.url) as client:
            assert (await client.get("/health/")).status_code == 200
            await own.server.stop()
            for _ in range(3):
                response = await client.get("/health/")
                assert response.status_code == 503
                assert response.json() == {"detail": "The database can't be reached; try again."}
                assert response.headers["retry-after"] == "5"
            await own.server.start()
            assert (await client.get("/health/")).status_code == 200
            assert (await client.get("/health/ready")).status_code == 200


async def test_the_service_answers_on_a_real_port(server: RunningService) -> None:
    async with httpx.AsyncClient(base_url=server.url) as client:
        assert (await client.get("/health/ready")).json()["status"] == "ready"
        assert "server" not in (await client.get("/health/")).headers


@asynccontextmanager
async def client_on(services: Services, url: str, settings: Settings | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application on another database."""
    engine = create_engine(url, pool_size=2)
    other = replace(services, settings=settings or services.settings, engine=engine, sessions=create_sessions(engine))
    transport = httpx.ASGITransport(create_app(other), client=("127.0.0.1", 1234))
    async with httpx.AsyncClient(transport=transport, base_url="http://control-plane.test") as client:
        yield client
    await engine.dispose()
