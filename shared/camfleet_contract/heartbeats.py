"""The heartbeat: what a recorder says of itself, and what the control plane answers."""

from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from camfleet_contract.chains import MOST_HEADS, ChainHead
from camfleet_contract.messages import BigCount, JsonObject, LenientMessage, Message, Text, Utc

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


_CAMERA_STATE: JsonDict = {
    "camera_id": "0b1d6a52-77a5-4f0e-9d0a-3a1c8f5d2e61",
    "condition": "recording",
    "since": "2026-03-01T19:00:00Z",
    "reason": "",
    "last_footage_at": "2026-03-01T20:15:29Z",
}
_BACKLOG: JsonDict = {"segments": 12, "bytes": 90177536, "oldest": "2026-03-01T20:03:00Z"}
_PROBLEM: JsonDict = {
    "code": "store_unusable",
    "text": "uploads: the storage folder /mnt/footage does not exist: mount the disk, or create it",
    "since": "2026-03-01T19:42:10Z",
}
_UPLINK: JsonDict = {
    "bytes_per_second": 248320.5,
    "capacity_bytes_per_second": 249100.0,
    "limit_kbit": 2000,
    "is_open": True,
    "changes_at": "2026-03-02T05:00:00Z",
}
_AT_RISK: JsonDict = {
    "since": "2026-03-01T18:40:00Z",
    "loss_at": "2026-03-03T04:12:00Z",
    "rule": "disk",
    "camera_id": None,
    "needed_bytes_per_second": 612000.0,
}
_FETCH_PROGRESS: JsonDict = {"id": "0198f0d9-3b00-7d44-8c21-4f7a9e0b6c12", "segments": 3, "bytes": 22544384}
_DISK: JsonDict = {"total_bytes": 500107862016, "free_bytes": 127131062272}


class CameraState(Message):
    """The condition of one camera, since when and why."""

    model_config = ConfigDict(json_schema_extra={"examples": [_CAMERA_STATE]})

    camera_id: UUID
    condition: CameraCondition
    since: Utc
    reason: Text = ""
    """For a person; never with credentials."""
    last_footage_at: Utc | None = None


class Backlog(Message):
    """Footage that waits on the recorder's disk."""

    model_config = ConfigDict(json_schema_extra={"examples": [_BACKLOG]})

    segments: BigCount = 0
    bytes: BigCount = 0
    oldest: Utc | None = None


class Disk(Message):
    """The recorder's data disk."""

    model_config = ConfigDict(json_schema_extra={"examples": [_DISK]})

    total_bytes: BigCount
    free_bytes: BigCount


class Problem(Message):
    """Something about the recorder itself that a person should look at."""

    model_config = ConfigDict(json_schema_extra={"examples": [_PROBLEM]})

    code: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    """Which kind of problem; a newer recorder may know more kinds."""
    text: Annotated[Text, Field(max_length=1000)] = ""
    """For a person: what is wrong and what to do; never with credentials."""
    since: Utc


class Uplink(Message):
    """How the recorder may upload now, and how fast it does."""

    model_config = ConfigDict(json_schema_extra={"examples": [_UPLINK]})

    bytes_per_second: Fraction = 0.0
    """Sent in the last minute, on average."""
    capacity_bytes_per_second: Fraction | None = None
    """What the store took lately while there was something to send; null before that is known."""
    limit_kbit: BigCount | None = None
    """The lower of the console's and the site's own; null: none."""
    is_open: bool = True
    """Whether it is within the hours of uploading."""
    changes_at: Utc | None = None
    """When these hours begin or end next; null: never."""


class FootageAtRisk(Message):
    """As things go, the recorder will have to delete footage that isn't uploaded."""

    model_config = ConfigDict(json_schema_extra={"examples": [_AT_RISK]})

    since: Utc
    """Since when it says so."""
    loss_at: Utc
    """When it would delete the first."""
    rule: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")] = "disk"
    """What would force it: `disk`, `age` (KEEP_UNPROVEN_DAYS) or `share` (MAX_GIB_PER_CAMERA)."""
    camera_id: UUID | None = None
    """Whose, where one camera will have more than its share."""
    needed_bytes_per_second: Fraction | None = None
    """The uplink that would save it, in the hours in which it may upload; null: none would, in these hours."""


class FetchProgress(Message):
    """What is still to be stored of an interval that was asked for."""

    model_config = ConfigDict(json_schema_extra={"examples": [_FETCH_PROGRESS]})

    id: UUID
    segments: BigCount = 0
    """0: all that there was is stored, or there was nothing."""
    bytes: BigCount = 0


class Heartbeat(LenientMessage):
    """The body of `POST heartbeat`. The first five fields are the predecessor's, and it may leave out any of them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "client_id": "7d2f5b1e-93c4-4c1a-b5e8-6a0f4d3c2b19",
                    "active_recordings": 2,
                    "available_space_gb": 118.4,
                    "last_upload": None,
                    "system_info": {"platform": "linux"},
                },
                {
                    "active_recordings": 1,
                    "available_space_gb": 118.4,
                    "version": "0.1.0",
                    "boot_id": "0198f0b0-1c00-7a21-b6f4-93e5d0c7a842",
                    "sequence": 75,
                    "clock": "2026-03-01T20:15:30Z",
                    "cameras": [_CAMERA_STATE],
                    "backlog": _BACKLOG,
                    "disk": _DISK,
                    "upload_bytes_per_second": 786432.0,
                    "config_revision": "9f2c6a41d0e8b735",
                    "problems": [_PROBLEM],
                    "uplink": _UPLINK,
                    "at_risk": _AT_RISK,
                    "fetches": [_FETCH_PROGRESS],
                },
            ]
        }
    )

    client_id: Any = None
    """Ignored: the token says who calls."""
    active_recordings: BigCount | None = None
    available_space_gb: Annotated[float, Field(allow_inf_nan=False)] | None = None
    last_upload: Text | None = None
    system_info: JsonObject | None = None

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
    problems: Annotated[list[Problem], Field(max_length=50)] | None = None
    """What is wrong with the recorder itself; its cameras' troubles are in `cameras`. Absent from older recorders."""
    chain_heads: Annotated[list[ChainHead], Field(max_length=MOST_HEADS)] | None = None
    """The end of each camera's chain of segments. Absent from older recorders."""
    uplink: Uplink | None = None
    at_risk: FootageAtRisk | None = None
    """Null or absent: nothing is, as far as can be foreseen."""
    fetches: Annotated[list[FetchProgress], Field(max_length=1000)] | None = None
    """Of the intervals that the configuration asks for."""


class HeartbeatReceived(Message):
    """The answer to `POST heartbeat`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "message": "Heartbeat received",
                    "client_id": "7d2f5b1e-93c4-4c1a-b5e8-6a0f4d3c2b19",
                    "status": "online",
                    "server_time": "2026-03-01T20:15:30.125000Z",
                    "config_changed": False,
                }
            ]
        }
    )

    message: str = "Heartbeat received"
    client_id: UUID
    status: str = "online"
    server_time: Utc
    config_changed: bool = False
    """Whether the revision the recorder named is not the newest."""
