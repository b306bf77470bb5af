"""Footage to drill on, made once, and a stock of it."""

import pytest
import pytest_asyncio

from control_plane.services import Services
from tests.control_plane.drills.segments import Cellar, make_footage
from tests.control_plane.recordings.stored import stock


@pytest.fixture(scope="session")
def footage(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return make_footage(tmp_path_factory.mktemp("footage"))


@pytest_asyncio.fixture
async def cellar(services: Services, footage: bytes) -> Cellar:
    return Cellar(await stock(services), footage, services.store)
