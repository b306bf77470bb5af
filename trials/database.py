"""The database of a trial that is run by hand."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from control_plane.embedded import EmbeddedPostgres
from control_plane.embedded.grounds import discard
from control_plane.migration import migrate


@contextlib.asynccontextmanager
async def embedded_database(folder: Path) -> AsyncIterator[str]:
    """A PostgreSQL of the trial's own; its URL."""
    server = EmbeddedPostgres(folder)
    await server.start()
    try:
        await migrate(server.url)
        yield server.url
    finally:
        await server.stop()
        discard(folder)
