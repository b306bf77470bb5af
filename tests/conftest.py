"""What all tests share."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.postgres import Postgres, postgres_server


@pytest_asyncio.fixture(scope="session")
async def postgres(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Postgres]:
    """One server for the whole run."""
    async with postgres_server(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest_asyncio.fixture
async def database(postgres: Postgres) -> AsyncIterator[str]:
    """A fresh migrated database; its URL."""
    async with postgres.database() as url:
        yield url
