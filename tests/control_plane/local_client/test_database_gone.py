"""The database goes away in the middle: 503, and all is well again once it is back."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from sqlalchemy.engine import make_url
from uuid_utils.compat import uuid7

from tests.control_plane.local_client.footage import START, Footage
from tests.control_plane.local_client.sites import API, CALLS, Place, Recorder
from tests.postgres import Postgres, connect


@contextlib.asynccontextmanager
async def gone(postgres: Postgres, url: str) -> AsyncIterator[None]:
    name = make_url(url).database
    await postgres.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    await postgres.execute(
        f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'"  # noqa: S608 - our name
    )
    try:
        yield
    finally:
        await postgres.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


async def test_every_call_is_503_meanwhile_and_works_again_afterwards(
    postgres: Postgres, database: str, place: Place, recorder: Recorder
) -> None:
    assert (await recorder.get("schedules")).status_code == 200
    async with gone(postgres, database):
        for method, path in CALLS:
            response = await recorder.http.request(method, f"{API}/{path}")
            assert response.status_code == 503, (path, response.text)
            assert response.headers["Retry-After"]
            assert "asyncpg" not in response.text
        assert (await recorder.get("health")).status_code == 200
    assert (await recorder.get("schedules")).status_code == 200


async def test_a_recorder_that_waits_hears_of_what_was_changed_after_the_database_came_back(
    postgres: Postgres, database: str, place: Place, recorder: Recorder
) -> None:
    changes = place.service.services.config_changes
    async with asyncio.timeout(60):
        await changes.until_listening()
    etag = (await recorder.get("config")).headers["ETag"]
    request = asyncio.create_task(recorder.get("config", params={"wait": 30}, headers={"If-None-Match": etag}))
    async with asyncio.timeout(60):
        while not changes.waiting:  # noqa: ASYNC110 - a count, no event
            await asyncio.sleep(0.005)
    async with gone(postgres, database):
        pass
    await place.rows("UPDATE cameras SET name = 'Renamed'")
    async with asyncio.timeout(28):
        response = await request
    assert response.json()["cameras"][0]["name"] == "Renamed"


DIE_AT_THE_COMMIT = """
    CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(60); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER die AFTER INSERT OR UPDATE ON {table} DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION die();
"""


@contextlib.asynccontextmanager
async def dying_before_the_commit(url: str, table: str) -> AsyncIterator[None]:
    """The connection of every transaction that wrote into `table` is gone when it should be committed."""
    connection = await connect(url)
    try:
        await connection.execute(DIE_AT_THE_COMMIT.format(table=table))
        yield
        await connection.execute("DROP FUNCTION die CASCADE")
    finally:
        await connection.close(timeout=5)


async def test_nothing_is_acknowledged_that_was_not_committed(
    database: str, place: Place, camera_id: uuid.UUID, recorder: Recorder, footage: Footage
) -> None:
    offer = footage.offer()
    footage.put(offer)
    gap = {
        "id": str(uuid7()),
        "camera_id": str(camera_id),
        "start": START.isoformat(),
        "end": (START + timedelta(seconds=30)).isoformat(),
        "cause": "recorder_down",
    }
    registration = {"camera_id": str(camera_id), "recording_name": "Yard", "recording_id": str(uuid7())}
    calls: list[tuple[str, dict[str, Any], str]] = [
        (
            "recordings/register",
            {"params": registration},
            f"FROM recordings WHERE id = '{registration['recording_id']}'",
        ),
        (
            "recordings/status",
            {"json": {"recording_id": str(footage.recording_id), "status": "completed"}},
            "FROM recordings WHERE status = 'completed'",
        ),
        ("segments/offer", {"json": {"segments": [offer]}}, "FROM segments WHERE state = 'stored'"),
        ("gaps", {"json": {"gaps": [gap]}}, "FROM gaps"),
        ("heartbeat", {"json": {"active_recordings": 3}}, "FROM client_contacts WHERE active_recordings = 3"),
    ]
    for path, call, trace in calls:
        async with dying_before_the_commit(database, trace.split()[1]):
            response = await recorder.post(path, **call)
        assert (response.status_code, response.headers["Retry-After"]) == (503, "5"), path
        assert await place.rows(f"SELECT 1 {trace}") == [], path
        assert (await recorder.post(path, **call)).status_code == 200, path
        assert len(await place.rows(f"SELECT 1 {trace}")) == 1, path
