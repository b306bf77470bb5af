"""Recordings: how a recorder registers one and what it reports of it."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from camfleet_contract.messages import BigCount, LenientMessage, Message, Name, Text, Utc


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


class RecordingRegistration(Message):
    """The query of `POST recordings/register`, in which an empty value counts as absent."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "camera_id": "0b1d6a52-77a5-4f0e-9d0a-3a1c8f5d2e61",
                    "schedule_id": "5f6c1c0e-54a5-4a0b-8c3e-2f1d7b9a6e42",
                    "recording_name": "Yard by night",
                    "recording_id": "0198f0c4-8a00-7b3c-9f10-6d2b8e4a1c55",
                    "started_at": "2026-03-01T19:00:00Z",
                }
            ]
        }
    )

    camera_id: UUID
    schedule_id: UUID | None = None
    recording_name: Name | None = None
    recording_id: UUID | None = None
    """UUIDv7, chosen by our recorder; a predecessor client leaves the choice to the control plane."""
    started_at: Utc | None = None

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, query: Any) -> Any:
        return {key: value for key, value in query.items() if value != ""} if isinstance(query, dict) else query


class RecordingRegistered(Message):
    """The answer to `POST recordings/register`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "recording_id": "0198f0c4-8a00-7b3c-9f10-6d2b8e4a1c55",
                    "message": "Recording registered successfully",
                }
            ]
        }
    )

    recording_id: UUID
    message: str = "Recording registered successfully"


def _none_if_empty(value: Any) -> Any:
    return None if value == "" else value


class RecordingStatusReport(LenientMessage):
    """The body of `POST recordings/status`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "recording_id": "0198f0c4-8a00-7b3c-9f10-6d2b8e4a1c55",
                    "status": "recording",
                    "progress": 0.0,
                    "frames_recorded": 599,
                    "file_size": 1396894,
                    "error_message": None,
                    "gcp_path": None,
                },
                {
                    "recording_id": "0198f0c4-8a00-7b3c-9f10-6d2b8e4a1c55",
                    "status": "failed",
                    "error_message": "The camera refused the password.",
                    "error_code": "camera_refused",
                    "started_at": "2026-03-01T19:00:00Z",
                    "ended_at": "2026-03-01T19:00:04Z",
                },
            ]
        }
    )

    recording_id: UUID
    status: RecordingStatus
    progress: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)] | None = None
    """Predecessor clients send per cent, or a fraction, or 0.0 all the time: kept as sent."""
    frames_recorded: BigCount | None = None
    file_size: BigCount | None = None
    """Bytes."""
    error_message: Text | None = None
    gcp_path: Annotated[Text | None, BeforeValidator(_none_if_empty)] = None
    """The object's name in the bucket; without it, or empty, the file is still at the site."""
    started_at: Utc | None = None
    ended_at: Utc | None = None
    error_code: Annotated[Text, Field(max_length=64)] | None = None


class RecordingStatusAccepted(Message):
    """The answer to `POST recordings/status`."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"message": "Recording status updated successfully"}]})

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
