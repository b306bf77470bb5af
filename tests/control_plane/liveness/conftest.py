"""Yards to look at."""

import pytest_asyncio

from control_plane.services import Services
from tests.control_plane.liveness.yard import Yard, make_yard


@pytest_asyncio.fixture
async def yard(services: Services) -> Yard:
    return await make_yard(services)


@pytest_asyncio.fixture
async def due_yard(services: Services) -> Yard:
    """Its camera is due at any time."""
    return await make_yard(services, is_due=True)
