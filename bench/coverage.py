"""`coverage.*`: a year of one camera, a day of 100,000 cameras, and how fast the days that are over are reckoned."""

import logging
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from bench.results import Result, at_least, limited
from bench.years_of_footage import asking, copied, fill, p95, run, server
from control_plane.coverage.keeping import keep_day

CAMERAS = 100_000
_DAYS = 365
_ROUNDS = 20
_NEEDED_A_SECOND = CAMERAS / 86_400
"""So many days of cameras end in a second of such a fleet."""
YEAR_GOAL_MS, RECKONED_GOAL_MS, DAY_GOAL_MS = 200, 10_000, 1000

# What the job leaves behind of a day of many cameras: one in ten lost something.
_FLEET_DAY = """
    INSERT INTO sites (id, name, timezone)
    SELECT gen_random_uuid(), 'Site ' || n, (ARRAY['Europe/Berlin', 'America/New_York', 'Asia/Kolkata'])[n % 3 + 1]
    FROM generate_series(0, {cameras} / 10 - 1) AS n;

    SET session_replication_role = replica;

    INSERT INTO cameras (id, site_id, name, camera_type, record_quality, recording_mode, created_at)
    SELECT gen_random_uuid(), site.id, 'Camera ' || n, 'rtsp', 'medium', 'local_client', now() - interval '1 year'
    FROM sites AS site CROSS JOIN generate_series(1, 10) AS n;

    INSERT INTO coverage_days (
        day, camera_id, begins, ends, due, stored, local_only, deleted, lost, unaccounted, beyond_due
    )
    SELECT day, camera.id, CAST(day AS timestamp) AT TIME ZONE site.timezone,
           CAST(day + 1 AS timestamp) AT TIME ZONE site.timezone, 86400, 86310.5, 0, 0,
           CASE WHEN random() < 0.1 THEN '{{"camera_unreachable": 60.5, "stream_stalled": 29}}'::jsonb ELSE '{{}}' END,
           0, 0
    FROM cameras AS camera JOIN sites AS site ON site.id = camera.site_id
    CROSS JOIN (SELECT current_date - n AS day FROM generate_series(2, 8) AS n) AS days;

    RESET session_replication_role;

    VACUUM ANALYZE
"""


async def coverage(folder: Path) -> list[Result]:
    """All of it."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    async with server(folder) as postgres:
        year, fleet = await copied(postgres, "one_camera"), await copied(postgres, "many_cameras")
        await fill(year, cameras=1, segments=_DAYS * 1440)
        await run(fleet, _FLEET_DAY.format(cameras=CAMERAS))
        return [*await _of_a_year(year, folder), *await _of_a_day(fleet, folder)]


async def _of_a_year(database: str, folder: Path) -> list[Result]:
    today = datetime.now(UTC).date()
    days = {"first_day": today - timedelta(days=_DAYS), "last_day": today - timedelta(days=1), "limit": 366}
    async with asking(database, folder) as asked:
        reckoned = [(await asked.seconds("coverage/", **days))[0] for _ in range(3)]
        began = time.perf_counter()
        done = 0
        for number in range(2, _DAYS):
            day = today - timedelta(days=number)
            while found := await keep_day(asked.services.sessions, "Europe/Berlin", day, datetime.now(UTC)):
                done += found
        rate = done / (time.perf_counter() - began)
        kept = [(await asked.seconds("coverage/", **days))[0] for _ in range(_ROUNDS)]
    return [
        limited("coverage.camera_year", p95(kept), "ms", YEAR_GOAL_MS, reference=min(reckoned) * 1000),
        limited("coverage.camera_year.reckoned", max(reckoned) * 1000, "ms", RECKONED_GOAL_MS),
        at_least("coverage.days_reckoned", rate, "days/s", _NEEDED_A_SECOND, 1.0),
    ]


async def _of_a_day(database: str, folder: Path) -> list[Result]:
    day = datetime.now(UTC).date() - timedelta(days=3)
    async with asking(database, folder) as asked:
        seconds = []
        for _ in range(_ROUNDS):
            took, answer = await asked.seconds("coverage/total/", first_day=day, last_day=day)
            if (answer["camera_days"], answer["missing_camera_days"]) != (CAMERAS, 0):
                raise NotKeptError(f"{answer}")
            seconds.append(took)
    return [limited(f"coverage.fleet_day.{CAMERAS}", p95(seconds), "ms", DAY_GOAL_MS)]


class NotKeptError(Exception):
    """The days are not what they were filled in as."""
