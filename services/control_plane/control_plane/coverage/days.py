"""The days of cameras, midnight to midnight at their sites, and the account of each."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from camfleet_contract.zones import first_instant
from control_plane.coverage.due import Openings, due, zone_or_utc
from control_plane.coverage.history import histories
from control_plane.coverage.kept import read_kept
from control_plane.coverage.measurement import CameraDay, Covered, measure
from control_plane.coverage.spans import Span, within

_MIDNIGHT = time(0)


def site_day(day: date, timezone: str) -> Span:
    """From the first instant of the day at that place to the first of the next: 23 to 25 hours, as its clocks go."""
    zone = zone_or_utc(timezone)
    midnights = (datetime.combine(one, _MIDNIGHT) for one in (day, day + timedelta(days=1)))
    start, end = (first_instant(midnight, zone) for midnight in midnights)
    return start, end


def days_between(first: date, last: date) -> Iterable[date]:
    """Both included."""
    return (first + timedelta(days=number) for number in range((last - first).days + 1))


async def account_of(
    session: AsyncSession, days: Sequence[CameraDay], now: datetime
) -> dict[tuple[UUID, date], Covered]:
    """What became of what was due on each of the days until `now`: as it was kept, else reckoned."""
    kept = await read_kept(session, days, now)
    return kept | await reckoned(session, [day for day in days if (day.camera_id, day.day) not in kept], now)


async def reckoned(session: AsyncSession, days: Sequence[CameraDay], now: datetime) -> dict[tuple[UUID, date], Covered]:
    """The same from segments, gaps and schedules themselves."""
    if not days:
        return {}
    period = min(day.span[0] for day in days), max(day.span[1] for day in days)
    ids = {day.camera_id for day in days}
    openings = Openings()
    wanted = {id_: due(history, period, openings) for id_, history in (await histories(session, ids, period)).items()}
    until_now = {id_: within(spans, (period[0], now)) for id_, spans in wanted.items()}
    return await measure(session, days, until_now)
