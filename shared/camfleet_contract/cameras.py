"""The camera, as recorders see it."""

from enum import StrEnum
from uuid import UUID

from pydantic import ConfigDict
from pydantic.config import JsonDict

from camfleet_contract.messages import Message, Name, Text


class CameraType(StrEnum):
    """How a camera is reached."""

    IP = "ip"
    RTSP = "rtsp"
    WEBCAM = "webcam"


class RecordQuality(StrEnum):
    """What predecessor clients re-encoded to. Our recorder copies packets and only reports it."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class RtspTransport(StrEnum):
    """How RTSP carries the media (RFC 2326, section 10.12 and 12.39)."""

    TCP = "tcp"
    """Inside the RTSP connection: nothing gets lost, and every firewall lets it through."""
    UDP = "udp"
    """In datagrams of its own, for cameras that do TCP badly; what the network loses is lost."""


class RecordedStream(StrEnum):
    """Which of a camera's two streams is recorded."""

    MAIN = "main"
    SUB = "sub"


class RecordingMode(StrEnum):
    """Who records a camera: the control plane's own side, or a recorder at the site."""

    BACKEND = "backend"
    LOCAL_CLIENT = "local_client"


CAMERA_EXAMPLE: JsonDict = {
    "id": "0b1d6a52-77a5-4f0e-9d0a-3a1c8f5d2e61",
    "name": "Yard",
    "ip_address": "192.168.1.20",
    "rtsp_url": "rtsp://user:pass@192.168.1.20:554/s1",
    "rtsp_url_sub": None,
    "camera_type": "rtsp",
    "location": None,
    "record_quality": "medium",
}


class Camera(Message):
    """A camera of the site, with the credentials that its stream needs: never log it.

    On the wire only `rtsp_url_sub` and `location` may be null: predecessor clients drop a camera with another null.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [CAMERA_EXAMPLE]})

    id: UUID
    name: Name
    ip_address: Text = ""
    rtsp_url: Text
    """With user and password, percent-encoded."""
    rtsp_url_sub: Text | None = None
    camera_type: CameraType = CameraType.RTSP
    location: Text | None = None
    record_quality: RecordQuality = RecordQuality.MEDIUM

    def __repr__(self) -> str:
        return f"Camera(id={self.id}, name={self.name!r})"

    __str__ = __repr__
