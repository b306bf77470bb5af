"""Events: what a recorder noticed about a camera's picture or itself, with the numbers that made it think so."""

from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from camfleet_contract.batches import OrUnreadable
from camfleet_contract.messages import Message, Utc

_EVENT: JsonDict = {
    "id": "0198f0d4-6200-7c1f-b0a4-5e2d7f9c3b18",
    "camera_id": "0b1d6a52-77a5-4f0e-9d0a-3a1c8f5d2e61",
    "kind": "covered",
    "begin": "2026-03-01T19:20:06Z",
    "end": None,
    "usual": {"keyframe_bytes": 96400, "delta_bytes": 5210.5},
    "seen": {"keyframe_bytes": 4120, "delta_bytes": 88.0},
}
_VERDICT: JsonDict = {"id": "0198f0d4-6200-7c1f-b0a4-5e2d7f9c3b18", "verdict": "stored", "reason": ""}

_NAME = r"^[a-z][a-z0-9_]{0,31}$"

Kind = Annotated[str, Field(pattern=_NAME)]
"""`covered`, `frozen` or `smart_codec` of a camera, `footage_at_risk` of a recorder; a newer one may know more."""

Numbers = Annotated[
    dict[Annotated[str, Field(pattern=_NAME)], Annotated[float, Field(allow_inf_nan=False)]], Field(max_length=16)
]
"""Named figures, with the unit in the name."""


class Event(Message):
    """One stretch in which a camera's picture, or the recorder, was not as usual, or one that is still on."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EVENT]})

    id: UUID
    """UUIDv7, chosen by the recorder: reporting an event again, with its end now, is safe."""
    camera_id: UUID | None = None
    """None: of the recorder itself."""
    kind: Kind
    begin: Utc
    end: Utc | None = None
    """None while it is on."""
    usual: Numbers = Field(default_factory=dict)
    """What the figures were before."""
    seen: Numbers = Field(default_factory=dict)
    """What they were when it began."""

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.end is not None and self.end < self.begin:
            raise ValueError("end must not be before begin")
        return self


class EventReport(Message):
    """The body of `POST events`."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"events": [_EVENT]}]})

    events: Annotated[list[OrUnreadable[Event]], Field(max_length=500)]


class EventVerdict(Message):
    """What became of one reported event."""

    model_config = ConfigDict(json_schema_extra={"examples": [_VERDICT]})

    id: UUID | None
    """None for an event whose own id can't be read; the order tells which."""
    verdict: Literal["stored", "refused"]
    reason: str = ""


class EventsAnswer(Message):
    """The answer to `POST events`, one verdict an event, in the order of the report."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"events": [_VERDICT]}]})

    events: list[EventVerdict]
