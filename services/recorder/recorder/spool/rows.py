"""What the spool knows of a recording, a segment and a gap."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import PurePosixPath
from uuid import UUID

from camfleet_contract.gaps import GapCause
from camfleet_contract.recordings import RecordingStatus


class SegmentState(StrEnum):
    """How far a segment has come. A row goes away together with its stored file."""

    OPEN = "open"
    """Being written; its file may be missing, partial or playable up to the last fragment."""
    SEALED = "sealed"
    """The file is complete and synced, its checksums are known."""
    UPLOADED = "uploaded"
    """The object is in the store, the control plane has not confirmed it yet."""
    STORED = "stored"
    """The control plane has proven the object: the file may go."""
    LOST = "lost"
    """The row had no file at start-up; reported as a gap."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One camera recorded through one window, or one manual run (then `schedule_id` is None)."""

    id: UUID
    camera_id: UUID
    schedule_id: UUID | None
    name: str
    started_at: datetime
    until: datetime | None = None
    """When its window ends."""
    ended_at: datetime | None = None
    status: RecordingStatus = RecordingStatus.RECORDING
    error_code: str | None = None
    error_message: str | None = None
    frames: int = 0
    """Video packets in its sealed segments."""
    size_bytes: int = 0
    """Of its sealed segments."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """What is known of a segment once its file is complete."""

    start: datetime
    end: datetime
    size_bytes: int
    crc32c: str
    sha256: str
    codec: str
    packets: int
    """Video packets."""
    clock_error_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment file and how far it has come."""

    id: UUID
    recording_id: UUID
    camera_id: UUID
    state: SegmentState
    path: PurePosixPath
    """Relative to the spool's folder. While the segment is open, the file has `.part` behind its name."""
    opened_at: datetime
    sealed: Sealed | None = None
    previous_sha256: str | None = None
    """Of the same camera's segment that was sealed before this one."""
    sequence: int | None = None
    """Its place in the camera's chain; None if it was sealed before chains were counted."""
    link_sha256: str | None = None
    """Stands for the chain up to here."""
    object_name: str | None = None
    generation: int | None = None
    upload_session: bytes | None = None
    """The URI of the resumable upload, encrypted."""
    refusal: str | None = None
    """Why the control plane or the store last said no, for a person."""
    retry_at: datetime | None = None
    """Not to be offered or uploaded before this."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in its camera's chain the segment stands that is sealed next."""

    sequence: int
    previous_sha256: str | None
    previous_link_sha256: str | None


@dataclass(frozen=True, slots=True)
class Head:
    """The end of one camera's chain."""

    camera_id: UUID
    sequence: int
    segment_id: UUID
    sha256: str
    link_sha256: str
    waiting_from: int
    """The oldest that is not proven; one more than `sequence` when nothing waits."""
    given_up: int
    """How many went before they were proven."""


@dataclass(frozen=True, slots=True)
class MissedFootage:
    """A gap: time that was due and not recorded."""

    id: UUID
    camera_id: UUID
    schedule_id: UUID | None
    recording_id: UUID | None
    start: datetime
    end: datetime
    cause: GapCause
    detail: str


@dataclass(frozen=True, slots=True)
class SceneEvent:
    """A stretch in which a camera's picture was not as usual."""

    id: UUID
    camera_id: UUID | None
    """None: of the recorder itself."""
    kind: str
    begin: datetime
    end: datetime | None
    """None while it is on."""
    usual: Mapping[str, float]
    seen: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Backlog:
    """Footage that waits for its proof."""

    segments: int
    size_bytes: int
    oldest: datetime | None


class HoldOrigin(StrEnum):
    """Who wants a recording kept. Each releases its own hold only."""

    CONTROL_PLANE = "control_plane"
    SITE = "site"
    """Somebody at the box, by its local endpoint or the command line."""


@dataclass(frozen=True, slots=True)
class Hold:
    """One recording's local files are not deleted by any rule."""

    recording_id: UUID
    origin: HoldOrigin
    since: datetime


@dataclass(frozen=True, slots=True)
class Occupied:
    """What one camera's sealed files take of the disk."""

    camera_id: UUID
    size_bytes: int
    held_bytes: int


@dataclass(frozen=True, slots=True)
class BegunCommand:
    """A command of the control plane that was begun here."""

    id: UUID
    kind: str
    result: str | None
    """How it ended, as it is told; None if that isn't known: it is under way, or was when the recorder ended."""
