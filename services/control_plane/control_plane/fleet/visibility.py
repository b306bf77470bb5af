"""What exists for whom: another site's objects do not, be it in a list, by their id or as part of a change."""

import uuid
from typing import Any

from sqlalchemy import ColumnElement, false, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.errors import Invalid
from control_plane.models import (
    Base,
    Camera,
    Client,
    Command,
    Drill,
    Event,
    Fetch,
    Gap,
    Recording,
    Schedule,
    Segment,
    Site,
)
from control_plane.security.principals import Principal


def at_sites(seen_by: Principal, site_id: Any) -> ColumnElement[bool]:
    """The rows whose column `site_id` names a site that exists for the caller: a condition of any query."""
    return true() if seen_by.site_ids is None else _is_in(site_id, seen_by.site_ids)


def of_cameras(seen_by: Principal, camera_id: Any) -> ColumnElement[bool]:
    """The rows whose column `camera_id` names a camera that exists for the caller."""
    if not seen_by.is_limited:
        return true()
    return _is_in(camera_id, select(Camera.id).where(at_sites(seen_by, Camera.site_id)))


def of_clients(seen_by: Principal, client_id: Any) -> ColumnElement[bool]:
    """The rows whose column `client_id` names a client that exists for the caller."""
    if not seen_by.is_limited:
        return true()
    return _is_in(client_id, select(Client.id).where(at_sites(seen_by, Client.site_id)))


def of_model(seen_by: Principal, model: type[Base]) -> ColumnElement[bool]:
    """The rows of a table that exist for the caller. Of one that isn't known here, none, but for callers without limit.

    For whoever has a table and no column: the console's views, which are alike.
    """
    if not seen_by.is_limited:
        return true()
    if model is Event:
        return of_events(seen_by)
    if model is Command:
        return of_clients(seen_by, Command.client_id)
    if model in _SITE:
        return at_sites(seen_by, _SITE[model])
    return of_cameras(seen_by, _CAMERA[model]) if model in _CAMERA else false()


async def exists_for(session: AsyncSession, seen_by: Principal, row: Base) -> bool:
    """Whether a row of a table with an `id` exists for the caller."""
    if not seen_by.is_limited:
        return True
    model: Any = type(row)
    query = select(model.id).where(model.id == getattr(row, "id", None), of_model(seen_by, model))
    return await session.scalar(query) is not None


def of_events(seen_by: Principal) -> ColumnElement[bool]:
    """The events of the caller's sites. Those of no site, as of operators and keys, are for callers without a limit."""
    return at_sites(seen_by, Event.site_id)


def check_site(seen_by: Principal, site_id: uuid.UUID, field: str = "site_id") -> None:
    """Refuse a site that does not exist for the caller as one that there is not. Raises Invalid, naming the field."""
    if not seen_by.sees(site_id):
        raise Invalid(field, f"there is no site {site_id}")


async def check_camera(
    session: AsyncSession, seen_by: Principal, camera_id: uuid.UUID, field: str = "camera_id"
) -> None:
    """Refuse a camera that does not exist for the caller as one that there is not. Raises Invalid, naming the field."""
    if not seen_by.is_limited:
        return
    query = select(Camera.id).where(Camera.id == camera_id, at_sites(seen_by, Camera.site_id))
    if await session.scalar(query) is None:
        raise Invalid(field, f"there is no camera {camera_id}")


_SITE: dict[type[Base], Any] = {Site: Site.id, Client: Client.site_id, Camera: Camera.site_id}
_CAMERA: dict[type[Base], Any] = {model: model.camera_id for model in (Schedule, Recording, Segment, Gap, Fetch, Drill)}


def _is_in(column: Any, ids: Any) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = column.in_(ids)
    return condition
