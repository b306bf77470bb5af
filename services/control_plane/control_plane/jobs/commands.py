"""Commands that nobody answered come to their end, and pictures are forgotten."""

from datetime import UTC, datetime

import structlog
from procrastinate import App

from control_plane.commands.forgetting import settle
from control_plane.services import Services

log = structlog.get_logger()


async def settle_commands(_queue: App, services: Services) -> None:
    """End what has expired. Safe to repeat, and on several replicas at once."""
    async with services.sessions.begin() as session:
        ended = await settle(session, datetime.now(UTC))
    if ended:
        log.info("commands_expired", commands=ended)
