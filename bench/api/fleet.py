"""A fleet in a database, written by PostgreSQL itself: recorders, cameras, schedules, and a great many segments."""

import uuid
from dataclasses import dataclass

import asyncpg
from sqlalchemy.engine import make_url

from control_plane.security.secrets import SecretBox

_OF_A_SITE = 10
_LONGEST_SECONDS = 300.0

_ROWS = """
    INSERT INTO sites (id, name, timezone)
    SELECT gen_random_uuid(), 'Site ' || n, 'Europe/Berlin' FROM generate_series(0, ({clients} - 1) / {of_a_site}) AS n;

    INSERT INTO clients (id, site_id, name)
    SELECT gen_random_uuid(), site.id, 'Recorder ' || n
    FROM generate_series(0, {clients} - 1) AS n JOIN sites AS site ON site.name = 'Site ' || n / {of_a_site};

    INSERT INTO client_tokens (id, client_id, prefix, token_sha256)
    SELECT gen_random_uuid(), id, 'cfr_bench', sha256(convert_to('cfr_bench' || substr(name, 10), 'UTF8')) FROM clients;

    INSERT INTO client_contacts (client_id, last_contact_at) SELECT id, now() - interval '1 hour' FROM clients;

    INSERT INTO cameras (
        id, site_id, name, camera_type, ip_address, username, password_encrypted, rtsp_path, record_quality,
        recording_mode
    )
    SELECT gen_random_uuid(), site_id, name || ', camera ' || n, 'rtsp', '192.0.2.' || n, 'user', $1, '/s1', 'medium',
           'local_client'
    FROM clients CROSS JOIN generate_series(1, {cameras_each}) AS n;

    INSERT INTO client_cameras (client_id, camera_id)
    SELECT client.id, camera.id
    FROM cameras AS camera JOIN clients AS client ON client.name = split_part(camera.name, ',', 1);

    INSERT INTO schedules (id, camera_id, name, schedule_type, start_time, end_time)
    SELECT gen_random_uuid(), id, 'Night', 'daily', '20:00', '06:00' FROM cameras;

    INSERT INTO recordings (id, client_id, camera_id, schedule_id, name, status, started_at)
    SELECT gen_random_uuid(), client_id, camera_id, schedules.id, 'Night', 'recording',
           now() - make_interval(mins => {segments_each})
    FROM client_cameras JOIN schedules USING (camera_id);

    INSERT INTO segments (
        camera_id, started_at, id, ended_at, client_id, recording_id, state, size_bytes, crc32c, sha256, codec, packets,
        object_name, generation, stored_at
    )
    SELECT camera_id, recording.started_at + make_interval(mins => n), gen_random_uuid(),
           recording.started_at + make_interval(mins => n + 1), client_id, recording.id, 'stored', 7500000, 'yZRlqg==',
           repeat('9f', 32), 'h264', 1500, 'cameras/' || camera_id || '/' || n, 0, now()
    FROM recordings AS recording CROSS JOIN generate_series(0, {segments_each} - 1) AS n;
"""


@dataclass(frozen=True, slots=True)
class BenchClient:
    """One recorder, as its calls need it."""

    token: str
    client_id: uuid.UUID
    camera_ids: tuple[uuid.UUID, ...]
    schedule_ids: tuple[uuid.UUID, ...]
    recording_ids: tuple[uuid.UUID, ...]
    """What goes on, a recording of each camera."""


async def fill(database: str, secrets: SecretBox, *, clients: int, cameras_each: int, segments: int) -> None:
    """Write the fleet into an empty migrated database, its segments evenly among its cameras up to now."""
    password = secrets.encrypt("s3cret")
    rows = _ROWS.format(
        clients=clients,
        of_a_site=_OF_A_SITE,
        cameras_each=cameras_each,
        segments_each=segments // (clients * cameras_each),
    )
    connection = await connected(database)
    try:
        for statement in rows.strip().removesuffix(";").split(";\n"):
            given = [password] if "$1" in statement else []
            await connection.execute(statement, *given, timeout=_LONGEST_SECONDS)
        # As autovacuum leaves a table that has been there for a while.
        await connection.execute("VACUUM ANALYZE", timeout=_LONGEST_SECONDS)
    finally:
        await connection.close()


async def read_clients(database: str) -> list[BenchClient]:
    """All recorders of a fleet that was filled in."""
    connection = await connected(database)
    try:
        rows = await connection.fetch("""
            SELECT 'cfr_bench' || substr(client.name, 10) AS token, client.id,
                   array_agg(recording.camera_id) AS cameras, array_agg(recording.schedule_id) AS schedules,
                   array_agg(recording.id) AS recordings
            FROM clients AS client JOIN recordings AS recording ON recording.client_id = client.id
            GROUP BY client.id ORDER BY client.id
        """)
    finally:
        await connection.close()
    return [
        BenchClient(row["token"], row["id"], *(tuple(row[name]) for name in ("cameras", "schedules", "recordings")))
        for row in rows
    ]


async def connected(database: str) -> "asyncpg.Connection[asyncpg.Record]":
    """A bare connection to the database of a SQLAlchemy URL."""
    url = make_url(database)
    return await asyncpg.connect(
        user=url.username, password=url.password, host=url.host, port=url.port, database=url.database, ssl=False
    )
