"""A drill as the REST API and the command show it."""

import uuid
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from control_plane.drills.drill import Fault
from control_plane.models import Drill


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class DrillFailure(_Answer):
    """A segment that was drawn for a drill and could not be restored."""

    segment_id: uuid.UUID
    camera_id: uuid.UUID
    recording_id: uuid.UUID
    started_at: datetime
    object_name: str
    fault: Fault
    detail: Annotated[str, Field(examples=["SHA-256 5f70... instead of 9f86..."])]


class DrillAnswer(_Answer):
    """A restore drill: how many of the segments that it drew at random could be restored."""

    id: uuid.UUID
    began_at: datetime
    ended_at: datetime
    actor: str
    camera_id: uuid.UUID | None
    """The only camera it was about; null: all."""
    since: datetime | None
    """Only what was recorded from then on; null: all."""
    asked: int
    sampled: int
    """Less than was asked for where no more is stored."""
    restorable: int
    size_bytes: int
    is_demuxed: bool
    """False: only sizes and checksums were compared."""
    failures: list[DrillFailure]

    @classmethod
    def of(cls, drill: Drill) -> "DrillAnswer":
        kept = {name: getattr(drill, name) for name in cls.model_fields if name != "failures"}
        return cls(**kept, failures=[DrillFailure.model_validate(failure) for failure in drill.failures])
