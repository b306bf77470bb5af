"""Looking after the fleet as background work: events of what is wrong with recorders and cameras."""

from datetime import UTC, datetime
from importlib.metadata import version

import structlog
from procrastinate import App

from control_plane.liveness.watch import look
from control_plane.liveness.windows import bring_up_to_date
from control_plane.services import Services

log = structlog.get_logger()

_OURS = version("camfleet-control-plane")


async def look_after_fleet(_queue: App, services: Services) -> None:
    """Note what began and what is over."""
    await bring_up_to_date(services.sessions, datetime.now(UTC))
    async with services.sessions.begin() as session:
        noted = await look(session, _OURS, datetime.now(UTC))
    if noted.begun or noted.ended:
        log.info("troubles_noted", begun=noted.begun, ended=noted.ended)
