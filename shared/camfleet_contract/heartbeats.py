"""The heartbeat: what a recorder says of itself, and what the control plane answers."""

from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from camfleet_contract.messages import BigCount, LenientMessage, Message, Text, Utc

Fraction = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class CameraCondition(StrEnum):
    """What a recorder's camera is doing."""

    IDLE = "idle"
    CONNECTING = "connecting"
    RECORDING = "recording"
    STALLED = "stalled"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    UNSUPPORTED = "unsupported"


class CameraState(Message):
    """The condition of one camera, since when and why."""

    camera_id: UUID
    condition: CameraCondition
    since: Utc
    reason: Text = ""
    """For a person; never with credentials."""
    last_footage_at: Utc | None = None


class Backlog(Message):
    """Footage that waits on the recorder's disk."""

    segments: BigCount = 0
    bytes: BigCount = 0
    oldest: Utc | None = None


class Disk(Message):
    """The recorder's data disk."""

    total_bytes: BigCount
    free_bytes: BigCount


class Heartbeat(LenientMessage):
    """The body of `POST heartbeat`. The first five fields are the predecessor's, and it may leave out any of them."""

    client_id: Any = None
    """Ignored: the token says who calls."""
    active_recordings: BigCount | None = None
    available_space_gb: Annotated[float, Field(allow_inf_nan=False)] | None = None
    last_upload: Text | None = None
    system_info: dict[str, Any] | None = None

    version: Annotated[Text, Field(max_length=64)] | None = None
    boot_id: UUID | None = None
    """New at every start of the recorder."""
    sequence: BigCount | None = None
    """Counts heartbeats since the start."""
    clock: Utc | None = None
    """The recorder's clock when it sent this."""
    cameras: Annotated[list[CameraState], Field(max_length=1000)] | None = None
    backlog: Backlog | None = None
    disk: Disk | None = None
    upload_bytes_per_second: Fraction | None = None
    config_revision: Annotated[Text, Field(max_length=128)] | None = None


class HeartbeatReceived(Message):
    """The answer to `POST heartbeat`."""

    message: str = "Heartbeat received"
    client_id: UUID
    status: str = "online"
    server_time: Utc
    config_changed: bool = False
    """Whether the revision the recorder named is not the newest."""
