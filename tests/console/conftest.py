"""The console, its operators, and a fleet to look at."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import httpx
import pytest_asyncio
from fastapi import FastAPI

from control_plane.events import COMMAND_LINE
from control_plane.fleet.cameras import NewCamera, create_camera
from control_plane.fleet.clients import create_client
from control_plane.fleet.schedules import NewSchedule, create_schedule
from control_plane.fleet.sites import NewSite, create_site
from control_plane.models import Operator, Role
from control_plane.security.passwords import hash_password
from control_plane.services import Services
from tests.console.visitor import PASSWORD, Visitor
from tests.control_plane.conftest import app, client, server, services, settings

__all__ = ["app", "client", "server", "services", "settings"]

CAMERA_PASSWORD = "s3cret-of-the-camera"
URL_PASSWORD = "s3cret-in-the-url"


@pytest_asyncio.fixture(scope="session")
async def password_hash() -> str:
    """Made once: argon2id is slow on purpose."""
    return await hash_password(PASSWORD)


@pytest_asyncio.fixture
async def operators(services: Services, password_hash: str) -> None:
    """One of each role, named like it."""
    async with services.sessions.begin() as session:
        session.add_all(Operator(username=str(role), password_hash=password_hash, role=role) for role in Role)


@pytest_asyncio.fixture
async def visitor(client: httpx.AsyncClient, operators: None) -> Visitor:
    """Somebody who has not logged in."""
    return Visitor(client)


@pytest_asyncio.fixture
async def as_role(app: FastAPI, operators: None) -> AsyncIterator[Callable[[Role], Awaitable[Visitor]]]:
    """Makes people who are logged in."""
    opened: list[httpx.AsyncClient] = []

    async def log_in(role: Role) -> Visitor:
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://console.test")
        opened.append(client)
        visitor = Visitor(client)
        assert (await visitor.log_in(str(role))).status_code == 303
        return visitor

    yield log_in
    for one in opened:
        await one.aclose()


@pytest_asyncio.fixture
async def admin(as_role: Callable[[Role], Awaitable[Visitor]]) -> Visitor:
    return await as_role(Role.ADMIN)


@dataclass(frozen=True)
class Fleet:
    """One of each, with every secret that there can be."""

    site: uuid.UUID
    client: uuid.UUID
    camera: uuid.UUID
    camera_by_url: uuid.UUID
    schedule: uuid.UUID
    token: str


@pytest_asyncio.fixture
async def fleet(services: Services) -> Fleet:
    async with services.sessions.begin() as session:
        site = await create_site(session, NewSite(name="Depot", timezone="Europe/Berlin"), actor=COMMAND_LINE)
        camera = await create_camera(
            session,
            services.secrets,
            NewCamera(
                name="Yard", site_id=site.id, ip_address="192.0.2.7", username="viewer", password=CAMERA_PASSWORD
            ),
            actor=COMMAND_LINE,
        )
        url = f"rtsp://user:{URL_PASSWORD}@192.0.2.8:554/s1"
        by_url = await create_camera(
            session,
            services.secrets,
            NewCamera(name="Gate", site_id=site.id, rtsp_url=url, rtsp_url_sub=url),
            actor=COMMAND_LINE,
        )
        client, token = await create_client(session, "Box 1", site.id, [camera.id], actor=COMMAND_LINE)
        schedule = await create_schedule(
            session,
            NewSchedule.of(
                {
                    "name": "Nights",
                    "camera_id": camera.id,
                    "schedule_type": "daily",
                    "start_time": "22:00:00",
                    "end_time": "06:00:00",
                }
            ),
            actor=COMMAND_LINE,
        )
    return Fleet(site.id, client.id, camera.id, by_url.id, schedule.id, token.text)
