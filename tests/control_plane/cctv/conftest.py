"""The operators' API on a database of its own, and scripts with keys of each role."""

from collections.abc import AsyncIterator

import httpx
import pytest_asyncio
from fastapi import FastAPI

from control_plane.events import COMMAND_LINE
from control_plane.models import Role
from control_plane.security.api_keys import create_api_key
from control_plane.services import Services
from tests.control_plane.cctv.scripts import Script


@pytest_asyncio.fixture
async def http(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, client=("192.0.2.7", 40000))
    async with httpx.AsyncClient(transport=transport, base_url="http://control-plane.test") as http:
        yield http


async def _script(services: Services, http: httpx.AsyncClient, role: Role) -> Script:
    async with services.sessions.begin() as session:
        key = await create_api_key(session, f"{role} key", role, actor=COMMAND_LINE)
    return Script(http, key.text)


@pytest_asyncio.fixture
async def admin(services: Services, http: httpx.AsyncClient) -> Script:
    return await _script(services, http, Role.ADMIN)


@pytest_asyncio.fixture
async def operator(services: Services, http: httpx.AsyncClient) -> Script:
    return await _script(services, http, Role.OPERATOR)


@pytest_asyncio.fixture
async def viewer(services: Services, http: httpx.AsyncClient) -> Script:
    return await _script(services, http, Role.VIEWER)
