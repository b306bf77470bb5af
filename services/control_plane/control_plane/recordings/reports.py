"""Reports of how far a recording has come, applied to its row."""

import uuid
from dataclasses import fields
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from camfleet_contract.recordings import RecordingStatus, RecordingStatusReport
from control_plane.errors import NotFound
from control_plane.models import Recording
from control_plane.recordings.moments import plausible
from control_plane.recordings.states import Progress, advanced, interrupted


def check_report(report: RecordingStatusReport) -> None:
    """Raise Invalid if it can't be true."""
    for field, moment in (("started_at", report.started_at), ("ended_at", report.ended_at)):
        if moment is not None:
            plausible(field, moment)


async def apply_report(
    session: AsyncSession, client_id: uuid.UUID, report: RecordingStatusReport, now: datetime
) -> None:
    """Take in one report that was checked. Raise NotFound if the client has no such recording."""
    query = select(Recording).where(Recording.client_id == client_id, Recording.id == report.recording_id)
    # Locked: two reports of one recording are applied one after the other.
    recording = (await session.scalars(query.with_for_update(key_share=True))).one_or_none()
    if recording is None:
        raise NotFound("there is no such recording")
    _write(recording, advanced(_progress(recording), report, now))


async def interrupt(session: AsyncSession, client_id: uuid.UUID, camera_id: uuid.UUID, now: datetime) -> None:
    """Close what the client still has open of the camera."""
    query = select(Recording).where(
        Recording.client_id == client_id,
        Recording.camera_id == camera_id,
        Recording.status.in_([RecordingStatus.SCHEDULED, RecordingStatus.RECORDING]),
    )
    for recording in await session.scalars(query.order_by(Recording.id).with_for_update(key_share=True)):
        _write(recording, interrupted(_progress(recording), now))


def _progress(recording: Recording) -> Progress:
    return Progress(**{field.name: getattr(recording, field.name) for field in fields(Progress)})


def _write(recording: Recording, progress: Progress) -> None:
    # SQLAlchemy writes only what differs: a repeat that changes nothing is no UPDATE.
    for field in fields(Progress):
        if getattr(recording, field.name) != getattr(progress, field.name):
            setattr(recording, field.name, getattr(progress, field.name))
