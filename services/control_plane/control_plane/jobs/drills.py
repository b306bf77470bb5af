"""Restore drills as background work: one a day, however often this is asked."""

import asyncio
from datetime import UTC, datetime, timedelta
from random import SystemRandom

import structlog
from procrastinate import App

from control_plane.drills.demuxing import ADVICE, can_demux
from control_plane.drills.drill import DrillPostponedError, drill
from control_plane.drills.published import last_drill
from control_plane.drills.sampling import Wanted
from control_plane.events import BACKGROUND
from control_plane.services import Services
from control_plane.stores import StoreUnavailableError

log = structlog.get_logger()

# Less than a day, so that an hourly tick keeps to the hour of the day.
_DUE_AFTER = timedelta(hours=23, minutes=30)
# Less than the job's own limit, at which nothing would be published.
_LONGEST = timedelta(minutes=20)


async def drill_daily(_queue: App, services: Services) -> None:
    """Do a drill if the last is a day old. A store that is away postpones it to the next tick, and nothing is said."""
    samples = services.settings.drill_samples
    if not samples:
        return
    async with services.sessions() as session:
        last = await last_drill(session)
    if last is not None and datetime.now(UTC) - last.ended_at < _DUE_AFTER:
        return
    is_demuxing = can_demux()
    if not is_demuxing:
        log.warning("drill_does_not_demux", advice=ADVICE)
    try:
        done = await drill(
            services.sessions,
            services.store,
            Wanted(samples),
            BACKGROUND,
            is_demuxing=is_demuxing,
            random=SystemRandom(),
            limit=asyncio.timeout(_LONGEST.total_seconds()),
        )
    except (StoreUnavailableError, DrillPostponedError) as error:
        log.warning("drill_postponed", reason=str(error))
        return
    told = log.error if done.failures else log.info
    told("drill_done", asked=samples, sampled=done.sampled, restorable=done.restorable, demuxed=done.is_demuxed)
