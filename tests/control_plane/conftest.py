"""The control plane on a database of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
import structlog
from cryptography.fernet import Fernet
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.database import create_engine, create_sessions
from control_plane.local_client.config_changes import ConfigChanges
from control_plane.main import create_app
from control_plane.security.secrets import SecretBox
from control_plane.service import RunningService, running_service
from control_plane.services import Services
from control_plane.settings import Settings
from control_plane.stores import open_store
from tests.control_plane.tasks import in_a_task

SECRET_KEY = Fernet.generate_key().decode()


@pytest.fixture(scope="session", autouse=True)
def plain_tracebacks() -> None:
    """structlog's own default shows every local variable, which takes seconds for an error of a route."""
    renderer = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, renderer]
    )


@pytest.fixture
def settings(database: str, tmp_path: Path) -> Settings:
    return Settings(
        _env_file=None,
        database_url=SecretStr(database),
        data_dir=tmp_path / "data",
        port=0,
        secret_keys=SecretStr(SECRET_KEY),
        storage_url=(tmp_path / "bucket").as_uri(),
        # Who tests background work begins it; nobody else should wait for what it does in between.
        background_jobs=False,
    )


@pytest_asyncio.fixture
async def services(settings: Settings, database: str) -> AsyncIterator[Services]:
    engine = create_engine(database, pool_size=10)
    store = open_store(settings.storage_url, default_folder=settings.data_dir / "bucket", credentials=None)
    services = Services(settings, engine, create_sessions(engine), SecretBox(SECRET_KEY), store, ConfigChanges())
    yield services
    await services.direct.close()
    await store.close()
    await engine.dispose()


@pytest_asyncio.fixture
async def session(services: Services) -> AsyncIterator[AsyncSession]:
    """One transaction, as a route has it; committed at the end."""
    async with services.sessions.begin() as session:
        yield session


@pytest.fixture
def app(services: Services) -> FastAPI:
    """The whole application, without what runs beside it (config push, upkeep): for that there is `server`."""
    return create_app(services)


@pytest_asyncio.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Calls the application without a network. An error that no handler answered fails the test."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://control-plane.test") as client:
        yield client


@pytest_asyncio.fixture
async def server(settings: Settings) -> AsyncIterator[RunningService]:
    """The real service on a free port of the loopback interface; `server.url`."""
    async with in_a_task(running_service(settings)) as service:
        yield service
