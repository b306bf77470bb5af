"""What the search boxes of the forms offer."""

import uuid
from collections.abc import Collection, Iterable, Mapping

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.console.views.base import identifier
from control_plane.fleet.visibility import at_sites
from control_plane.models import Camera, Site
from control_plane.security.principals import Principal

_OFFERED = 25


async def sites(
    session: AsyncSession, seen_by: Principal, term: str, _asked: Mapping[str, str]
) -> list[dict[str, str]]:
    """Sites whose name contains the term."""
    query = select(Site).where(Site.name.icontains(term, autoescape=True), at_sites(seen_by, Site.id))
    found = await session.scalars(query.order_by(Site.name).limit(_OFFERED))
    return [{"id": str(site.id), "text": site_label(site)} for site in found]


async def cameras_of_site(
    session: AsyncSession, seen_by: Principal, term: str, asked: Mapping[str, str]
) -> list[dict[str, str]]:
    """Cameras of the site that the form names, by their name, place or address."""
    site_id = identifier(asked.get("site_id", ""))
    if site_id is None or not seen_by.sees(site_id):
        return []
    found = await session.scalars(
        select(Camera).where(Camera.site_id == site_id, _matches(term)).order_by(Camera.name).limit(_OFFERED)
    )
    return [{"id": str(camera.id), "text": camera_label(camera)} for camera in found]


async def cameras(
    session: AsyncSession, seen_by: Principal, term: str, _asked: Mapping[str, str]
) -> list[dict[str, str]]:
    """Cameras of all sites that there are for the operator."""
    found = await session.execute(
        select(Camera, Site)
        .join(Site, Site.id == Camera.site_id)
        .where(at_sites(seen_by, Site.id), _matches(term) | Site.name.icontains(term, autoescape=True))
        .order_by(Site.name, Camera.name)
        .limit(_OFFERED)
    )
    return [
        {"id": str(camera.id), "text": f"{camera.name} – {site_label(site)}", "zone": site.timezone}
        for camera, site in found
    ]


async def labels(session: AsyncSession, seen_by: Principal, camera_ids: Collection[uuid.UUID]) -> list[tuple[str, str]]:
    """The choices of a form's field: each camera with its label."""
    wanted = (Camera.id.in_(camera_ids), at_sites(seen_by, Camera.site_id))
    found = await session.scalars(select(Camera).where(*wanted).order_by(Camera.name))
    return [(str(camera.id), camera_label(camera)) for camera in found]


async def chosen_site(session: AsyncSession, seen_by: Principal, text: str) -> Site | None:
    """The site that a form or an address names."""
    site_id = identifier(text)
    return await session.get(Site, site_id) if site_id and seen_by.sees(site_id) else None


async def labels_of_sites(session: AsyncSession, chosen: Iterable[object]) -> list[tuple[str, str]]:
    """The choices of a form's field for the sites that were chosen in it."""
    ids = [site_id for text in chosen if (site_id := identifier(str(text)))]
    found = await session.scalars(select(Site).where(Site.id.in_(ids)).order_by(Site.name))
    return [(str(site.id), site_label(site)) for site in found]


def camera_label(camera: Camera) -> str:
    """A camera as a search box shows it."""
    return f"{camera.name} ({camera.ip_address})" if camera.ip_address else camera.name


def site_label(site: Site) -> str:
    """A site with its zone."""
    return f"{site.name} ({site.timezone})"


def _matches(term: str) -> ColumnElement[bool]:
    columns = (Camera.name, Camera.location, Camera.ip_address)
    return or_(*(column.icontains(term, autoescape=True) for column in columns))
