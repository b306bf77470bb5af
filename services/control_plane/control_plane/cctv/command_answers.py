"""What the operators' API says of a command."""

import uuid
from datetime import datetime
from typing import Annotated

from pydantic import Field

from camfleet_contract.commands import CameraTested, CommandKind, CommandState, Recorded
from control_plane.cctv.answers import Answer
from control_plane.commands.states import state_of
from control_plane.models import Command


class PictureAnswer(Answer):
    """A picture that can be had at `commands/{id}/image/`."""

    width: int
    height: int
    taken_at: datetime
    expires_at: datetime | None
    """When it is deleted; null: it was."""


class CommandAnswer(Answer):
    """One thing that was asked of one recorder."""

    id: uuid.UUID
    kind: CommandKind
    client_id: uuid.UUID
    camera_id: uuid.UUID | None
    minutes: int | None
    """Of `start_recording`."""
    state: CommandState
    """`asked` until the recorder takes it, `accepted` while it is at it; then `done`, `failed` or `expired`."""
    detail: Annotated[str, Field(examples=["The camera refuses the password."])]
    """What the recorder said of it, or why it has expired."""
    camera: CameraTested | None
    """What `test_camera` found."""
    recording: Recorded | None
    """What was begun or ended; its `recording_id` is the one of `recordings/`."""
    picture: PictureAnswer | None
    """What `snapshot` brought."""
    asked_at: datetime
    asked_by: Annotated[str, Field(examples=["operator:maria"])]
    expires_at: datetime
    """What the recorder has not taken by then it does not do."""
    accepted_at: datetime | None
    ended_at: datetime | None

    @classmethod
    def of(cls, command: Command, now: datetime) -> "CommandAnswer":
        kept = {
            name: getattr(command, name)
            for name in cls.model_fields
            if name not in {"state", "camera", "recording", "picture"}
        }
        found = command.result or {}
        picture = found.get("snapshot")
        return cls(
            **kept,
            state=state_of(command, now),
            camera=found.get("camera"),
            recording=found.get("recording"),
            picture=picture and PictureAnswer(**picture, expires_at=command.image_expires_at),
        )
