"""Upkeep of the database: partitions ahead of time, and what has expired taken away."""

from datetime import UTC, datetime

import structlog
from procrastinate import App

from control_plane.partitions import ensure_partitions
from control_plane.recordings.fetches import end_expired
from control_plane.recordings.offer_rows import delete_expired_uploads
from control_plane.security.logins import forget_logins
from control_plane.services import Services

log = structlog.get_logger()


async def keep_up(_queue: App, services: Services) -> None:
    """Make the next months' partitions; forget or end what nobody can use or waits for any more. Safe to repeat."""
    now = datetime.now(UTC)
    async with services.engine.begin() as connection:
        made = await ensure_partitions(connection, now)
        await delete_expired_uploads(connection, now)
    async with services.sessions.begin() as session:
        await forget_logins(session, now)
        await end_expired(session, now)
    if made:
        log.info("partitions_made", partitions=made)
