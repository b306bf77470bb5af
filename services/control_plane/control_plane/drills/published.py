"""What the drills have shown: the newest one of all that is stored, and one by its id."""

import uuid

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.errors import NotFound
from control_plane.fleet.visibility import of_cameras
from control_plane.models import Drill
from control_plane.security.principals import Principal


def is_whole() -> ColumnElement[bool]:
    """Of drills that were about all cameras and all time."""
    return Drill.camera_id.is_(None) & Drill.since.is_(None)


async def last_drill(session: AsyncSession) -> Drill | None:
    """The newest of those that were about everything."""
    query = select(Drill).where(is_whole())
    return (await session.scalars(query.order_by(Drill.ended_at.desc(), Drill.id.desc()).limit(1))).first()


async def find_drill(session: AsyncSession, drill_id: uuid.UUID, *, seen_by: Principal) -> Drill:
    """The drill. One of all cameras is for those who see all sites. Raises NotFound."""
    found = await session.scalar(select(Drill).where(Drill.id == drill_id, of_cameras(seen_by, Drill.camera_id)))
    if found is None:
        raise NotFound("There is no such drill.")
    return found


def share(drill: Drill) -> str:
    """As in `19 of 20 restorable`."""
    if not drill.sampled:
        return "nothing is stored"
    return f"{drill.restorable} of {drill.sampled} restorable"
