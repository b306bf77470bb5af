"""The PostgreSQL that the tests run on: the embedded one, or another by TEST_POSTGRES_BIN."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import asyncpg
from sqlalchemy.engine import make_url

from control_plane.embedded import EmbeddedPostgres
from control_plane.embedded.grounds import discard
from control_plane.migration import migrate

# What is written need not outlive a power cut, only the test.
UNSAFE_BUT_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}


def programs() -> Path | None:
    """The folder of another PostgreSQL's programs, as in TEST_POSTGRES_BIN=/usr/lib/postgresql/15/bin."""
    folder = os.environ.get("TEST_POSTGRES_BIN")
    return Path(folder) if folder else None


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server with a migrated template, from which databases are copied in a few milliseconds."""

    server: EmbeddedPostgres
    names: "count[int]"

    @property
    def template_url(self) -> str:
        """The migrated database; connect to it and no copy can be made meanwhile."""
        return self.server.url

    @asynccontextmanager
    async def database(self, *, empty: bool = False) -> AsyncIterator[str]:
        """A fresh migrated (or empty) database, dropped at the end; its URL for SQLAlchemy."""
        template = make_url(self.template_url)
        name = f"test_{next(self.names)}"
        source = "template0" if empty else template.database
        await self.execute(f"CREATE DATABASE {name} TEMPLATE {source}")
        try:
            yield template.set(database=name).render_as_string(hide_password=False)
        finally:
            await self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    async def execute(self, statement: str) -> None:
        """Run a statement that concerns the server as a whole."""
        connection = await connect(self.template_url, database="postgres")
        try:
            await connection.execute(statement)
        finally:
            await connection.close(timeout=5)


async def connect(url: str, *, database: str | None = None) -> "asyncpg.Connection[asyncpg.Record]":
    """A bare connection to the database of a SQLAlchemy URL, or to another one of the same server."""
    parts = make_url(url)
    return await asyncpg.connect(
        user=parts.username,
        password=parts.password,
        host=parts.host,
        port=parts.port,
        database=database or parts.database,
        timeout=10,
        ssl=False,
    )


@asynccontextmanager
async def postgres_server(data_dir: Path) -> AsyncIterator[Postgres]:
    """A server of its own in `data_dir`, removed at the end."""
    server = EmbeddedPostgres(data_dir, programs=programs(), parameters=UNSAFE_BUT_FAST)
    await server.start()
    try:
        await migrate(server.url)
        yield Postgres(server, count(1))
    finally:
        await server.stop()
        discard(data_dir)
