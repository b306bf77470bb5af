"""What all tests share."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.postgres import Postgres, postgres_server

SOONEST = (
    "test_odd_streams.py",
    "test_trials.py",
    "test_backlog.py",
    "test_rare_keyframes.py",
    "test_distributions.py",
)
"""What takes long by itself, or shares what took long to make."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """These begin the run: each worker has a stretch of the tests, and those who are done take from the others' ends.

    So whoever begins with a module keeps it, and makes what its tests share once; and nobody waits at the end.
    """
    items.sort(key=lambda item: SOONEST.index(item.path.name) if item.path.name in SOONEST else len(SOONEST))


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
