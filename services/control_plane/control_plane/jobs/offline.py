"""Offline detection as background work: events for recorders that fell silent."""

import time
from datetime import UTC, datetime

import structlog
from procrastinate import App

from control_plane.fleet.outages import TOLD_AFTER, note_outages
from control_plane.services import Services

log = structlog.get_logger()

# Of this process: one that has just begun to listen can't tell a silent recorder from one that had nobody to call.
_BEGAN = time.monotonic()


async def detect_offline(_queue: App, services: Services) -> None:
    """Note who fell silent and who is back, unless this process has not listened for long enough."""
    if time.monotonic() - _BEGAN < TOLD_AFTER.total_seconds():
        return
    async with services.sessions.begin() as session:
        begun, ended = await note_outages(session, datetime.now(UTC))
    if begun or ended:
        log.info("outages_noted", begun=begun, ended=ended)
