"""Holds: recordings whose files no rule of retention may delete, be it at the site or in the store."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import ScalarSelect, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.errors import Conflict, NotFound
from control_plane.events import Actor, record_event
from control_plane.fleet.visibility import of_cameras
from control_plane.models import Client, Recording
from control_plane.security.principals import UNLIMITED, Principal

WAIT_SECONDS = 14
"""For a batch of retention: longer than that may take, less than a statement may."""
MOST_HELD = 5000
"""Of one client: the ids travel with each of its configurations. That many fill a disk long before."""


async def find_recording(
    session: AsyncSession, recording_id: uuid.UUID, *, seen_by: Principal, for_change: bool = False
) -> Recording:
    """The recording; locked until the end of the transaction when it is to be changed."""
    query = select(Recording).where(Recording.id == recording_id, of_cameras(seen_by, Recording.camera_id))
    if for_change:
        # As long as a batch of the store's retention may take, which nobody may hold a part of.
        await session.execute(text(f"SET LOCAL lock_timeout = '{WAIT_SECONDS}s'"))
        await session.execute(text(f"SET LOCAL statement_timeout = '{WAIT_SECONDS}s'"))
        query = query.with_for_update(key_share=True)
    recording = (await session.scalars(query)).one_or_none()
    if recording is None:
        raise NotFound(f"There is no recording {recording_id}.")
    return recording


async def hold(
    session: AsyncSession, recording_id: uuid.UUID, *, now: datetime, actor: Actor, seen_by: Principal = UNLIMITED
) -> Recording:
    """Hold a recording, also one that still goes on. Repeating changes nothing. Raises NotFound, Conflict."""
    recording = await find_recording(session, recording_id, seen_by=seen_by, for_change=True)
    if recording.held_at is not None:
        return recording
    # Two at a time must not pass the limit together.
    await session.execute(select(Client.id).where(Client.id == recording.client_id).with_for_update(key_share=True))
    held = select(func.count()).where(Recording.client_id == recording.client_id, Recording.held_at.is_not(None))
    if (await session.scalar(held) or 0) >= MOST_HELD:
        raise Conflict(f"This client has {MOST_HELD} held recordings, which is the most: release some first.")
    recording.held_at, recording.holds_unsettled_at = now, func.now()
    _record(session, recording, "recording.held", actor)
    await session.flush()
    await session.refresh(recording, ["updated_at", "holds_unsettled_at"])
    return recording


async def release(
    session: AsyncSession, recording_id: uuid.UUID, *, actor: Actor, seen_by: Principal = UNLIMITED
) -> Recording:
    """Let the rules have a recording again. Repeating changes nothing. Raises NotFound."""
    recording = await find_recording(session, recording_id, seen_by=seen_by, for_change=True)
    if recording.held_at is None:
        return recording
    recording.held_at, recording.holds_unsettled_at = None, func.now()
    _record(session, recording, "recording.released", actor)
    await session.flush()
    await session.refresh(recording, ["updated_at", "holds_unsettled_at"])
    return recording


def held_recordings(client_id: uuid.UUID) -> ScalarSelect[Any]:
    """What of a client's recordings is held, as an array: part of the query for its configuration."""
    query = select(func.array_agg(Recording.id))
    return query.where(Recording.client_id == client_id, Recording.held_at.is_not(None)).scalar_subquery()


def _record(session: AsyncSession, recording: Recording, kind: str, actor: Actor) -> None:
    detail = {"name": recording.name, "camera_id": recording.camera_id, "client_id": recording.client_id}
    record_event(session, "recording", recording.id, kind, actor, detail)
