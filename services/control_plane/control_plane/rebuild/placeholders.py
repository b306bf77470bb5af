"""Stand-ins for cameras and recorders that only footage remembers, so that its rows have something to belong to."""

import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.events import COMMAND_LINE, record_event
from control_plane.fleet.sites import site_named
from control_plane.models import Camera, Client, ClientCamera

SITE = "Recovered"


@dataclass(frozen=True, slots=True)
class Made:
    """How many there were none of before."""

    cameras: int = 0
    clients: int = 0


async def make_placeholders(session: AsyncSession, pairs: Collection[tuple[uuid.UUID, uuid.UUID]]) -> Made:
    """Of (recorder, camera): what is missing is made with its old id, inactive, at the site `Recovered`.

    A camera that is made is assigned to its recorder, so that what is still on that one's disk is taken as well.
    """
    lost_clients = await _unknown(session, Client, (client_id for client_id, _ in pairs))
    lost_cameras = await _unknown(session, Camera, (camera_id for _, camera_id in pairs))
    if not lost_clients and not lost_cameras:
        return Made()
    site = await site_named(session, SITE, actor=COMMAND_LINE)
    for kind, model, lost in (("client", Client, lost_clients), ("camera", Camera, lost_cameras)):
        names = {one: f"Recovered {one}" for one in sorted(lost)}
        rows = [{"id": one, "site_id": site.id, "name": name, "is_active": False} for one, name in names.items()]
        if rows:
            await session.execute(insert(model).on_conflict_do_nothing(), rows)
        for one, name in names.items():
            record_event(session, kind, one, f"{kind}.recovered", COMMAND_LINE, {"name": name})
    assigned = [
        {"client_id": client_id, "camera_id": camera_id} for client_id, camera_id in pairs if camera_id in lost_cameras
    ]
    if assigned:
        await session.execute(insert(ClientCamera).on_conflict_do_nothing(), assigned)
    return Made(len(lost_cameras), len(lost_clients))


async def _unknown(
    session: AsyncSession, model: type[Camera] | type[Client], ids: Iterable[uuid.UUID]
) -> set[uuid.UUID]:
    asked = set(ids)
    return asked - set(await session.scalars(select(model.id).where(model.id.in_(asked))))
