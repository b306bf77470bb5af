"""`sites/`: places with a time zone."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, status
from sqlalchemy import select

from control_plane.cctv import examples
from control_plane.cctv.answers import SiteAnswer
from control_plane.cctv.callers import AdminCaller, KeyRoute, Viewer, WholeFleetAdmin
from control_plane.cctv.paging import IdCursor, Limit, NameSearch, Page, containing, page_by_id
from control_plane.cctv.refusals import CONFLICT, NOT_FOUND, NOT_JSON
from control_plane.database import Session
from control_plane.fleet import sites
from control_plane.fleet.sites import NewSite, SiteChange
from control_plane.fleet.visibility import at_sites
from control_plane.models import Site

router = APIRouter(route_class=KeyRoute, tags=["sites"])


@router.get("/sites/")
async def list_sites(
    session: Session, caller: Viewer, q: NameSearch = "", cursor: IdCursor | None = None, limit: Limit = 50
) -> Page[SiteAnswer]:
    """List the sites, oldest first."""
    query = select(Site).where(at_sites(caller, Site.id))
    if q:
        query = query.where(Site.name.ilike(containing(q)))
    found, next_cursor = await page_by_id(session, query, Site.id, cursor, limit)
    return Page(items=[SiteAnswer.of(site) for site in found], next_cursor=next_cursor)


@router.post("/sites/", status_code=status.HTTP_201_CREATED, responses=NOT_JSON | CONFLICT)
async def create_site(
    session: Session, caller: WholeFleetAdmin, new: Annotated[NewSite, Body(openapi_examples=examples.NEW_SITE)]
) -> SiteAnswer:
    """Create a site. Names of sites are unique. Only for callers who are limited to no sites."""
    return SiteAnswer.of(await sites.create_site(session, new, actor=caller.actor))


@router.get("/sites/{site_id}/", responses=NOT_FOUND)
async def show_site(session: Session, caller: Viewer, site_id: UUID) -> SiteAnswer:
    """Show a site."""
    return SiteAnswer.of(await sites.find_site(session, site_id, seen_by=caller))


@router.patch("/sites/{site_id}/", responses=NOT_JSON | NOT_FOUND | CONFLICT)
async def change_site(
    session: Session,
    caller: AdminCaller,
    site_id: UUID,
    change: Annotated[SiteChange, Body(openapi_examples=examples.SITE_CHANGE)],
) -> SiteAnswer:
    """Change what is given. Another time zone moves the windows of all schedules of the site."""
    site = await sites.find_site(session, site_id, seen_by=caller, for_change=True)
    return SiteAnswer.of(await sites.change_site(session, site, change, actor=caller.actor))


@router.delete("/sites/{site_id}/", status_code=status.HTTP_204_NO_CONTENT, responses=NOT_FOUND | CONFLICT)
async def delete_site(session: Session, caller: AdminCaller, site_id: UUID) -> None:
    """Delete a site that has neither cameras nor clients."""
    site = await sites.find_site(session, site_id, seen_by=caller, for_change=True)
    await sites.delete_site(session, site, actor=caller.actor)
