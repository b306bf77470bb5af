"""The configuration: all that a recorder needs to know, in one consistent document."""

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field

from camfleet_contract.cameras import Camera
from camfleet_contract.messages import Message, Name, Utc
from camfleet_contract.schedules import ScheduleRule

SegmentSeconds = Annotated[int, Field(ge=2, le=3600)]


class Schedule(ScheduleRule):
    """A schedule as `GET schedules` lists it, with its camera."""

    id: UUID
    name: Name
    camera: Camera
    timezone: str = "UTC"
    """IANA name of the site's zone, in which the schedule's times are meant."""
    updated_at: Utc | None = None
    segment_seconds: SegmentSeconds = 60


class StorageMode(StrEnum):
    """Who opens the uploads."""

    BROKERED = "brokered"
    DIRECT = "direct"


class Storage(Message):
    """Where segments go. `url` is `gs://bucket` or `file:///folder`."""

    mode: StorageMode = StorageMode.BROKERED
    url: str = ""


class RecorderConfig(Message):
    """The answer to `GET config`."""

    revision: str
    """Changes when anything in the document changes; it is the ETag without its quotes."""
    client_id: UUID
    client_name: Name
    timezone: str = "UTC"
    """IANA name of the zone of the recorder's site."""
    cameras: list[Camera] = []
    """Every active camera that is assigned to the recorder and recorded by it, with a schedule or not."""
    schedules: list[Schedule] = []
    storage: Storage = Storage()
    segment_seconds: SegmentSeconds = 60
    """For manual recordings; a schedule has its own."""
