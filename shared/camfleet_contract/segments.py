"""Segments: how a recorder offers them, how they are named in the store, and what the control plane answers."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field

from camfleet_contract.messages import BigCount, Crc32c, Interval, Message, Sha256, Text, Utc

OFFERS_PER_BATCH = 500


class SegmentOffer(Interval):
    """One sealed segment that a recorder holds. `start` and `end` are the times of its footage."""

    id: UUID
    """UUIDv7, chosen by the recorder."""
    recording_id: UUID
    camera_id: UUID
    size_bytes: Annotated[BigCount, Field(gt=0)]
    crc32c: Crc32c
    sha256: Sha256
    previous_sha256: Sha256 | None = None
    """Of the same camera's segment before this one; None for a camera's first."""
    codec: Annotated[Text, Field(max_length=64, examples=["h264", "hevc"])]
    packets: BigCount
    """Video packets."""
    clock_error_seconds: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """The recorder's clock minus the control plane's, when known."""
    object_name: Annotated[Text, Field(max_length=1024)] | None = None
    """Where the recorder already put it; None before the upload."""
    generation: BigCount | None = None
    """The object's generation in the bucket (0 in a `file://` store)."""


class OfferBatch(Message):
    """The body of `POST segments/offer`."""

    segments: Annotated[list[SegmentOffer], Field(max_length=OFFERS_PER_BATCH)]


class Verdict(StrEnum):
    """What the control plane says of an offered segment."""

    WANTED = "wanted"
    """Upload it to `object_name`, through `upload` where given, and offer it again."""
    STORED = "stored"
    """The control plane has seen the object and its checksum: the local file may go."""
    REFUSED = "refused"
    """Not now, or never; `reason` tells. The file stays."""


class RefusalCode(StrEnum):
    """Why an offer was refused, for the recorder to act on."""

    UNKNOWN_RECORDING = "unknown_recording"
    """Register the recording, then offer again."""
    UNKNOWN_CAMERA = "unknown_camera"
    """The camera is not this client's (any more): offer again later, an operator may assign it back."""
    CHECKSUM_MISMATCH = "checksum_mismatch"
    """The object in the store has other bytes than the offer says: upload it again."""
    OBJECT_MISSING = "object_missing"
    """The store has no such object: upload it again."""
    CONFLICT = "conflict"
    """Another segment with this id is already known: nothing that repeating would mend."""
    STORE_UNAVAILABLE = "store_unavailable"
    """The control plane can't reach the store: offer again later."""


class UploadSession(Message):
    """A resumable upload that the control plane opened for one segment. The URI is a secret: it lets anyone write."""

    uri: str = Field(repr=False)
    expires_at: Utc


class OfferVerdict(Message):
    """What the control plane says of one offered segment."""

    id: UUID
    verdict: Verdict
    object_name: str | None = None
    upload: UploadSession | None = None
    code: RefusalCode | None = None
    reason: str = ""


class OffersAnswer(Message):
    """The answer to `POST segments/offer`, one verdict an offer, in the order of the batch."""

    segments: list[OfferVerdict]


def object_name(camera_id: UUID, recording_id: UUID, segment_id: UUID, start: datetime) -> str:
    """The segment's name in the store: by ids and UTC, so that no renamed camera or reused address misfiles it.

    >>> from uuid import UUID
    >>> zero = UUID(int=0)
    >>> object_name(zero, zero, zero, datetime(2026, 3, 1, 20, 0, tzinfo=UTC)).rsplit("/", 1)[1]
    '20260301T200000.000Z_00000000-0000-0000-0000-000000000000.mp4'
    """
    utc = start.astimezone(UTC)
    stamp = f"{utc:%Y%m%dT%H%M%S}.{utc.microsecond // 1000:03d}Z"
    return f"cameras/{camera_id}/{utc:%Y/%m/%d}/{recording_id}/{stamp}_{segment_id}.mp4"
