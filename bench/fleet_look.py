"""`liveness.*`: what a look at the whole fleet takes, every 15 seconds, with 10,000 recorders and 100,000 cameras."""

import logging
import time
from datetime import UTC, datetime
from pathlib import Path

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from bench.results import Result, limited
from bench.years_of_footage import copied, server
from control_plane.database import create_engine, create_sessions
from control_plane.liveness.watch import look
from control_plane.liveness.windows import bring_up_to_date

RECORDERS = 10_000
CAMERAS_EACH = 10
LOOK_SECONDS = 1.5
"""A tenth of the time between two looks."""
FIRST_SECONDS = 60.0
"""As long as the job may take: no window is known yet, and each schedule's has to be found."""
_LOOKS = 5
_VERSION = "0.1.0"
_STATEMENT_SECONDS = 120.0

# One camera in a thousand is down. The heartbeats are as long as real ones.
_FILL = (
    """
    INSERT INTO sites (id, name, timezone)
    SELECT md5('site ' || n)::uuid, 'Site ' || n, 'Europe/Berlin' FROM generate_series(0, 99) AS n
    """,
    """
    INSERT INTO clients (id, site_id, name)
    SELECT md5('client ' || n)::uuid, md5('site ' || n % 100)::uuid, 'Box ' || n
    FROM generate_series(1, :recorders) AS n
    """,
    """
    INSERT INTO cameras (id, site_id, name, camera_type, record_quality, recording_mode, created_at, updated_at)
    SELECT md5('camera ' || n || ' ' || m)::uuid, md5('site ' || n % 100)::uuid, 'Camera ' || m, 'rtsp', 'medium',
           'local_client', now() - interval '30 days', now() - interval '30 days'
    FROM generate_series(1, :recorders) AS n, generate_series(1, :each) AS m
    """,
    """
    INSERT INTO client_cameras (client_id, camera_id)
    SELECT md5('client ' || n)::uuid, md5('camera ' || n || ' ' || m)::uuid
    FROM generate_series(1, :recorders) AS n, generate_series(1, :each) AS m
    """,
    """
    INSERT INTO schedules (id, camera_id, name, schedule_type, start_time, end_time)
    SELECT md5('schedule ' || n || ' ' || m)::uuid, md5('camera ' || n || ' ' || m)::uuid, 'Always', 'continuous',
           '00:00', '00:00'
    FROM generate_series(1, :recorders) AS n, generate_series(1, :each) AS m
    """,
    """
    INSERT INTO client_contacts (client_id, last_contact_at, last_heartbeat_at, heartbeat)
    SELECT md5('client ' || n)::uuid, now(), now(), jsonb_build_object(
        'version', CAST(:version AS text), 'sequence', 1000, 'boot_id', md5('boot ' || n),
        'system_info', jsonb_build_object('platform', 'Linux-6.1.0-13-amd64-x86_64-with-glibc2.36', 'cpu_count', 4),
        'disk', jsonb_build_object('total_bytes', 500107862016, 'free_bytes', 127131062272),
        'backlog', jsonb_build_object('segments', 12, 'bytes', 90177536, 'oldest', now()),
        'problems', jsonb_build_array(),
        'cameras', (
            SELECT jsonb_agg(jsonb_build_object(
                'camera_id', md5('camera ' || n || ' ' || m)::uuid,
                'condition', CASE WHEN n % 100 = 0 AND m = 1 THEN 'unreachable' ELSE 'recording' END,
                'since', '2026-03-01T19:00:00Z', 'reason', '', 'last_footage_at', '2026-03-01T20:15:29Z'))
            FROM generate_series(1, :each) AS m))
    FROM generate_series(1, :recorders) AS n
    """,
    """
    INSERT INTO listeners (id, since, seen_at)
    VALUES (md5('replica')::uuid, now() - interval '1 day', now() + interval '1 day')
    """,
    "ANALYZE",
)


async def fleet_look(folder: Path, recorders: int = RECORDERS) -> list[Result]:
    """The longest of five looks, and the first finding of every schedule's window."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    async with server(folder) as postgres:
        engine = create_engine(
            await copied(postgres, "fleet"), pool_size=2, statement_timeout_seconds=_STATEMENT_SECONDS
        )
        try:
            async with engine.begin() as connection:
                given = {"recorders": recorders, "each": CAMERAS_EACH, "version": _VERSION}
                for statement in _FILL:
                    asked = {name: value for name, value in given.items() if f":{name}" in statement}
                    await connection.execute(text(statement), asked)
            sessions = create_sessions(engine)
            began = time.perf_counter()
            await bring_up_to_date(sessions, datetime.now(UTC))
            first = time.perf_counter() - began
            looks = [await _look(sessions) for _ in range(_LOOKS)]
        finally:
            await engine.dispose()
    return [
        limited(f"liveness.look.{recorders}", max(looks), "s", LOOK_SECONDS),
        limited(f"liveness.first_windows.{recorders * CAMERAS_EACH}", first, "s", FIRST_SECONDS),
    ]


async def _look(sessions: async_sessionmaker[AsyncSession]) -> float:
    began = time.perf_counter()
    await bring_up_to_date(sessions, datetime.now(UTC))
    async with sessions.begin() as session:
        await look(session, _VERSION, datetime.now(UTC))
    return time.perf_counter() - began
