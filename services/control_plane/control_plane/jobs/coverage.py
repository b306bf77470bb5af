"""Coverage as background work: days that are over are reckoned once, and anew when they have news."""

from datetime import UTC, datetime

import structlog
from procrastinate import App

from control_plane.coverage.keeping import AT_ONCE, keep_days, settle_news
from control_plane.services import Services

log = structlog.get_logger()


async def keep_coverage(_queue: App, services: Services) -> None:
    """Settle what was told later, then keep the days that are over. Safe to repeat and to break off."""
    now = datetime.now(UTC)
    while await settle_news(services.sessions, now) == AT_ONCE:
        log.debug("coverage_news_settled", cameras=AT_ONCE)
    done = await keep_days(services.sessions, now)
    if done:
        log.info("coverage_kept", camera_days=done)
