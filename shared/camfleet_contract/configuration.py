"""The configuration: all that a recorder needs to know, in one consistent document."""

from enum import StrEnum
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import ConfigDict, Field, ModelWrapValidatorHandler, PrivateAttr, ValidationError, model_validator
from pydantic.config import JsonDict

from camfleet_contract.cameras import CAMERA_EXAMPLE, Camera, RecordedStream, RtspTransport
from camfleet_contract.commands import COMMAND_EXAMPLE, Command
from camfleet_contract.messages import Message, Name, Utc
from camfleet_contract.schedules import ScheduleRule
from camfleet_contract.uploading import UPLOADING_EXAMPLE, Uploading

SegmentSeconds = Annotated[int, Field(ge=2, le=3600)]

_SCHEDULE: JsonDict = {
    "id": "5f6c1c0e-54a5-4a0b-8c3e-2f1d7b9a6e42",
    "name": "Yard by night",
    "schedule_type": "daily",
    "start_time": "20:00:00",
    "end_time": "23:59:59",
    "start_date": None,
    "end_date": None,
    "days_of_week": [],
    "is_active": True,
    "camera": CAMERA_EXAMPLE,
    "timezone": "Europe/Berlin",
    "updated_at": "2026-02-27T09:30:00Z",
    "segment_seconds": 60,
}
_CONFIGURED_CAMERA: JsonDict = {
    **CAMERA_EXAMPLE,
    "rtsp_url_sub": "rtsp://user:pass@192.168.1.20:554/s2",
    "rtsp_transport": "udp",
    "recorded_stream": "sub",
}
_STORAGE: JsonDict = {"mode": "brokered", "url": "gs://footage"}


class Schedule(ScheduleRule):
    """A schedule as `GET schedules` lists it, with its camera.

    On the wire only `start_date`, `end_date` and the camera's two optional texts may be null: predecessor clients drop
    an item with another null.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_SCHEDULE]})

    id: UUID
    name: Name
    camera: Camera
    timezone: str = "UTC"
    """IANA name of the site's zone, in which the schedule's times are meant."""
    updated_at: Utc | None = Field(default=None, exclude_if=lambda moment: moment is None)
    segment_seconds: SegmentSeconds = 60


class ConfiguredCamera(Camera):
    """A camera as `GET config` lists it: with what predecessor clients don't know."""

    model_config = ConfigDict(json_schema_extra={"examples": [_CONFIGURED_CAMERA]})

    rtsp_transport: RtspTransport | None = None
    """None: as the recorder is set (`RTSP_TRANSPORT`)."""
    recorded_stream: RecordedStream = RecordedStream.MAIN

    @property
    def recorded_url(self) -> str:
        """Where the chosen stream is, with user and password."""
        return self.rtsp_url_sub if self.recorded_stream is RecordedStream.SUB and self.rtsp_url_sub else self.rtsp_url


class StorageMode(StrEnum):
    """Who opens the uploads."""

    BROKERED = "brokered"
    DIRECT = "direct"


class Storage(Message):
    """Where segments go. `url` is `gs://bucket` or `file:///folder`."""

    model_config = ConfigDict(json_schema_extra={"examples": [_STORAGE]})

    mode: StorageMode = StorageMode.BROKERED
    url: str = ""


class RecorderConfig(Message):
    """The answer to `GET config`.

    A camera, schedule or command that this version can't read is set aside (`unreadable`), and so is `uploading`: what
    a newer control plane wrote, or what is broken, must not stop the recording of all the others. Who caches the
    document caches it as received.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "revision": "9f2c6a41d0e8b735",
                    "client_id": "7d2f5b1e-93c4-4c1a-b5e8-6a0f4d3c2b19",
                    "client_name": "Gatehouse",
                    "timezone": "Europe/Berlin",
                    "cameras": [_CONFIGURED_CAMERA],
                    "schedules": [_SCHEDULE],
                    "storage": _STORAGE,
                    "segment_seconds": 60,
                    "held_recordings": ["0198f0c4-8a00-7b3c-9f10-6d2b8e4a1c55"],
                    "uploading": UPLOADING_EXAMPLE,
                    "commands": [COMMAND_EXAMPLE],
                }
            ]
        }
    )

    revision: str
    """Changes when anything in the document changes; it is the ETag without its quotes."""
    client_id: UUID
    client_name: Name
    timezone: str = "UTC"
    """IANA name of the zone of the recorder's site."""
    cameras: list[ConfiguredCamera] = []
    """Every active camera that is assigned to the recorder and recorded by it, with a schedule or not."""
    schedules: list[Schedule] = []
    storage: Storage = Storage()
    segment_seconds: SegmentSeconds = 60
    """For manual recordings; a schedule has its own."""
    held_recordings: list[UUID] | None = None
    """Recordings of this client whose local files no rule of retention may delete; null from a control plane that
    knows no holds: then those that the recorder knows stay."""
    uploading: Uploading | None = None
    """null from a control plane that knows none: then the recorder's own settings count alone."""
    commands: list[Command] = []
    """What is asked of the recorder now, in the order it was asked; to be taken from an answer only, never from a
    cache."""

    _unreadable: tuple[str, ...] = PrivateAttr(default=())

    @property
    def unreadable(self) -> tuple[str, ...]:
        """What was set aside and why, a line each, for logs and people; never with credentials."""
        return self._unreadable

    @model_validator(mode="wrap")
    @classmethod
    def _set_aside_what_is_unreadable(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(data, dict):
            return handler(data)
        cameras, unreadable_cameras = _read_each("camera", ConfiguredCamera, data.get("cameras"))
        schedules, unreadable_schedules = _read_each("schedule", Schedule, data.get("schedules"))
        uploading, unreadable_uploading = _read_each("uploading", Uploading, [data.get("uploading") or {}])
        commands, unreadable_commands = _read_each("command", Command, data.get("commands"))
        config = handler(
            {
                **data,
                "cameras": cameras,
                "schedules": schedules,
                "uploading": uploading[0] if uploading and data.get("uploading") is not None else None,
                "commands": commands,
            }
        )
        config._unreadable = (  # noqa: SLF001 - cls is its own class
            *unreadable_cameras,
            *unreadable_schedules,
            *unreadable_uploading,
            *unreadable_commands,
        )
        return config


def _read_each(kind: str, message: type[Message], items: Any) -> tuple[Any, list[str]]:
    """Each item read by itself, and a line for each that could not be."""
    if not isinstance(items, list):
        return [] if items is None else items, []
    read: list[Message] = []
    unreadable: list[str] = []
    for item in items:
        try:
            read.append(message.model_validate(item))
        except ValidationError as error:
            causes = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
            named = str(item.get("id")) if isinstance(item, dict) else "?"
            unreadable.append(f"{kind} {named[:40]}: {causes}")
    return read, unreadable
