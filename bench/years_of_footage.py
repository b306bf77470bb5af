"""Databases with a great deal of footage, written by PostgreSQL itself, and the operators' API on them."""

import contextlib
import statistics
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy.engine import make_url

from control_plane.database import create_engine, create_sessions
from control_plane.embedded import EmbeddedPostgres
from control_plane.events import COMMAND_LINE
from control_plane.local_client.config_changes import ConfigChanges
from control_plane.main import create_app
from control_plane.migration import migrate
from control_plane.models import Role
from control_plane.partitions import create_partition, months
from control_plane.security.api_keys import create_api_key
from control_plane.security.secrets import SecretBox
from control_plane.services import Services
from control_plane.settings import Settings
from control_plane.stores import open_store

# What is written need not outlive a power cut, only the benchmark.
PARAMETERS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_wal_size": "4GB",
    "shared_buffers": "512MB",
    "maintenance_work_mem": "256MB",
}
_LONGEST_SECONDS = 1200.0
_CAMERAS_OF_A_SITE = 10

_FLEET = """
    INSERT INTO sites (id, name, timezone)
    SELECT gen_random_uuid(), 'Site ' || n, 'Europe/Berlin'
    FROM generate_series(0, ({cameras} - 1) / {of_a_site}) AS n;

    INSERT INTO clients (id, site_id, name) SELECT gen_random_uuid(), id, 'Recorder of ' || name FROM sites;

    INSERT INTO cameras (id, site_id, name, camera_type, record_quality, recording_mode, created_at)
    SELECT gen_random_uuid(), site.id, 'Camera ' || n, 'rtsp', 'medium', 'local_client', now() - interval '3 years'
    FROM generate_series(0, {cameras} - 1) AS n JOIN sites AS site ON site.name = 'Site ' || n / {of_a_site};

    INSERT INTO schedules (id, camera_id, name, schedule_type, start_time, end_time)
    SELECT gen_random_uuid(), id, 'Always', 'continuous', '00:00', '00:00' FROM cameras;

    UPDATE versions SET since = now() - interval '3 years'
"""
# An hour of a camera is a recording; one in a thousand failed. Neither foreign keys nor triggers are asked: they would
# take most of the time.
_FOOTAGE = """
    SET session_replication_role = replica;

    INSERT INTO recordings (id, client_id, camera_id, name, status, started_at, ended_at)
    SELECT gen_random_uuid(), client.id, camera.id, 'Hour', CASE WHEN n % 1000 = 7 THEN 'failed' ELSE 'completed' END,
           at - make_interval(hours => n + 1), at - make_interval(hours => n)
    FROM cameras AS camera JOIN clients AS client USING (site_id)
    CROSS JOIN generate_series(0, ({minutes} - 1) / 60) AS n
    CROSS JOIN (SELECT date_trunc('hour', now()) AS at) AS hour;

    INSERT INTO segments (
        camera_id, started_at, id, ended_at, client_id, recording_id, state, size_bytes, crc32c, sha256, codec, packets,
        object_name, generation, stored_at
    )
    SELECT camera_id, started_at + make_interval(mins => n), gen_random_uuid(),
           started_at + make_interval(mins => n + 1), client_id, id, 'stored', 7500000, 'yZRlqg==', repeat('9f', 32),
           'h264', 1500, 'cameras/' || camera_id || '/' || n, 0, now()
    FROM recordings CROSS JOIN generate_series(0, 59) AS n ORDER BY camera_id, started_at, n;

    RESET session_replication_role;

    VACUUM ANALYZE
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """An operators' script, and the database behind it."""

    http: httpx.AsyncClient
    services: Services
    database: str

    async def seconds(self, path: str, **parameters: object) -> tuple[float, Any]:
        """How long a call takes, and its answer."""
        began = time.perf_counter()
        answer = await self.http.get(path, params={name: str(value) for name, value in parameters.items()})
        took = time.perf_counter() - began
        return took, answer.raise_for_status().json()


def p95(seconds: list[float]) -> float:
    """Of many calls, in milliseconds."""
    return statistics.quantiles(seconds, n=20)[-1] * 1000


@contextlib.asynccontextmanager
async def server(folder: Path) -> AsyncIterator[EmbeddedPostgres]:
    """A database server of its own."""
    postgres = EmbeddedPostgres(folder / "database", parameters=PARAMETERS)
    await postgres.start()
    try:
        await migrate(postgres.url)
        yield postgres
    finally:
        await postgres.stop()


async def copied(postgres: EmbeddedPostgres, name: str) -> str:
    """Another database of the server, migrated and empty; its URL. Before anything is filled into the first."""
    template = make_url(postgres.url)
    everywhere = template.set(database="postgres").render_as_string(hide_password=False)
    await run(everywhere, f"CREATE DATABASE {name} TEMPLATE {template.database}")
    return template.set(database=name).render_as_string(hide_password=False)


async def fill(database: str, *, cameras: int, segments: int) -> None:
    """Cameras that were recorded day and night up to now, a segment a minute."""
    await run(database, _FLEET.format(cameras=cameras, of_a_site=_CAMERAS_OF_A_SITE))
    await run(database, *_partitions(segments // cameras))
    await run(database, _FOOTAGE.format(minutes=segments // cameras))


def _partitions(minutes: int) -> list[str]:
    """What the migrations don't make: months that are longer ago."""
    now = datetime.now(UTC)
    first = (now - timedelta(minutes=minutes + 60)).date()
    found = takewhile(lambda month: month <= now.date(), months(first))
    return [create_partition("segments", month).replace("TABLE", "TABLE IF NOT EXISTS", 1) for month in found]


async def run(database: str, *texts: str) -> None:
    """Statements, apart by a semicolon at the end of a line."""
    connection = await connected(database)
    try:
        for text in texts:
            for statement in text.strip().split(";\n"):
                await connection.execute(statement, timeout=_LONGEST_SECONDS)
    finally:
        await connection.close()


async def connected(database: str) -> "asyncpg.Connection[asyncpg.Record]":
    """A bare connection."""
    url = make_url(database)
    return await asyncpg.connect(
        user=url.username, password=url.password, host=url.host, port=url.port, database=url.database, ssl=False
    )


@contextlib.asynccontextmanager
async def asking(database: str, folder: Path) -> AsyncIterator[Asked]:
    """The application, called without a network between."""
    key = Fernet.generate_key().decode()
    settings = Settings(
        _env_file=None,
        database_url=SecretStr(database),
        data_dir=folder,
        secret_keys=SecretStr(key),
        background_jobs=False,
    )
    engine = create_engine(database, statement_timeout_seconds=60)
    store = open_store("", default_folder=folder / "bucket", credentials=None)
    services = Services(settings, engine, create_sessions(engine), SecretBox(key), store, ConfigChanges())
    async with services.sessions.begin() as session:
        api_key = await create_api_key(session, "bench", Role.VIEWER, actor=COMMAND_LINE)
    transport = httpx.ASGITransport(create_app(services))
    headers = {"Authorization": f"Bearer {api_key.text}"}
    base = "http://control-plane.test/v0/api/cctv/"
    try:
        async with httpx.AsyncClient(transport=transport, base_url=base, headers=headers, timeout=120) as http:
            yield Asked(http, services, database)
    finally:
        await store.close()
        await engine.dispose()
