"""Sites: made, found, changed and deleted."""

import uuid
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from camfleet_contract.messages import Text
from camfleet_contract.zones import zone
from control_plane.errors import Conflict, NotFound
from control_plane.events import Actor, difference, record_event
from control_plane.fleet.fields import Fields, FleetName
from control_plane.models import Site
from control_plane.security.principals import Principal


def _known(name: str) -> str:
    zone(name)
    return name


TimeZone = Annotated[Text, Field(max_length=64, examples=["Europe/Berlin"]), AfterValidator(_known)]
"""IANA name."""


class SiteChange(Fields):
    """What may be changed of a site."""

    name: FleetName = ""
    timezone: TimeZone = "UTC"


class NewSite(SiteChange):
    """A site to make."""

    is_change: ClassVar[bool] = False

    name: FleetName


async def find_site(session: AsyncSession, site_id: uuid.UUID, *, seen_by: Principal, for_change: bool = False) -> Site:
    """The site; locked until the end of the transaction when it is to be changed."""
    site = await session.get(Site, site_id, with_for_update={"key_share": True} if for_change else None)
    if site is None or not seen_by.sees(site.id):
        raise NotFound(f"There is no site {site_id}.")
    return site


async def create_site(session: AsyncSession, new: NewSite, *, actor: Actor) -> Site:
    """Make a site. Raises Conflict when the name is taken."""
    site = Site(name=new.name, timezone=new.timezone)
    try:
        async with session.begin_nested():
            session.add(site)
    except IntegrityError:
        raise _taken(new.name) from None
    record_event(session, "site", site.id, "site.created", actor, new.everything())
    return site


async def site_named(session: AsyncSession, name: str, *, timezone: str = "UTC", actor: Actor) -> Site:
    """The site of that name, made if there is none; `timezone` is for a new one. Raises Invalid."""
    new = NewSite.of({"name": name, "timezone": timezone})
    site = (await session.scalars(select(Site).where(Site.name == new.name))).one_or_none()
    return site or await create_site(session, new, actor=actor)


async def change_site(session: AsyncSession, site: Site, change: SiteChange, *, actor: Actor) -> Site:
    """Change what is given. A new zone moves the windows of every schedule of the site."""
    given = change.given()
    changes = difference({name: getattr(site, name) for name in given}, given)
    if not changes:
        return site
    try:
        async with session.begin_nested():
            for name, value in given.items():
                setattr(site, name, value)
    except IntegrityError:
        raise _taken(given["name"]) from None
    await session.refresh(site, ["updated_at"])
    record_event(session, "site", site.id, "site.changed", actor, changes)
    return site


async def delete_site(session: AsyncSession, site: Site, *, actor: Actor) -> None:
    """Delete an empty site. Raises Conflict while it has cameras or clients."""
    try:
        async with session.begin_nested():
            await session.execute(delete(Site).where(Site.id == site.id))
    except IntegrityError:
        raise Conflict("This site has cameras or clients: delete them first, or move them to another site.") from None
    record_event(session, "site", site.id, "site.deleted", actor, {"name": site.name})


def _taken(name: str) -> Conflict:
    return Conflict(f"There is a site named {name!r} already.")
