"""Commands: what an operator asks of a recorder now, and what the recorder answers.

A command stands in the configuration from the moment it is asked until it is done, failed, or has expired. The recorder
carries each out once: it writes down that it took it, tells `accepted`, goes ahead only if the answer says `accepted`
as well, and tells how it ended, until an answer comes. Of a configuration out of a cache it takes none.
"""

import base64
import binascii
from enum import StrEnum
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from camfleet_contract.messages import Message, Text, Utc

LONGEST_MINUTES = 24 * 60
LARGEST_JPEG_BYTES = 1024 * 1024
_LONGEST_BASE64 = (LARGEST_JPEG_BYTES + 2) // 3 * 4
_JPEG_BEGINS, _JPEG_ENDS = b"\xff\xd8\xff", b"\xff\xd9"

_COMMAND: JsonDict = {
    "id": "0198f0e1-7c00-7f12-9a30-2b6d4e8c0f51",
    "kind": "start_recording",
    "camera_id": "0b1d6a52-77a5-4f0e-9d0a-3a1c8f5d2e61",
    "minutes": 15,
    "token": None,
    "expires_at": "2026-03-01T20:16:30Z",
}
COMMAND_EXAMPLE: JsonDict = _COMMAND
_RESTART: JsonDict = {
    "id": "0198f0e1-9000-7b61-8c14-3f7a5d2e9b08",
    "kind": "restart",
    "expires_at": "2026-03-01T20:17:00Z",
}
_TESTED: JsonDict = {
    "codec": "h264",
    "width": 1920,
    "height": 1080,
    "frames_per_second": 25.0,
    "audio": "aac",
    "transport": "tcp",
    "seconds_to_keyframe": 1.42,
    "is_recording": False,
}
_SNAPSHOT: JsonDict = {
    "jpeg": base64.b64encode(_JPEG_BEGINS + _JPEG_ENDS).decode(),
    "width": 1920,
    "height": 1080,
    "taken_at": "2026-03-01T20:15:33.120000Z",
}
_RECORDED: JsonDict = {"recording_id": "0198f0e1-8100-7a04-b5c2-7d1e3f9a6b20", "until": "2026-03-01T20:30:31Z"}
_OUTCOME: JsonDict = {"camera": _TESTED, "snapshot": None, "recording": None}


class CommandKind(StrEnum):
    """What a recorder can be asked for."""

    START_RECORDING = "start_recording"
    """Record `camera_id` by hand, for `minutes`."""
    STOP_RECORDING = "stop_recording"
    """End what is being recorded of `camera_id`, by hand or by a schedule."""
    TEST_CAMERA = "test_camera"
    """Open the stream of `camera_id` as it would be recorded, until the first keyframe."""
    SNAPSHOT = "snapshot"
    """One picture of `camera_id`."""
    ROTATE_TOKEN = "rotate_token"  # noqa: S105 - the name of a kind
    """Call with `token` from now on. `done` is told with the new one: then the earlier tokens end."""
    RESTART = "restart"
    """End cleanly, so that the service manager starts the recorder anew. `done` is told by the new process."""

    @property
    def is_of_a_camera(self) -> bool:
        """Whether it names a camera."""
        return self not in {CommandKind.ROTATE_TOKEN, CommandKind.RESTART}


class CommandState(StrEnum):
    """How far a command is. States only move forward."""

    ASKED = "asked"
    """The recorder has not taken it yet."""
    ACCEPTED = "accepted"
    """The recorder is at it."""
    DONE = "done"
    FAILED = "failed"
    EXPIRED = "expired"
    """The recorder did not take it in time, or took it and never told how it ended."""

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be done about it."""
        return self not in {CommandState.ASKED, CommandState.ACCEPTED}


class Command(Message):
    """One thing that is asked of the recorder.

    A command of a kind that this version does not know can't be read: it is set aside and expires.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_RESTART, _COMMAND]})

    id: UUID
    """UUIDv7: of two commands, the one asked first has the smaller id."""
    kind: CommandKind
    camera_id: UUID | None = None
    minutes: Annotated[int, Field(ge=1, le=LONGEST_MINUTES)] | None = None
    """Of `start_recording`."""
    token: Annotated[Annotated[Text, Field(min_length=1, max_length=512)] | None, Field(repr=False)] = None
    """Of `rotate_token`. A secret."""
    expires_at: Utc
    """By the control plane's clock: when it is too late to accept it. The answer to `accepted` decides."""

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        if self.kind.is_of_a_camera and self.camera_id is None:
            raise ValueError(f"{self.kind} needs a camera_id")
        if self.kind is CommandKind.START_RECORDING and self.minutes is None:
            raise ValueError(f"{self.kind} needs minutes")
        if self.kind is CommandKind.ROTATE_TOKEN and self.token is None:
            raise ValueError(f"{self.kind} needs a token")
        return self


