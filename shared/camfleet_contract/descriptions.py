"""What a segment says of itself: in a box at the end of its file, and as the metadata of its object in the store.

The box is a `uuid` box (ISO/IEC 14496-12, 4.2), which players skip: 4 bytes of size, `uuid`, the 16 bytes of `BOX_ID`,
and JSON. It is the last one of the file, so that the file's last `MOST_BOX_BYTES` hold all of it. It can't say the
file's own checksums, since they are made of it, too.
"""

import struct
from collections.abc import Mapping
from typing import Annotated, Self
from uuid import UUID

from pydantic import ConfigDict, Field, ValidationError
from pydantic.config import JsonDict

from camfleet_contract.chains import Link, Sequence
from camfleet_contract.messages import BigCount, Interval, Sha256, Text, Utc

FORMAT = 1
BOX_ID = UUID("ad2e9ac0-267a-41a0-86ff-b7624792ba27")
MOST_BOX_BYTES = 16 * 1024
_HEADER = struct.Struct(">I4s16s")

_DESCRIPTION: JsonDict = {
    "format": FORMAT,
    "segment_id": "0198f0c5-7400-7d0e-a2b8-51c9e6f30d77",
    "recording_id": "0198f0c4-8a00-7b3c-9f10-6d2b8e4a1c55",
    "camera_id": "0b1d6a52-77a5-4f0e-9d0a-3a1c8f5d2e61",
    "client_id": "7d2f5b1e-93c4-4c1a-b5e8-6a0f4d3c2b19",
    "recorder_id": "0198f0b0-0a11-7c55-8f6e-2d4b9a7c1e03",
    "start": "2026-03-01T19:00:00.040000Z",
    "end": "2026-03-01T19:01:00.040000Z",
    "clock_error_seconds": 0.012,
    "codec": "h264",
    "packets": 1500,
    "sequence": 1441,
    "previous_link_sha256": "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
    "previous_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "recording_name": "Yard by night",
    "schedule_id": "5f6c1c0e-54a5-4a0b-8c3e-2f1d7b9a6e42",
    "recording_started_at": "2026-03-01T19:00:00Z",
}


class SegmentDescription(Interval):
    """All that is known of a segment when it is sealed, but its file's checksums.

    `start` and `end` are those of its footage.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_DESCRIPTION]})

    format: int = FORMAT
    """Grows when a reader of this version would misread the rest; further fields don't change it."""
    segment_id: UUID
    recording_id: UUID
    camera_id: UUID
    client_id: UUID | None = None
    """The recorder, as the control plane knows it; None if it had never heard from one."""
    recorder_id: UUID | None = None
    """The recorder's disk, whose chain it is part of; see `chains`."""
    sequence: Sequence | None = None
    previous_link_sha256: Sha256 | None = None
    """Stands for the chain before it; None for its first."""
    clock_error_seconds: Annotated[float, Field(allow_inf_nan=False)] | None = None
    codec: Annotated[Text, Field(max_length=64)]
    packets: BigCount
    """Video packets."""
    previous_sha256: Sha256 | None = None
    """Of the same camera's file that was sealed before; None for a camera's first."""
    recording_name: Annotated[Text, Field(max_length=1000)] = ""
    schedule_id: UUID | None = None
    recording_started_at: Utc | None = None

    def box(self) -> bytes:
        """To be put behind the last box of the file."""
        content = self.model_dump_json(exclude_none=True).encode()
        return _HEADER.pack(_HEADER.size + len(content), b"uuid", BOX_ID.bytes) + content

    @classmethod
    def at_end(cls, tail: bytes) -> Self | None:
        """From the last bytes of a file, of which `MOST_BOX_BYTES` are enough; None if it has no such box there."""
        at = tail.rfind(b"uuid" + BOX_ID.bytes) - 4
        if at < 0:
            return None
        size, _, _ = _HEADER.unpack_from(tail, at)
        if size != len(tail) - at or size > MOST_BOX_BYTES:
            return None
        return cls._read(tail[at + _HEADER.size :])

    def link_sha256(self, size_bytes: int, crc32c: str, sha256: str) -> str | None:
        """The link that its file, of which these are the facts, makes in its chain; None if it is part of none."""
        if self.recorder_id is None or self.sequence is None or (self.sequence > 1 and not self.previous_link_sha256):
            return None
        link = Link(
            chain_id=self.recorder_id,
            sequence=self.sequence,
            segment_id=self.segment_id,
            camera_id=self.camera_id,
            recording_id=self.recording_id,
            start=self.start,
            end=self.end,
            size_bytes=size_bytes,
            crc32c=crc32c,
            sha256=sha256,
            codec=self.codec,
            packets=self.packets,
            clock_error_seconds=self.clock_error_seconds,
        )
        return link.sha256_after(self.previous_link_sha256)

    def metadata(self, sha256: str) -> dict[str, str]:
        """The same for the store, with the file's own SHA-256; what is not known is empty or missing."""
        told = self.model_dump(mode="json", exclude_none=True, exclude={"format"})
        return {"sha256": sha256, **{name.replace("_", "-"): str(value) for name, value in told.items()}}

    @classmethod
    def of_metadata(cls, metadata: Mapping[str, str]) -> Self | None:
        """From an object's metadata; None if that isn't enough."""
        told = {name.replace("-", "_"): value for name, value in metadata.items() if value}
        try:
            return cls.model_validate(told)
        except ValidationError:
            return None

    @classmethod
    def _read(cls, content: bytes) -> Self | None:
        try:
            found = cls.model_validate_json(content)
        except ValidationError:
            return None
        return found if found.format == FORMAT else None
