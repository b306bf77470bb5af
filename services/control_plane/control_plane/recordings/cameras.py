"""Which cameras a recorder may tell of."""

import uuid

from sqlalchemy import exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane import models


async def cameras_of(session: AsyncSession, client_id: uuid.UUID, ids: set[uuid.UUID]) -> set[uuid.UUID]:
    """Those of the cameras that the client records, or recorded before they were taken from it.

    A box that was without network for a week still tells what it missed, of cameras that are another's by now.
    """
    is_assigned = exists().where(
        models.ClientCamera.client_id == client_id, models.ClientCamera.camera_id == models.Camera.id
    )
    has_recorded = exists().where(
        models.Recording.client_id == client_id, models.Recording.camera_id == models.Camera.id
    )
    query = select(models.Camera.id).where(models.Camera.id.in_(ids), or_(is_assigned, has_recorded))
    # Locked against being deleted before what is told of them is inserted.
    return set(await session.scalars(query.with_for_update(read=True, key_share=True, of=models.Camera)))


async def known_cameras(session: AsyncSession, ids: set[uuid.UUID]) -> set[uuid.UUID]:
    """Those of the cameras that exist, whoever has them."""
    return set(await session.scalars(select(models.Camera.id).where(models.Camera.id.in_(ids)))) if ids else set()
