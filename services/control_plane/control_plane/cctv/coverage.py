"""`coverage/`: of what was due, what there is, by camera and day."""

from datetime import UTC, date, datetime, timedelta
from itertools import chain, islice
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from camfleet_contract.messages import WallDate
from camfleet_contract.schedules import EARLIEST_YEAR, LATEST_YEAR
from control_plane.cctv.callers import KeyRoute, Viewer
from control_plane.cctv.coverage_answers import CoverageAnswer, CoverageTotal
from control_plane.cctv.paging import CameraDayCursor, Page, camera_day_at, cursor_at
from control_plane.coverage.days import account_of, days_between, site_day
from control_plane.coverage.measurement import CameraDay
from control_plane.coverage.totals import Chosen, total
from control_plane.database import Session
from control_plane.errors import Invalid
from control_plane.fleet.visibility import at_sites
from control_plane.models import Camera, ClientCamera, Site

MOST_DAYS = 366
_MOST_SUMMED_UP = 31
_USUAL = timedelta(days=6)

router = APIRouter(route_class=KeyRoute, tags=["coverage"])


@router.get("/coverage/")
async def list_coverage(
    session: Session,
    caller: Viewer,
    camera_id: UUID | None = None,
    site_id: UUID | None = None,
    client_id: Annotated[UUID | None, Query(description="The cameras that this client records now.")] = None,
    first_day: Annotated[WallDate | None, Query(description="At the cameras' sites; else the week's first.")] = None,
    last_day: Annotated[WallDate | None, Query(description="Included; else today.")] = None,
    cursor: CameraDayCursor | None = None,
    limit: Annotated[int, Query(ge=1, le=MOST_DAYS, description="How many days of cameras at most.")] = 100,
) -> Page[CoverageAnswer]:
    """List how much of what was due is covered: camera by camera, and of each day by day, as its site counts days.

    What was due follows from the schedules as they were at each moment. A day that goes on counts until now.
    """
    now = datetime.now(UTC)
    first, last = _period(first_day, last_day, now.date())
    at_camera, at_day = camera_day_at(cursor) if cursor else (None, first)
    query = select(Camera.id, Site.timezone).join(Site, Site.id == Camera.site_id).order_by(Camera.id)
    query = query.where(at_sites(caller, Camera.site_id))
    query = _chosen(query, camera_id, site_id, client_id)
    if at_camera:
        query = query.where(Camera.id >= at_camera)
    # As many cameras as fill a page and begin the next, wherever in its days the first one stands.
    rows = (await session.execute(query.limit(limit // ((last - first).days + 1) + 2))).all()
    days = chain.from_iterable(
        _days(id_, timezone, max(first, at_day) if id_ == at_camera else first, last) for id_, timezone in rows
    )
    page = list(islice(days, limit + 1))
    following = page[limit] if len(page) > limit else None
    return Page(
        items=await _answers(session, page[:limit], now),
        next_cursor=cursor_at(following.camera_id, following.day) if following else None,
    )


@router.get("/coverage/total/")
async def total_coverage(
    session: Session,
    caller: Viewer,
    camera_id: UUID | None = None,
    site_id: UUID | None = None,
    client_id: Annotated[UUID | None, Query(description="The cameras that this client records now.")] = None,
    first_day: Annotated[WallDate | None, Query(description="At the cameras' sites; else the week's first.")] = None,
    last_day: Annotated[WallDate | None, Query(description="Included; else today.")] = None,
) -> CoverageTotal:
    """Sum up the same of all these cameras and days, at most 31 days.

    Days are kept two hours after their end. Where many are not, as today of a large fleet, `missing_camera_days` says
    how many of them are not in the sums.
    """
    now = datetime.now(UTC)
    first, last = _period(first_day, last_day, now.date())
    if (last - first).days >= _MOST_SUMMED_UP:
        raise Invalid("last_day", f"at most {_MOST_SUMMED_UP} days can be summed up at once")
    site_ids = caller.site_ids
    if site_id:
        site_ids = frozenset({site_id}) if caller.sees(site_id) else frozenset()
    chosen = Chosen(camera_id, site_ids, client_id)
    return CoverageTotal.of(await total(session, chosen, list(days_between(first, last)), now))


def _period(first: date | None, last: date | None, today: date) -> tuple[date, date]:
    for name, day in (("first_day", first), ("last_day", last)):
        if day is not None and not EARLIEST_YEAR <= day.year <= LATEST_YEAR:
            raise Invalid(name, f"must lie in the years {EARLIEST_YEAR} to {LATEST_YEAR}")
    if last is None:
        last = today if first is None else min(first + _USUAL, max(first, today))
    first = first or last - _USUAL
    if last < first:
        raise Invalid("last_day", "must not be before first_day")
    if (last - first).days >= MOST_DAYS:
        raise Invalid("last_day", f"at most {MOST_DAYS} days can be asked for at once")
    return first, last


def _chosen(
    query: Select[UUID, str], camera_id: UUID | None, site_id: UUID | None, client_id: UUID | None
) -> Select[UUID, str]:
    if camera_id:
        query = query.where(Camera.id == camera_id)
    if site_id:
        query = query.where(Camera.site_id == site_id)
    if client_id:
        query = query.where(Camera.id.in_(select(ClientCamera.camera_id).where(ClientCamera.client_id == client_id)))
    return query


def _days(camera_id: UUID, timezone: str, first: date, last: date) -> list[CameraDay]:
    return [CameraDay(camera_id, day, site_day(day, timezone)) for day in days_between(first, last)]


async def _answers(session: AsyncSession, days: list[CameraDay], now: datetime) -> list[CoverageAnswer]:
    found = await account_of(session, days, now)
    return [CoverageAnswer.of(day, found[day.camera_id, day.day]) for day in days]
