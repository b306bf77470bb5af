"""A fleet: database, control plane, operator, simulated camera, and a recorder that is not started yet."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest_asyncio
from cryptography.fernet import Fernet

from camera_simulator import CameraSimulator, CameraSpec
from demo.operator import Operator, operator
from demo.processes import call
from tests.fleet.processes import Service, moment
from tests.ports import free_port
from tests.postgres import connect
from tests.recorder.gcs import Gcs, gcs_server


@dataclass(frozen=True, slots=True)
class Fleet:
    """What a fleet test works with."""

    control_plane: Service
    recorder: Service
    chief: Operator
    simulator: CameraSimulator
    store: Path
    database: str
    client_id: str
    camera_id: str
    created_at: datetime

    @property
    def on_disk(self) -> set[str]:
        """The ids of the segments whose sealed files the recorder has."""
        return {file.stem for file in (self.recorder.folder / "recorder" / "recordings").rglob("*.mp4")}

    async def segments(self) -> list[dict[str, Any]]:
        """Every segment that the control plane knows of the camera, oldest first."""
        found = await self.chief.segments(self.camera_id, self.created_at)
        return sorted(found, key=lambda segment: str(segment["started_at"]))

    async def stored(self, count: int) -> list[dict[str, Any]] | None:
        """The stored segments once there are `count` of them."""
        segments = [segment for segment in await self.segments() if segment["state"] == "stored"]
        return segments if len(segments) >= count else None

    async def rows(self, query: str) -> list[dict[str, Any]]:
        """What the database says, also while the control plane is down."""
        connection = await connect(self.database)
        try:
            return [dict(row) for row in await connection.fetch(query)]
        finally:
            await connection.close(timeout=5)

    async def has_backlog(self, count: int) -> bool:
        """Whether the recorder has so many segments still to bring."""
        return int((await self.recorder.status())["backlog"]["segments"]) >= count

    async def recording_since(self) -> datetime | None:
        """Since when the recorder records the camera."""
        states = (await self.recorder.status())["camera_states"]
        since = [moment(state["since"]) for state in states if state["condition"] == "recording"]
        return since[0] if since else None

    async def stored_after(self, instant: datetime, count: int = 1) -> bool:
        """Whether so many segments that began later are stored."""
        found = [s for s in await self.segments() if s["state"] == "stored" and moment(s["started_at"]) > instant]
        return len(found) >= count

    async def is_drained(self) -> bool:
        """Whether the control plane has all that it knows of, and the recorder knows of no more."""
        return all(segment["state"] == "stored" for segment in await self.segments()) and not await self.has_backlog(1)

    async def record(self, segment_seconds: int) -> str:
        """Record the camera from now on; return the schedule's id."""
        return await self.chief.record_always(self.camera_id, segment_seconds=segment_seconds)


@pytest_asyncio.fixture
async def fleet(database: str, tmp_path: Path) -> AsyncIterator[Fleet]:
    """A folder that both sides reach is the store."""
    store = tmp_path / "bucket"
    store.mkdir()
    async with open_fleet(database, tmp_path, {"STORAGE_URL": store.as_uri()}, {"STORAGE_URL": store.as_uri()}) as made:
        yield made


@pytest_asyncio.fixture
async def gcs() -> AsyncIterator[Gcs]:
    """A bucket; on leaving, nobody may have violated the protocol."""
    async with gcs_server() as gcs:
        gcs.needs_token = False  # an emulator asks for none
        yield gcs


@pytest_asyncio.fixture
async def brokered_fleet(database: str, tmp_path: Path, gcs: Gcs) -> AsyncIterator[Fleet]:
    """The store is a bucket to which only the control plane has access; what is stored is not kept on the recorder."""
    control_plane = {"STORAGE_URL": f"gs://{gcs.bucket}", "STORAGE_EMULATOR_HOST": gcs.root}
    recorder = {"KEEP_LOCAL_DAYS": "0", "UPLOAD_CHUNK_MIB": "1", "UPLOAD_PARALLEL": "1"}
    async with open_fleet(database, tmp_path, control_plane, recorder) as made:
        yield made


@asynccontextmanager
async def open_fleet(
    database: str, folder: Path, control_plane_env: Mapping[str, str], recorder_env: Mapping[str, str]
) -> AsyncIterator[Fleet]:
    """The control plane runs, the recorder is not started yet."""
    settings = {
        "DATABASE_URL": database,
        "SECRET_KEYS": Fernet.generate_key().decode(),
        "DATA_DIR": str(folder / "data"),
        "PORT": str(free_port()),
        "LOG_FORMAT": "json",
        **control_plane_env,
    }
    control_plane = Service(["control-plane", "serve"], settings, int(settings["PORT"]), "/health/ready", folder)
    printed = await call("control-plane", "create-api-key", "tests", "--role", "admin", env=settings, folder=folder)
    await control_plane.start()

    async with (
        operator(control_plane.url, printed.splitlines()[-1]) as chief,
        CameraSimulator(
            [CameraSpec(name="yard", user="viewer", password="s3cret/pass", bitrate_bps=4_000_000)]
        ) as simulator,
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
                "RECORDING_BASE_DIR": str(folder / "recorder"),
                "STATUS_PORT": str(port),
                "HEARTBEAT_INTERVAL_SECONDS": "1",
                "SYNC_INTERVAL_SECONDS": "1",
                **recorder_env,
            },
            port,
            "/health",
            folder,
        )
        store, now = folder / "bucket", datetime.now(UTC)
        yield Fleet(control_plane, recorder, chief, simulator, store, database, client["id"], camera["id"], now)
        await recorder.stop()
    await control_plane.stop()