class CameraTested(Message):
    """What the stream of a camera is, as it would be recorded."""

    model_config = ConfigDict(json_schema_extra={"examples": [_TESTED]})

    codec: Annotated[Text, Field(max_length=32)]
    width: Annotated[int, Field(ge=0, le=65535)] = 0
    height: Annotated[int, Field(ge=0, le=65535)] = 0
    frames_per_second: Annotated[float, Field(ge=0, le=10_000, allow_inf_nan=False)] | None = None
    """null: not known from so short a look."""
    audio: Annotated[Text, Field(max_length=32)] | None = None
    """Its codec as the camera sends it; null: none."""
    transport: Annotated[Text, Field(max_length=32)] = ""
    """`tcp` or `udp`."""
    seconds_to_keyframe: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] | None = None
    """From the beginning of the connection to the first keyframe; null: not known, since it was being recorded."""
    is_recording: bool = False
    """Whether it was being recorded, so that this is read from the running connection."""


def _is_jpeg(text: str) -> str:
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("must be base64") from None
    if len(content) > LARGEST_JPEG_BYTES:
        raise ValueError(f"must be at most {LARGEST_JPEG_BYTES} bytes")
    if not content.startswith(_JPEG_BEGINS) or not content.endswith(_JPEG_ENDS):
        raise ValueError("must be a JPEG")
    return text


class Snapshot(Message):
    """One picture of a camera."""

    model_config = ConfigDict(json_schema_extra={"examples": [_SNAPSHOT]})

    jpeg: Annotated[str, Field(max_length=_LONGEST_BASE64, repr=False), AfterValidator(_is_jpeg)]
    """In base64; at most 1 MiB without it."""
    width: Annotated[int, Field(ge=1, le=65535)]
    height: Annotated[int, Field(ge=1, le=65535)]
    taken_at: Utc
    """When the camera's frame arrived."""

    @classmethod
    def of(cls, content: bytes, *, width: int, height: int, taken_at: Utc) -> Self:
        """The picture in `content`, a JPEG. Raises pydantic's ValidationError if it is none, or too big."""
        return cls(jpeg=base64.b64encode(content).decode(), width=width, height=height, taken_at=taken_at)

    def content(self) -> bytes:
        """The JPEG itself."""
        return base64.b64decode(self.jpeg)


class Recorded(Message):
    """The recording that was begun or ended."""

    model_config = ConfigDict(json_schema_extra={"examples": [_RECORDED]})

    recording_id: UUID | None = None
    until: Utc | None = None
    """When it ends by itself, or has ended."""


class Outcome(Message):
    """What came out of a command: each kind fills the part that is its own, `rotate_token` and `restart` none."""

    model_config = ConfigDict(json_schema_extra={"examples": [_OUTCOME]})

    camera: CameraTested | None = None
    """Of `test_camera`."""
    snapshot: Snapshot | None = None
    """Of `snapshot`."""
    recording: Recorded | None = None
    """Of `start_recording` and `stop_recording`."""


class CommandResult(Message):
    """The body of `POST commands/{id}/result`."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"state": "done", "result": _OUTCOME}]})

    state: Literal[CommandState.ACCEPTED, CommandState.DONE, CommandState.FAILED]
    detail: Annotated[Text, Field(max_length=1000)] = ""
    """For a person: why it failed, or what is to be known of it; never with credentials."""
    result: Outcome | None = None
    """Of `done`."""


class CommandReceived(Message):
    """The answer to `POST commands/{id}/result`."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"id": "0198f0e1-7c00-7f12-9a30-2b6d4e8c0f51", "state": "accepted"}]}
    )

    id: UUID
    state: CommandState
    """As it stands now. Whoever told `accepted` and reads anything else does not carry the command out."""
