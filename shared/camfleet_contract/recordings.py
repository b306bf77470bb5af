"""Recordings: how a recorder registers one and what it reports of it."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field

from camfleet_contract.messages import BigCount, LenientMessage, Message, Text, Utc


class RecordingStatus(StrEnum):
    """The states of a recording, as the wire names them. They only move forward."""

    SCHEDULED = "scheduled"
    RECORDING = "recording"
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def is_final(self) -> bool:
        """Whether the recording is over."""
        return self in {RecordingStatus.COMPLETED, RecordingStatus.FAILED, RecordingStatus.STOPPED}


class RecordingRegistered(Message):
    """The answer to `POST recordings/register`."""

    recording_id: UUID
    message: str = "Recording registered successfully"


class RecordingStatusReport(LenientMessage):
    """The body of `POST recordings/status`."""

    recording_id: UUID
    status: RecordingStatus
    progress: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)] | None = None
    """Predecessor clients send per cent, or a fraction, or 0.0 all the time: kept as sent."""
    frames_recorded: BigCount | None = None
    file_size: BigCount | None = None
    """Bytes."""
    error_message: Text | None = None
    gcp_path: Text | None = None
    """The object's name in the bucket; without it the file is still at the site."""
    started_at: Utc | None = None
    ended_at: Utc | None = None
    error_code: Annotated[Text, Field(max_length=64)] | None = None


class RecordingStatusAccepted(Message):
    """The answer to `POST recordings/status`."""

    message: str = "Recording status updated successfully"


def register_parameters(
    camera_id: UUID,
    name: str,
    *,
    schedule_id: UUID | None = None,
    recording_id: UUID | None = None,
    started_at: datetime | None = None,
) -> dict[str, str]:
    """The query parameters of `POST recordings/register`; what is None is left out."""
    parameters = {
        "camera_id": camera_id,
        "recording_name": name,
        "schedule_id": schedule_id,
        "recording_id": recording_id,
        "started_at": started_at.isoformat() if started_at else None,
    }
    return {key: str(value) for key, value in parameters.items() if value is not None}
