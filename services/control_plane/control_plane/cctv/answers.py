"""What the operators' API answers, and how rows become answers. No answer has a secret, but a new client's token."""

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from camfleet_contract.cameras import CameraType, RecordedStream, RecordingMode, RecordQuality, RtspTransport
from camfleet_contract.messages import WallDate, WallTime
from camfleet_contract.recordings import RecordingStatus
from camfleet_contract.schedules import ScheduleType, Weekday
from camfleet_contract.uploading import UploadHours, read_hours
from control_plane.fleet.cameras import has_password, shown_sub_url, shown_url
from control_plane.fleet.contact import Contact, contact_at
from control_plane.models import Camera, Client, Fetch, Recording, Schedule, Segment, SegmentState, Site
from control_plane.recordings.fetches import FetchState, state_of
from control_plane.security.secrets import SecretBox


class Answer(BaseModel):
    """A frozen answer, read from a row where names agree."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class Kept(Answer):
    """What everything that operators keep has in common."""

    id: uuid.UUID
    created_at: datetime
    updated_at: datetime


class SiteAnswer(Kept):
    """A place with a time zone."""

    name: Annotated[str, Field(examples=["Harbour"])]
    timezone: Annotated[str, Field(examples=["Europe/Berlin"])]

    @classmethod
    def of(cls, site: Site) -> "SiteAnswer":
        return cls.model_validate(site)


class ClientAnswer(Kept):
    """A local recording client."""

    name: Annotated[str, Field(examples=["Box in the harbour office"])]
    site_id: uuid.UUID
    camera_ids: list[uuid.UUID]
    is_active: bool
    upload_limit_kbit: Annotated[int | None, Field(examples=[2000])]
    """What its uploads may take of the uplink together, in 1,000 bits per second; null: all there is."""
    upload_hours: list[UploadHours]
    """When it may upload, in wall-clock time of its site; none: at any time."""
    status: Contact
    """From the last contact: `online` for 90 seconds, `late` until three minutes, `offline` from then on."""
    last_contact_at: datetime | None

    @classmethod
    def of(
        cls, client: Client, camera_ids: Iterable[uuid.UUID], last_contact_at: datetime | None, now: datetime
    ) -> "ClientAnswer":
        return cls(
            id=client.id,
            name=client.name,
            site_id=client.site_id,
            camera_ids=sorted(camera_ids),
            is_active=client.is_active,
            upload_limit_kbit=client.upload_limit_kbit,
            upload_hours=read_hours(", ".join(client.upload_hours)),
            status=contact_at(last_contact_at, now),
            last_contact_at=last_contact_at,
            created_at=client.created_at,
            updated_at=client.updated_at,
        )


class TokenAnswer(Answer):
    """A client's new token. This is the only time that it is shown."""

    client_token: Annotated[str, Field(examples=["cfr_Vb0x…"])]
    env: Annotated[str, Field(examples=["BACKEND_API_URL=https://cctv.example.com\nCLIENT_TOKEN=cfr_Vb0x…\n"])]
    """The recorder's `.env`."""


class NewClientAnswer(ClientAnswer, TokenAnswer):
    """A client that was just made, with its token."""


class RevokedAnswer(Answer):
    """What became of a client's tokens."""

    revoked: Annotated[int, Field(ge=0)]
    """How many were live."""


class CameraAnswer(Kept):
    """A camera. Its password is never shown, only whether there is one."""

    name: Annotated[str, Field(examples=["Yard"])]
    site_id: uuid.UUID
    camera_type: CameraType
    ip_address: str
    port: int
    username: str
    has_password: bool
    rtsp_path: str
    rtsp_url: Annotated[str | None, Field(examples=["rtsp://admin:***@192.168.1.20:554/stream1"])]
    """Given or put together, the password as `***`; null if its secrets can't be read with the keys in use."""
    rtsp_url_sub: str | None
    rtsp_transport: RtspTransport | None
    """null: as the recorder is set."""
    recorded_stream: RecordedStream
    location: str | None
    record_quality: RecordQuality
    recording_mode: RecordingMode
    retention_days: int | None
    """null: as the server's RETENTION_DAYS says."""
    is_active: bool

    @classmethod
    def of(cls, camera: Camera, secrets: SecretBox) -> "CameraAnswer":
        return cls(
            id=camera.id,
            name=camera.name,
            site_id=camera.site_id,
            camera_type=camera.camera_type,
            ip_address=camera.ip_address,
            port=camera.port,
            username=camera.username,
            has_password=has_password(camera, secrets),
            rtsp_path=camera.rtsp_path,
            rtsp_url=shown_url(camera, secrets),
            rtsp_url_sub=shown_sub_url(camera, secrets),
            rtsp_transport=camera.rtsp_transport,
            recorded_stream=camera.recorded_stream,
            location=camera.location,
            record_quality=camera.record_quality,
            recording_mode=camera.recording_mode,
            retention_days=camera.retention_days,
            is_active=camera.is_active,
            created_at=camera.created_at,
            updated_at=camera.updated_at,
        )


