"""Segments: how a recorder offers them, how they are named in the store, and what the control plane answers."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic.config import JsonDict

from camfleet_contract.batches import OrUnreadable
from camfleet_contract.chains import Sequence
from camfleet_contract.messages import BigCount, Crc32c, Interval, Message, Sha256, Text, Utc

OFFERS_PER_BATCH = 500


_OFFER: JsonDict = {
    "id": "0198f0c5-7400-7d0e-a2b8-51c9e6f30d77",
    "recording_id": "0198f0c4-8a00-7b3c-9f10-6d2b8e4a1c55",
    "camera_id": "0b1d6a52-77a5-4f0e-9d0a-3a1c8f5d2e61",
    "start": "2026-03-01T19:00:00.040000Z",
    "end": "2026-03-01T19:01:00.040000Z",
    "size_bytes": 7514796,
    "crc32c": "yZRlqg==",
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "previous_sha256": None,
    "chain_id": "0198f0b0-0a11-7c55-8f6e-2d4b9a7c1e03",
    "sequence": 1,
    "link_sha256": "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
    "codec": "h264",
    "packets": 1500,
    "clock_error_seconds": 0.012,
    "object_name": None,
    "generation": None,
    "session_gone": False,
}


class SegmentOffer(Interval):
    """One sealed segment that a recorder holds. `start` and `end` are the times of its footage."""

    model_config = ConfigDict(json_schema_extra={"examples": [_OFFER]})

    id: UUID
    """UUIDv7, chosen by the recorder."""
    recording_id: UUID
    camera_id: UUID
    size_bytes: Annotated[BigCount, Field(gt=0)]
    crc32c: Crc32c
    sha256: Sha256
    previous_sha256: Sha256 | None = None
    """Of the same camera's segment before this one in the chain; None for a camera's first."""
    chain_id: UUID | None = None
    """Which chain it is part of, see `chains`. This and the next two are absent from older recorders."""
    sequence: Sequence | None = None
    """Counts the chain's segments in the order in which they were sealed, from 1, without holes."""
    link_sha256: Sha256 | None = None
    """Stands for the whole chain up to this segment."""
    codec: Annotated[Text, Field(max_length=64, examples=["h264", "hevc"])]
    packets: BigCount
    """Video packets."""
    clock_error_seconds: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """The recorder's clock minus the control plane's, when known."""
    object_name: Annotated[Text, Field(max_length=1024)] | None = None
    """Where the recorder already put it; None before the upload."""
    generation: BigCount | None = None
    """The object's generation in the bucket (0 in a `file://` store)."""
    session_gone: bool = False
    """The upload session that was given for it has expired or is unusable: another is needed."""


class OfferBatch(Message):
    """The body of `POST segments/offer`."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"segments": [_OFFER]}]})

    segments: Annotated[list[OrUnreadable[SegmentOffer]], Field(max_length=OFFERS_PER_BATCH)]


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


def _known_code(code: Any) -> Any:
    # One new code must not make an older recorder lose the other 499 verdicts of the answer.
    return None if isinstance(code, str) and code not in {known.value for known in RefusalCode} else code


_OBJECT_NAME = (
    "cameras/0b1d6a52-77a5-4f0e-9d0a-3a1c8f5d2e61/2026/03/01/0198f0c4-8a00-7b3c-9f10-6d2b8e4a1c55/"
    "20260301T190000.040Z_0198f0c5-7400-7d0e-a2b8-51c9e6f30d77.mp4"
)
_SESSION: JsonDict = {
    "uri": "https://storage.googleapis.com/upload/storage/v1/b/footage/o?upload_id=…",
    "expires_at": "2026-03-08T19:01:02Z",
}
_WANTED: JsonDict = {
    "id": "0198f0c5-7400-7d0e-a2b8-51c9e6f30d77",
    "verdict": "wanted",
    "object_name": _OBJECT_NAME,
    "upload": _SESSION,
    "code": None,
    "reason": "",
}
_STORED: JsonDict = {"id": "0198f0c5-7400-7d0e-a2b8-51c9e6f30d77", "verdict": "stored", "object_name": _OBJECT_NAME}
_REFUSED: JsonDict = {
    "id": "0198f0c5-7400-7d0e-a2b8-51c9e6f30d77",
    "verdict": "refused",
    "code": "checksum_mismatch",
    "reason": "The object's CRC32C is rL0Ntw==, the offer says yZRlqg==: upload it again.",
}


class UploadSession(Message):
    """A resumable upload that the control plane opened for one segment. The URI is a secret: it lets anyone write."""

    model_config = ConfigDict(json_schema_extra={"examples": [_SESSION]})

    uri: str = Field(repr=False)
    expires_at: Utc


class OfferVerdict(Message):
    """What the control plane says of one offered segment."""

    model_config = ConfigDict(json_schema_extra={"examples": [_WANTED, _STORED, _REFUSED]})

    id: UUID | None
    """None for an offer whose own id can't be read; the order tells which."""
    verdict: Verdict
    object_name: str | None = None
    upload: UploadSession | None = None
    code: Annotated[RefusalCode | None, BeforeValidator(_known_code)] = None
    """None for an offer that can't be read, and for a code from a newer control plane; `reason` still tells."""
    reason: str = ""


class OffersAnswer(Message):
    """The answer to `POST segments/offer`, one verdict an offer, in the order of the batch."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"segments": [_WANTED]}]})

    segments: list[OfferVerdict]


_ID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_NAME = re.compile(rf"cameras/({_ID})/[0-9/]{{10}}/({_ID})/([0-9]{{8}}T[0-9]{{6}}\.[0-9]{{3}})Z_({_ID})\.mp4")


@dataclass(frozen=True, slots=True)
class ObjectName:
    """What a segment's name in the store says."""

    camera_id: UUID
    recording_id: UUID
    segment_id: UUID
    start: datetime
    """To the millisecond."""

    @classmethod
    def read(cls, name: str) -> "ObjectName | None":
        """None if `object_name` gives no such name.

        >>> ObjectName.read("cameras/holiday.mp4")
        """
        match = _NAME.fullmatch(name)
        if match is None:
            return None
        camera_id, recording_id, segment_id = (UUID(match[group]) for group in (1, 2, 4))
        try:
            start = datetime.strptime(match[3], "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC)
        except ValueError:
            return None
        is_ours = object_name(camera_id, recording_id, segment_id, start) == name
        return cls(camera_id, recording_id, segment_id, start) if is_ours else None


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
