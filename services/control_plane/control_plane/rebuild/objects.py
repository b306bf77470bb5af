"""What an object says of itself: by its name, its metadata, and the box at its end."""

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from camfleet_contract.descriptions import MOST_BOX_BYTES, SegmentDescription
from camfleet_contract.segments import ObjectName, object_name
from control_plane.rebuild.findings import Finding, Kind
from control_plane.recordings.moments import is_plausible
from control_plane.stores import ListedObject, Store

_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Candidate:
    """An object whose name is a segment's."""

    camera_id: uuid.UUID
    recording_id: uuid.UUID
    segment_id: uuid.UUID
    start: datetime
    """To the millisecond."""
    object: ListedObject

    @classmethod
    def of(cls, listed: ListedObject) -> "Candidate | None":
        """None if it is none of ours."""
        named = ObjectName.read(listed.name)
        if named is None or not is_plausible(named.start):
            return None
        return cls(named.camera_id, named.recording_id, named.segment_id, named.start, listed)

    @property
    def day(self) -> datetime:
        """When the day began whose folder it is in."""
        return self.start.replace(hour=0, minute=0, second=0, microsecond=0)


@dataclass(frozen=True, slots=True)
class Day:
    """All objects of one camera's day: what is not among them isn't in the store."""

    camera_id: uuid.UUID
    begin: datetime
    objects: Sequence[Candidate]

    @property
    def end(self) -> datetime:
        """When the next one begins."""
        return self.begin + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Checksums:
    """Of an object's bytes; the SHA-256 is None where only the store's word was asked for."""

    crc32c: str | None
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Described:
    """An object of which a row can be made."""

    candidate: Candidate
    description: SegmentDescription
    client_id: uuid.UUID
    checksums: Checksums

    @property
    def link_sha256(self) -> str | None:
        """Its place in its chain."""
        return link_of(self.candidate, self.description, self.checksums)


@dataclass(frozen=True, slots=True)
class Reading:
    """What was found out of an object."""

    description: SegmentDescription | None
    checksums: Checksums


def link_of(candidate: Candidate, description: SegmentDescription | None, checksums: Checksums) -> str | None:
    """As whoever uploaded it says, or as it follows from the link before; None if neither is known."""
    told = candidate.object.metadata.get("link-sha256", "")
    if _SHA256.fullmatch(told):
        return told
    if description is None or checksums.crc32c is None or checksums.sha256 is None:
        return None
    return description.link_sha256(candidate.object.size_bytes, checksums.crc32c, checksums.sha256)


async def read(store: Store, candidate: Candidate, *, may_read_all: bool) -> Reading | Finding:
    """As little as it takes to know what the object says of itself, and to have its checksums if all may be read."""
    listed = candidate.object
    sha256 = listed.metadata.get("sha256", "")
    checksums = Checksums(listed.crc32c, sha256 if _SHA256.fullmatch(sha256) else None)
    description = SegmentDescription.of_metadata(listed.metadata)
    if description is not None and None not in {checksums.crc32c, checksums.sha256}:
        return Reading(description, checksums)
    if not may_read_all:
        tail = await store.read_tail(listed.name, MOST_BOX_BYTES) or b""
        return Reading(description or SegmentDescription.at_end(tail), checksums)
    found = await store.examine(listed.name, MOST_BOX_BYTES)
    if found is None or found.size_bytes != listed.size_bytes:
        return Finding(Kind.NOT_READ, listed.name, "it changed while it was read")
    if listed.crc32c not in {None, found.crc32c}:
        return Finding(Kind.NOT_READ, listed.name, "what was read is not what the store says it has")
    return Reading(description or SegmentDescription.at_end(found.tail), Checksums(found.crc32c, found.sha256))


def described(candidate: Candidate, reading: Reading) -> Described | Finding:
    """Whether a row can be made of it."""
    name, description = candidate.object.name, reading.description
    if description is None:
        return Finding(Kind.UNDESCRIBED, name, "it has no metadata and no box that says what it is")
    if description.client_id is None:
        return Finding(Kind.UNDESCRIBED, name, "it doesn't say which recorder it is from")
    own_name = object_name(description.camera_id, description.recording_id, description.segment_id, description.start)
    if own_name != name:
        return Finding(Kind.CONTRADICTORY, name, f"by what it says of itself it should be {own_name}")
    return Described(candidate, description, description.client_id, reading.checksums)


async def with_recording(store: Store, found: Described) -> SegmentDescription:
    """The description with what the box alone says of its recording; metadata may come from who doesn't know that."""
    if found.description.recording_name:
        return found.description
    tail = await store.read_tail(found.candidate.object.name, MOST_BOX_BYTES)
    box = SegmentDescription.at_end(tail or b"")
    return box if box is not None and box.recording_id == found.description.recording_id else found.description
