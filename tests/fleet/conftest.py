"""A fleet: database, control plane, operator, simulated camera, and a recorder that is not started yet."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest_asyncio
from cryptography.fernet import Fernet

from camera_simulator import CameraSimulator, CameraSpec
from demo.operator import Operator, operator
from demo.processes import call
from tests.fleet.processes import Service
from tests.ports import free_port


@dataclass(frozen=True, slots=True)
class Fleet:
    """What a fleet test works with."""

    control_plane: Service
    recorder: Service
    chief: Operator
    simulator: CameraSimulator
    store: Path
    camera_id: str
    created_at: datetime

    async def segments(self) -> list[dict[str, Any]]:
        """Every segment that the control plane knows of the camera, oldest first."""
        found = await self.chief.segments(self.camera_id, self.created_at)
        return sorted(found, key=lambda segment: str(segment["started_at"]))

    async def stored(self, count: int) -> list[dict[str, Any]] | None:
        """The stored segments once there are `count` of them."""
        segments = [segment for segment in await self.segments() if segment["state"] == "stored"]
        return segments if len(segments) >= count else None

    async def record(self, segment_seconds: int) -> str:
        """Record the camera from now on; return the schedule's id."""
        schedule = await self.chief.create(
            "schedules",
            camera_id=self.camera_id,
            name="Always",
            schedule_type="continuous",
            start_time="00:00:00",
            end_time="00:00:00",
            segment_seconds=segment_seconds,
        )
        return str(schedule["id"])


@pytest_asyncio.fixture
async def fleet(database: str, tmp_path: Path) -> AsyncIterator[Fleet]:
    store = tmp_path / "bucket"
    store.mkdir()
    settings = {
        "DATABASE_URL": database,
        "SECRET_KEYS": Fernet.generate_key().decode(),
        "STORAGE_URL": store.as_uri(),
        "DATA_DIR": str(tmp_path / "data"),
        "PORT": str(free_port()),
        "LOG_FORMAT": "json",
    }
    control_plane = Service(["control-plane", "serve"], settings, int(settings["PORT"]), "/health/ready", tmp_path)
    printed = await call("control-plane", "create-api-key", "tests", "--role", "admin", env=settings, folder=tmp_path)
    await control_plane.start()

    async with (
        operator(control_plane.url, printed.splitlines()[-1]) as chief,
        CameraSimulator([CameraSpec(name="yard", user="viewer", password="s3cret/pass")]) as simulator,
    ):
        site = await chief.create("sites", name="Site", timezone="Europe/Berlin")
        camera = await chief.create("cameras", site_id=site["id"], name="Yard", rtsp_url=simulator.url("yard"))
        client = await chief.create("clients", name="Box", site_id=site["id"], camera_ids=[camera["id"]])
        port = free_port()
        recorder = Service(
            ["recorder", "run"],
            {
                "BACKEND_API_URL": control_plane.url,
                "CLIENT_TOKEN": client["client_token"],
                "RECORDING_BASE_DIR": str(tmp_path / "recorder"),
                "STORAGE_URL": store.as_uri(),
                "STATUS_PORT": str(port),
                "HEARTBEAT_INTERVAL_SECONDS": "1",
                "SYNC_INTERVAL_SECONDS": "1",
            },
            port,
            "/health",
            tmp_path,
        )
        yield Fleet(control_plane, recorder, chief, simulator, store, camera["id"], datetime.now(UTC))
        await recorder.stop()
    await control_plane.stop()
