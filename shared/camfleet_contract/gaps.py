"""Gaps: time that a schedule asked for and no segment covers, with its cause."""

from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from camfleet_contract.batches import OrUnreadable
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
    RECORDER_OVERLOADED = "recorder_overloaded"
    """More cameras were due than the recorder may read at once. Came later: an older control plane refuses such a gap,
    alone, and takes it in once it is upgraded."""


_GAP: JsonDict = {
    "id": "0198f0d1-2b00-7e44-8a31-0c5d9e7f2a10",
    "camera_id": "0b1d6a52-77a5-4f0e-9d0a-3a1c8f5d2e61",
    "schedule_id": "5f6c1c0e-54a5-4a0b-8c3e-2f1d7b9a6e42",
    "recording_id": "0198f0c4-8a00-7b3c-9f10-6d2b8e4a1c55",
    "start": "2026-03-01T19:12:04.250000Z",
    "end": "2026-03-01T19:13:10Z",
    "cause": "camera_unreachable",
    "detail": "connection refused",
}
_VERDICT: JsonDict = {"id": "0198f0d1-2b00-7e44-8a31-0c5d9e7f2a10", "verdict": "stored", "reason": "", "final": False}


class Gap(Interval):
    """One stretch that was due and not recorded."""

    model_config = ConfigDict(json_schema_extra={"examples": [_GAP]})

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

    model_config = ConfigDict(json_schema_extra={"examples": [{"gaps": [_GAP]}]})

    gaps: Annotated[list[OrUnreadable[Gap]], Field(max_length=500)]


class GapVerdict(Message):
    """What became of one reported gap."""

    model_config = ConfigDict(json_schema_extra={"examples": [_VERDICT]})

    id: UUID | None
    """None for a gap whose own id can't be read; the order tells which."""
    verdict: Literal["stored", "refused"]
    reason: str = ""
    final: bool = False
    """A refusal that no later report changes. Came later: an older control plane never says so."""


class GapsAnswer(Message):
    """The answer to `POST gaps`, one verdict a gap, in the order of the report."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"gaps": [_VERDICT]}]})

    gaps: list[GapVerdict]
