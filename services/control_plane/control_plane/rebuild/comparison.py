"""A row beside its object: in what they differ."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from camfleet_contract.descriptions import SegmentDescription
from control_plane.models import SegmentState
from control_plane.rebuild.objects import Candidate, Checksums, link_of


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """A segment's row."""

    camera_id: uuid.UUID
    started_at: datetime
    id: uuid.UUID
    ended_at: datetime
    client_id: uuid.UUID
    recording_id: uuid.UUID
    state: SegmentState
    size_bytes: int
    crc32c: str
    sha256: str
    previous_sha256: str | None
    codec: str
    packets: int
    clock_error_seconds: float | None
    object_name: str
    store_url: str
    """Empty where nobody noted it."""
    generation: int | None
    chain_id: uuid.UUID | None
    sequence: int | None
    link_sha256: str | None
    stored_at: datetime | None
    deleted_at: datetime | None

    def is_settled(self, since: datetime) -> bool:
        """Whether what it says of its object has been so since then: else the store was listed too early for it."""
        return all(at is None or at <= since for at in (self.stored_at, self.deleted_at))


def differences(
    row: SegmentRow,
    candidate: Candidate,
    store_url: str,
    description: SegmentDescription | None,
    checksums: Checksums,
) -> Mapping[str, tuple[object, object]]:
    """By column what the row says and what the object says; only what is known of the object counts."""
    listed = candidate.object
    told: dict[str, object] = {
        # An object that is there has been stored; `deleted` and `offered` say otherwise.
        "state": SegmentState.STORED,
        "object_name": listed.name,
        "recording_id": candidate.recording_id,
        "size_bytes": listed.size_bytes,
    }
    known_only_if_told = {
        "store_url": store_url if row.store_url else None,
        "crc32c": checksums.crc32c,
        "sha256": checksums.sha256,
        "generation": listed.generation if row.generation is not None else None,
    }
    told |= {name: value for name, value in known_only_if_told.items() if value is not None}
    if description is not None:
        told |= {
            "started_at": description.start,
            "ended_at": description.end,
            "previous_sha256": description.previous_sha256,
            "codec": description.codec,
            "packets": description.packets,
            "clock_error_seconds": description.clock_error_seconds,
            "sequence": description.sequence,
        }
        if description.sequence is not None:
            told["chain_id"] = description.recorder_id
        if description.client_id is not None:
            told["client_id"] = description.client_id
    differing = {name: (getattr(row, name), value) for name, value in told.items() if getattr(row, name) != value}
    link_sha256 = link_of(candidate, description, checksums)
    if not differing and link_sha256 is not None and row.link_sha256 != link_sha256:
        # Over all that is compared above: where that differs, this says nothing new.
        return {"link_sha256": (row.link_sha256, link_sha256)}
    return differing
