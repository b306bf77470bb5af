"""A worker on the test's database, and what its queue says of it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from control_plane.jobs.worker import work
from control_plane.services import Services
from tests.postgres import connect

LIMIT_SECONDS = 60.0


@asynccontextmanager
async def working(services: Services) -> AsyncIterator["asyncio.Task[None]"]:
    """A worker, and no more at the end."""
    worker = asyncio.create_task(work(services))
    try:
        yield worker
    finally:
        worker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await worker


@asynccontextmanager
async def looking(database: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A connection that sees the queue's tables."""
    connection = await connect(database)
    try:
        await connection.execute("SET search_path TO public, jobs")
        yield connection
    finally:
        await connection.close(timeout=5)


async def until(connection: "asyncpg.Connection[asyncpg.Record]", query: str, *arguments: Any) -> Any:
    """Wait until the query answers with something; the answer."""
    limit = time.monotonic() + LIMIT_SECONDS
    while not (answer := await connection.fetchval(query, *arguments)):
        assert time.monotonic() < limit, query
        await asyncio.sleep(0.1)
    return answer
