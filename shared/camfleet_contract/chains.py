"""Chains: how a camera's segments on one recorder's disk hang together, and how far a chain has come."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from camfleet_contract.messages import BigCount, Message, Sha256

MOST_HEADS = 1000
"""In one heartbeat."""
Sequence = Annotated[BigCount, Field(gt=0)]

_HEAD: JsonDict = {
    "camera_id": "0b1d6a52-77a5-4f0e-9d0a-3a1c8f5d2e61",
    "chain_id": "0198f0b0-0a11-7c55-8f6e-2d4b9a7c1e03",
    "sequence": 1441,
    "segment_id": "0198f0c5-7400-7d0e-a2b8-51c9e6f30d77",
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "link_sha256": "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
    "waiting_from": 1430,
    "given_up": 0,
}


class ChainHead(Message):
    """The newest segment that a recorder has sealed of a camera, and what has become of those before it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_HEAD]})

    camera_id: UUID
    chain_id: UUID
    """Of the recorder's disk: each disk has one chain per camera."""
    sequence: Sequence
    segment_id: UUID
    sha256: Sha256
    link_sha256: Sha256
    """Stands for the whole chain up to here."""
    waiting_from: Sequence
    """The oldest that is not proven to be stored yet; one more than `sequence` when nothing waits."""
    given_up: BigCount = 0
    """How many of the chain the recorder has lost or deleted before they were proven; each was told as a gap."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a chain says of one segment, beside all that came before it."""

    chain_id: UUID
    sequence: int
    segment_id: UUID
    camera_id: UUID
    recording_id: UUID
    start: datetime
    end: datetime
    size_bytes: int
    crc32c: str
    sha256: str
    codec: str
    packets: int
    clock_error_seconds: float | None

    def sha256_after(self, previous: str | None) -> str:
        """The hash that stands for the chain up to this segment; `previous` is that of the link before, if any.

        Over JSON, since that has one way to write each of these and no two lists look alike.
        """
        error = self.clock_error_seconds
        facts = [
            "camfleet-link-1",
            previous,
            str(self.chain_id),
            self.sequence,
            str(self.segment_id),
            str(self.camera_id),
            str(self.recording_id),
            moment(self.start),
            moment(self.end),
            self.size_bytes,
            self.crc32c,
            self.sha256,
            self.codec,
            self.packets,
            None if error is None else float(error),
        ]
        return hashlib.sha256(json.dumps(facts, separators=(",", ":")).encode()).hexdigest()


def moment(instant: datetime) -> str:
    """An instant as it is hashed.

    >>> moment(datetime(2026, 3, 1, 20, 0, tzinfo=UTC))
    '2026-03-01T20:00:00.000000+00:00'
    """
    return instant.astimezone(UTC).isoformat(timespec="microseconds")
