"""Registering a recording, any number of times."""

import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from camfleet_contract.cameras import RecordingMode
from camfleet_contract.recordings import RecordingStatus
from control_plane.errors import Conflict, Forbidden, NotFound
from control_plane.models import Camera, ClientCamera, Recording, Schedule
from control_plane.recordings.moments import plausible
from control_plane.recordings.reports import interrupt

REPEAT_WITHIN = timedelta(minutes=3)
"""A predecessor client's retries of one call are over by then: five tries, 1 to 8 s apart, and their time-outs."""


@dataclass(frozen=True, slots=True)
class Registration:
    """What a recorder says when it begins a recording."""

    camera_id: uuid.UUID
    name: str | None
    """None: it is called like its camera."""
    schedule_id: uuid.UUID | None = None
    recording_id: uuid.UUID | None = None
    """Chosen by the recorder; a predecessor client leaves it to us."""
    started_at: datetime | None = None


def check_registration(registration: Registration) -> None:
    """Raise Invalid if it can't be true."""
    if registration.started_at is not None:
        plausible("started_at", registration.started_at)


async def register(session: AsyncSession, client_id: uuid.UUID, registration: Registration, now: datetime) -> uuid.UUID:
    """Make a recording known that was checked, and return its id. Raise NotFound, Forbidden or Conflict."""
    own_id = registration.recording_id
    # Two calls at once for the same thing, on whichever replicas: the second sees what the first made.
    await _take_turn(session, *((own_id,) if own_id else (client_id, registration.camera_id)))
    if own_id and await _is_known(session, client_id, own_id, registration.camera_id):
        return own_id
    camera_name = await _check_camera(session, client_id, registration)
    name = registration.name or camera_name
    schedule_id = await _schedule_of(session, registration)
    if own_id is None:
        if known_id := await _repeated(session, client_id, registration, name, schedule_id, now):
            return known_id
        await interrupt(session, client_id, registration.camera_id, now)
    recording_id = own_id or uuid7()
    await session.execute(
        insert(Recording).values(
            id=recording_id,
            client_id=client_id,
            camera_id=registration.camera_id,
            schedule_id=schedule_id,
            name=name,
            status=RecordingStatus.SCHEDULED,
            started_at=registration.started_at or now,
        )
    )
    return recording_id


async def _take_turn(session: AsyncSession, *subjects: uuid.UUID) -> None:
    digest = hashlib.sha256(b"register" + b"".join(subject.bytes for subject in subjects)).digest()
    key = int.from_bytes(digest[:8], "big", signed=True)
    await session.execute(select(func.pg_advisory_xact_lock(key)))


async def _is_known(session: AsyncSession, client_id: uuid.UUID, recording_id: uuid.UUID, camera_id: uuid.UUID) -> bool:
    query = select(Recording.client_id, Recording.camera_id).where(Recording.id == recording_id)
    known = (await session.execute(query)).one_or_none()
    if known is None:
        return False
    if known.client_id != client_id:
        raise NotFound("there is no such recording")
    if known.camera_id != camera_id:
        raise Conflict(f"recording {recording_id} was registered for another camera, {known.camera_id}")
    return True


async def _check_camera(session: AsyncSession, client_id: uuid.UUID, registration: Registration) -> str:
    """The camera's name, if this client may record it."""
    query = (
        select(Camera.name, Camera.is_active, Camera.recording_mode, Camera.updated_at, ClientCamera.client_id)
        .outerjoin(ClientCamera, and_(ClientCamera.camera_id == Camera.id, ClientCamera.client_id == client_id))
        .where(Camera.id == registration.camera_id)
    )
    camera = (await session.execute(query)).one_or_none()
    if camera is None:
        raise NotFound("there is no such camera")
    # Recorded by a configuration that was right then, while the network was gone: that footage is wanted.
    was_right = (
        registration.recording_id is not None
        and registration.started_at is not None
        and registration.started_at < camera.updated_at
        and camera.client_id is not None
    )
    if not camera.is_active and not was_right:
        raise NotFound("there is no such active camera")
    if camera.client_id is None:
        raise Forbidden("this camera is not assigned to this client")
    if camera.recording_mode is not RecordingMode.LOCAL_CLIENT and not was_right:
        raise Forbidden("this camera is not recorded by a local client: its recording mode is another")
    name: str = camera.name
    return name


async def _schedule_of(session: AsyncSession, registration: Registration) -> uuid.UUID | None:
    """The schedule if it is one of this camera's; any other is ignored, as it always was."""
    if registration.schedule_id is None:
        return None
    query = select(Schedule.id).where(
        Schedule.id == registration.schedule_id, Schedule.camera_id == registration.camera_id
    )
    # Locked against being deleted before the recording that names it is inserted.
    return (await session.scalars(query.with_for_update(read=True, key_share=True))).one_or_none()


async def _repeated(
    session: AsyncSession,
    client_id: uuid.UUID,
    registration: Registration,
    name: str,
    schedule_id: uuid.UUID | None,
    now: datetime,
) -> uuid.UUID | None:
    query = (
        select(Recording.id)
        .where(
            Recording.client_id == client_id,
            Recording.camera_id == registration.camera_id,
            Recording.status == RecordingStatus.SCHEDULED,
            Recording.schedule_id.is_not_distinct_from(schedule_id),
            Recording.name == name,
            Recording.created_at > now - REPEAT_WITHIN,
        )
        .order_by(Recording.created_at.desc())
        .limit(1)
    )
    return (await session.scalars(query)).one_or_none()
