"""Gaps: time that a schedule asked for and no segment covers, with its cause."""

from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from camfleet_contract.messages import Interval, Message, Text


class GapCause(StrEnum):
    """Why footage is missing."""

    CAMERA_UNREACHABLE = "camera_unreachable"
    CAMERA_REFUSED = "camera_refused"
    STREAM_STALLED = "stream_stalled"
    DISK_FULL = "disk_full"
    DISK_MISSING = "disk_missing"
    RECORDER_DOWN = "recorder_down"
    POWER_LOST = "power_lost"
    CLOCK_STEP = "clock_step"
    RETENTION = "retention"
    UNSUPPORTED_STREAM = "unsupported_stream"


class Gap(Interval):
    """One stretch that was due and not recorded."""

    id: UUID
    """UUIDv7, chosen by the recorder: reporting a gap twice is safe."""
    camera_id: UUID
    schedule_id: UUID | None = None
    recording_id: UUID | None = None
    cause: GapCause
    detail: Text = ""
    """What happened, for a person; never with credentials."""


class GapReport(Message):
    """The body of `POST gaps`."""

    gaps: Annotated[list[Gap], Field(max_length=500)]


class GapVerdict(Message):
    """What became of one reported gap."""

    id: UUID
    verdict: Literal["stored", "refused"]
    reason: str = ""


class GapsAnswer(Message):
    """The answer to `POST gaps`, one verdict a gap, in the order of the report."""

    gaps: list[GapVerdict]