class ScheduleAnswer(Kept):
    """A schedule, in wall-clock time of the camera's site."""

    name: Annotated[str, Field(examples=["Yard by night"])]
    camera_id: uuid.UUID
    schedule_type: ScheduleType
    start_time: WallTime
    end_time: WallTime
    start_date: WallDate | None
    end_date: WallDate | None
    days_of_week: list[Weekday]
    is_active: bool
    segment_seconds: int
    timezone: Annotated[str, Field(examples=["Europe/Berlin"])]

    @classmethod
    def of(cls, schedule: Schedule, timezone: str) -> "ScheduleAnswer":
        kept = {name: getattr(schedule, name) for name in cls.model_fields if name != "timezone"}
        return cls(**kept, timezone=timezone)


class RecordingAnswer(Kept):
    """One camera recorded through one window, or one manual run."""

    name: str
    client_id: uuid.UUID
    camera_id: uuid.UUID
    schedule_id: uuid.UUID | None
    status: RecordingStatus
    started_at: datetime
    ended_at: datetime | None
    seconds: Annotated[float, Field(ge=0)] | None
    """From start to end; null while it goes on."""
    progress: float
    frames_recorded: int
    file_size: int
    """Bytes, as the recorder reported them."""
    gcp_path: str | None
    """Of a predecessor client's single file; ours has segments."""
    error_code: str | None
    error_message: str | None
    held_at: datetime | None
    """Since when no rule of retention may delete its files, at the site or in the store; null when it isn't held."""

    @classmethod
    def of(cls, recording: Recording) -> "RecordingAnswer":
        return cls(**_of_recording(recording))


class SegmentTotals(Answer):
    """What the control plane knows of a recording's segments."""

    known: int
    stored: int
    deleted: int
    """Were stored, and were deleted since by the rules of retention."""
    seconds: float
    stored_seconds: float
    size_bytes: int
    stored_bytes: int
    is_complete: bool
    """False for a recording with more segments than are counted."""


class RecordingDetails(RecordingAnswer):
    """A recording with the sums of its segments."""

    segments: SegmentTotals

    @classmethod
    def with_totals(cls, recording: Recording, totals: SegmentTotals) -> "RecordingDetails":
        return cls(**_of_recording(recording), segments=totals)


class SegmentAnswer(Answer):
    """One MP4 file of a recording."""

    id: uuid.UUID
    recording_id: uuid.UUID
    camera_id: uuid.UUID
    client_id: uuid.UUID
    started_at: datetime
    ended_at: datetime
    seconds: Annotated[float, Field(ge=0)]
    state: SegmentState
    size_bytes: int
    crc32c: str
    sha256: str
    previous_sha256: str | None
    chain_id: uuid.UUID | None
    """Which of the camera's chains it is part of: one for each recorder's disk."""
    sequence: int | None
    link_sha256: str | None
    """Stands for the whole chain up to this segment."""
    codec: str
    packets: int
    clock_error_seconds: float | None
    object_name: str
    generation: int | None
    offered_at: datetime
    stored_at: datetime | None
    deleted_at: datetime | None
    deletion_reason: str | None
    """As in `retention: 30 days`."""

    @classmethod
    def of(cls, segment: Segment) -> "SegmentAnswer":
        kept = {name: getattr(segment, name) for name in cls.model_fields if name != "seconds"}
        return cls(**kept, seconds=(segment.ended_at - segment.started_at).total_seconds())


class FetchAnswer(Answer):
    """An interval of one camera that one recorder was asked to upload before all other."""

    id: uuid.UUID
    client_id: uuid.UUID
    camera_id: uuid.UUID
    start: datetime
    end: datetime
    state: FetchState
    """`asked` until the recorder says something of it, `waiting` while it has some that isn't stored."""
    segments_left: int | None
    """As the recorder said last; null before it does."""
    bytes_left: int | None
    asked_at: datetime
    asked_by: Annotated[str, Field(examples=["operator:maria"])]
    expires_at: datetime
    """From then on the footage waits for its turn like all other."""
    ended_at: datetime | None

    @classmethod
    def of(cls, fetch: Fetch, now: datetime) -> "FetchAnswer":
        kept = {name: getattr(fetch, name) for name in cls.model_fields if name not in {"start", "end", "state"}}
        return cls(**kept, start=fetch.start_at, end=fetch.end_at, state=state_of(fetch, now))


def _of_recording(recording: Recording) -> dict[str, object]:
    kept = {name: getattr(recording, name) for name in RecordingAnswer.model_fields if name != "seconds"}
    ended_at = recording.ended_at
    # A predecessor's clock may be off: an end before the start is no time at all.
    seconds = max(0.0, (ended_at - recording.started_at).total_seconds()) if ended_at else None
    return kept | {"seconds": seconds}
