"""A site with recorders, made through the functions that the console and the API use."""

import uuid
from dataclasses import dataclass
from typing import Any

import httpx
from sqlalchemy import text

from control_plane.events import Actor
from control_plane.fleet.cameras import NewCamera, create_camera
from control_plane.fleet.clients import assign_camera, create_client, find_client
from control_plane.fleet.schedules import NewSchedule, create_schedule
from control_plane.fleet.sites import NewSite, create_site
from control_plane.security.principals import UNLIMITED
from control_plane.service import RunningService

OPERATOR = Actor("operator:test")
API = "/v0/api/local-client"
CALLS = [
    ("GET", "schedules"),
    ("GET", "cameras"),
    ("GET", "config"),
    ("POST", "heartbeat"),
    ("POST", "recordings/register"),
    ("POST", "recordings/status"),
    ("POST", "segments/offer"),
    ("POST", "gaps"),
    ("POST", "commands/01936f3e-8a11-7b02-8d11-52c6e1f0a902/result"),
]
"""Every call that needs a token."""


@dataclass(frozen=True, slots=True)
class Recorder:
    """A recorder's side of the wire."""

    id: uuid.UUID
    token: str
    http: httpx.AsyncClient

    async def get(self, path: str, **more: Any) -> httpx.Response:
        return await self.http.get(f"{API}/{path}", **more)

    async def post(self, path: str, **more: Any) -> httpx.Response:
        return await self.http.post(f"{API}/{path}", **more)

    async def register(self, camera_id: uuid.UUID, **more: Any) -> uuid.UUID:
        parameters = {"camera_id": str(camera_id), "schedule_id": "", "recording_name": "Yard"} | more
        response = await self.post("recordings/register", params=parameters)
        assert response.status_code == 200, response.text
        return uuid.UUID(response.json()["recording_id"])

    async def report(self, recording_id: uuid.UUID, status: str, **more: Any) -> None:
        body = {"recording_id": str(recording_id), "status": status} | more
        response = await self.post("recordings/status", json=body)
        assert response.status_code == 200, response.text


@dataclass(frozen=True, slots=True)
class Place:
    """One site of a running control plane."""

    service: RunningService
    site_id: uuid.UUID

    async def recorder(self, *camera_ids: uuid.UUID, name: str = "Warehouse") -> Recorder:
        async with self.service.services.sessions.begin() as session:
            client, token = await create_client(session, name, self.site_id, camera_ids, actor=OPERATOR)
        headers = {"Authorization": f"Bearer {token.text}"}
        http = httpx.AsyncClient(base_url=self.service.url, headers=headers, timeout=30, follow_redirects=False)
        return Recorder(client.id, token.text, http)

    async def camera(self, name: str = "Yard", **fields: Any) -> uuid.UUID:
        values = {"name": name, "site_id": self.site_id, "ip_address": "192.168.1.20"} | fields
        async with self.service.services.sessions.begin() as session:
            camera = await create_camera(session, self.service.services.secrets, NewCamera.of(values), actor=OPERATOR)
        return camera.id

    async def schedule(self, camera_id: uuid.UUID, name: str = "Night", **fields: Any) -> uuid.UUID:
        values = {
            "camera_id": camera_id,
            "name": name,
            "schedule_type": "daily",
            "start_time": "20:00:00",
            "end_time": "23:59:59",
        } | fields
        async with self.service.services.sessions.begin() as session:
            schedule = await create_schedule(session, NewSchedule.of(values), actor=OPERATOR)
        return schedule.id

    async def assign(self, recorder: Recorder, camera_id: uuid.UUID) -> None:
        async with self.service.services.sessions.begin() as session:
            client = await find_client(session, recorder.id, seen_by=UNLIMITED, for_change=True)
            await assign_camera(session, client, camera_id, actor=OPERATOR)

    async def rows(self, statement: str, **parameters: Any) -> list[Any]:
        """What a statement gives, or nothing for one that only changes something."""
        async with self.service.services.sessions.begin() as session:
            result: Any = await session.execute(text(statement), parameters)
            return list(result.mappings()) if result.returns_rows else []

    async def row(self, statement: str, **parameters: Any) -> Any:
        """The only row that a statement gives."""
        (row,) = await self.rows(statement, **parameters)
        return row


async def open_place(service: RunningService) -> Place:
    async with service.services.sessions.begin() as session:
        site = await create_site(session, NewSite.of({"name": "Depot", "timezone": "Europe/Berlin"}), actor=OPERATOR)
    return Place(service, site.id)
