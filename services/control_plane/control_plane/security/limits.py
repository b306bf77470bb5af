"""The limits that an operator or a key is given: sites that there are, and scopes that mean something."""

import uuid
from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.errors import FieldProblem, Invalid
from control_plane.models import Site
from control_plane.security.scopes import SCOPES, in_order

MOST_SITES = 1000
"""They are part of every query that somebody limited to them makes."""


async def checked_sites(session: AsyncSession, site_ids: Collection[uuid.UUID] | None) -> list[uuid.UUID] | None:
    """The ids, each once; None: all sites. Raises Invalid for a site that there is not, and for none at all."""
    if site_ids is None:
        return None
    wanted = set(site_ids)
    if not 0 < len(wanted) <= MOST_SITES:
        raise Invalid("site_ids", f"must name 1 to {MOST_SITES} sites; without a limit, all sites are meant")
    found = set(await session.scalars(select(Site.id).where(Site.id.in_(wanted))))
    if unknown := sorted(wanted - found):
        raise Invalid.of(FieldProblem("site_ids", f"there is no site {one}") for one in unknown)
    return sorted(wanted)


async def sites_named(session: AsyncSession, names: Collection[str]) -> list[uuid.UUID] | None:
    """The ids of these sites; without names, None. Raises Invalid for a name that no site has."""
    if not names:
        return None
    found = dict((await session.execute(select(Site.name, Site.id).where(Site.name.in_(set(names))))).all())
    if unknown := sorted(set(names) - set(found)):
        raise Invalid.of(FieldProblem("site", f"there is no site named {name!r}") for name in unknown)
    return sorted(found.values())


def checked_scopes(scopes: Collection[str] | None) -> list[str] | None:
    """The scopes, each once; None: all that the role may. Raises Invalid for one that means nothing, and for none."""
    if scopes is None:
        return None
    if not scopes:
        raise Invalid("scopes", "must name at least one; without scopes, the key may all that its role may")
    if unknown := sorted(set(scopes) - SCOPES):
        raise Invalid.of(FieldProblem("scopes", f"there is no scope {one}") for one in unknown)
    return in_order(scopes)
