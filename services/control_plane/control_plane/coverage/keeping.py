"""The keeping of days that are over, as background work: each is reckoned once, and anew when it has news."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from control_plane.coverage.days import days_between, reckoned, site_day
from control_plane.coverage.due import zone_or_utc
from control_plane.coverage.kept import SETTLED_AFTER, is_settled, keep
from control_plane.coverage.measurement import CameraDay

AT_ONCE = 100
"""Days of cameras in one transaction: some 150,000 segments of a minute."""
_LATELY = 3
"""Days that every tick looks for; older ones are filled up one by one."""
_DAY = timedelta(days=1)

_NEWS = text("SELECT DISTINCT camera_id FROM coverage_news ORDER BY camera_id LIMIT :most")
_FORGET = text("DELETE FROM coverage_news WHERE camera_id = :camera_id RETURNING since, until")
_TIMEZONE = text("SELECT timezone FROM sites JOIN cameras ON cameras.site_id = sites.id WHERE cameras.id = :camera_id")
_ZONES = text("""
    SELECT site.timezone FROM sites AS site JOIN cameras AS camera ON camera.site_id = site.id
    GROUP BY site.timezone ORDER BY min(camera.id::text) DESC
""")
_LACKING = text("""
    SELECT camera.id FROM cameras AS camera JOIN sites AS site ON site.id = camera.site_id
    WHERE site.timezone = :timezone AND camera.created_at < :ends
      AND NOT EXISTS (
        SELECT FROM coverage_days WHERE day = :day AND camera_id = camera.id AND begins = :begins AND ends = :ends
      )
    ORDER BY camera.id DESC LIMIT :most
""")
# The oldest camera's zone comes last, and in it that camera: a day that was broken off is one that it lacks.
_OLDER = text("""
    SELECT CAST(moment AS date) FROM (SELECT id, created_at FROM cameras ORDER BY id LIMIT 1) AS oldest,
        generate_series(oldest.created_at, CAST(:before AS timestamptz), interval '1 day') AS moment
    WHERE NOT EXISTS (
        SELECT FROM coverage_days AS kept WHERE kept.day = CAST(moment AS date) AND kept.camera_id = oldest.id
    )
    ORDER BY moment DESC LIMIT 1
""")
_KEPT = text("SELECT day FROM coverage_days WHERE day = ANY(CAST(:days AS date[])) AND camera_id = :camera_id")
# One writer at a time: else one that began to reckon before the news came could write after the other forgot them.
_ALONE = text("SELECT pg_advisory_xact_lock(7221003)")


async def settle_news(sessions: async_sessionmaker[AsyncSession], now: datetime) -> int:
    """Reckon anew what was told of later: of how many cameras, some remain where it is `AT_ONCE`.

    News are forgotten in the transaction that reckons: whatever becomes visible afterwards is news again.
    """
    async with sessions() as session:
        cameras: Sequence[UUID] = (await session.scalars(_NEWS, {"most": AT_ONCE})).all()
    for camera_id in cameras:
        async with sessions.begin() as session:
            await session.execute(_ALONE)
            news = (await session.execute(_FORGET, {"camera_id": camera_id})).all()
            timezone = await session.scalar(_TIMEZONE, {"camera_id": camera_id})
            if timezone is None:
                continue
            touched = {day for row in news for day in _touched(row.since, row.until, timezone)}
            # What is not kept yet will be reckoned when it is its turn.
            days = await session.scalars(_KEPT, {"camera_id": camera_id, "days": sorted(touched)})
            await _keep(session, [_day(camera_id, day, timezone) for day in days], now)
    return len(cameras)


async def keep_day(sessions: async_sessionmaker[AsyncSession], timezone: str, day: date, now: datetime) -> int:
    """Reckon one day of some cameras of the sites in that zone that lack it: of how many, none where all have it."""
    begins, ends = site_day(day, timezone)
    if ends > now - SETTLED_AFTER:
        return 0
    given = {"timezone": timezone, "day": day, "begins": begins, "ends": ends, "most": AT_ONCE}
    async with sessions.begin() as session:
        await session.execute(_ALONE)
        cameras = (await session.scalars(_LACKING, given)).all()
        await _keep(session, [CameraDay(id_, day, (begins, ends)) for id_ in cameras], now)
    return len(cameras)


async def keep_days(sessions: async_sessionmaker[AsyncSession], now: datetime) -> int:
    """Keep the last days of all cameras, and one older day; how many days of cameras were reckoned.

    Safe to repeat and to break off at any moment. Where much is left, the next tick goes on.
    """
    async with sessions() as session:
        zones = (await session.scalars(_ZONES)).all()
        older = await session.scalar(_OLDER, {"before": now - _LATELY * _DAY})
    today = now.astimezone(UTC).date()
    days = [today - number * _DAY for number in range(_LATELY)] + ([older] if older else [])
    done = 0
    for day in days:
        for timezone in zones:
            while reckoned_now := await keep_day(sessions, timezone, day, now):
                done += reckoned_now
    return done


async def _keep(session: AsyncSession, days: Sequence[CameraDay], now: datetime) -> None:
    settled = [day for day in days if is_settled(day, now)]
    for first in range(0, len(settled), AT_ONCE):
        part = settled[first : first + AT_ONCE]
        found = await reckoned(session, part, now)
        await keep(session, [(day, found[day.camera_id, day.day]) for day in part])


def _touched(since: datetime, until: datetime, timezone: str) -> Sequence[date]:
    zone = zone_or_utc(timezone)
    return list(days_between(since.astimezone(zone).date(), until.astimezone(zone).date()))


def _day(camera_id: UUID, day: date, timezone: str) -> CameraDay:
    return CameraDay(camera_id, day, site_day(day, timezone))
