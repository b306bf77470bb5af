"""The database goes away in the middle: 503, and all is well again once it is back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from sqlalchemy.engine import make_url

from tests.control_plane.local_client.sites import API, CALLS, Place, Recorder
from tests.postgres import Postgres


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
    async with asyncio.timeout(10):
        await changes.until_listening()
    etag = (await recorder.get("config")).headers["ETag"]
    request = asyncio.create_task(recorder.get("config", params={"wait": 30}, headers={"If-None-Match": etag}))
    async with asyncio.timeout(10):
        while not changes.waiting:  # noqa: ASYNC110 - a count, no event
            await asyncio.sleep(0.005)
    async with gone(postgres, database):
        pass
    await place.rows("UPDATE cameras SET name = 'Renamed'")
    async with asyncio.timeout(20):
        response = await request
    assert response.json()["cameras"][0]["name"] == "Renamed"
