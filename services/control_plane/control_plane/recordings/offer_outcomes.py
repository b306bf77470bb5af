"""What can become of one offered segment."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from camfleet_contract.segments import OfferVerdict, RefusalCode, SegmentOffer, UploadSession, Verdict, object_name
from control_plane.stores import OpenedUpload, StoredObject

Key = tuple[uuid.UUID, datetime, uuid.UUID]
"""Camera, start and id: the primary key of a segment."""

_SAYS_NOTHING_OF_A_SEGMENT = {RefusalCode.UNKNOWN_RECORDING, RefusalCode.UNKNOWN_CAMERA, RefusalCode.CONFLICT}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one offer is answered, and what is to be written down before that."""

    offer: SegmentOffer
    verdict: OfferVerdict
    seen: StoredObject | None = None
    """The object, where it was just compared and is what was offered."""
    opened: OpenedUpload | None = None
    """The upload session, where one was just opened."""

    @property
    def is_of_a_segment(self) -> bool:
        """Whether the segment exists as far as we know: in the store, or on the recorder's disk until it is."""
        return self.verdict.code not in _SAYS_NOTHING_OF_A_SEGMENT


def key_of(offer: SegmentOffer) -> Key:
    """The primary key of the offered segment."""
    return offer.camera_id, offer.start, offer.id


def is_same(offer: SegmentOffer, other: SegmentOffer) -> bool:
    """Whether two offers under one key are of the same segment: of one recording, with the same bytes."""
    return (offer.recording_id, offer.size_bytes, offer.crc32c, offer.sha256) == (
        other.recording_id,
        other.size_bytes,
        other.crc32c,
        other.sha256,
    )


def name_of(offer: SegmentOffer) -> str:
    """What the segment's object must be called."""
    return object_name(offer.camera_id, offer.recording_id, offer.id, offer.start)


def refused(offer: SegmentOffer, code: RefusalCode, reason: str) -> Outcome:
    """Not now, or never."""
    return Outcome(offer, OfferVerdict(id=offer.id, verdict=Verdict.REFUSED, code=code, reason=reason))


def conflicting(offer: SegmentOffer) -> Outcome:
    """The id is taken."""
    return refused(offer, RefusalCode.CONFLICT, "another segment with this id is already known")


def already_stored(offer: SegmentOffer) -> Outcome:
    """Nothing is left to do."""
    return Outcome(offer, OfferVerdict(id=offer.id, verdict=Verdict.STORED, object_name=name_of(offer)))


def compared(offer: SegmentOffer, found: StoredObject | None) -> Outcome:
    """Stored if the object is what was offered."""
    if found is None:
        return refused(offer, RefusalCode.OBJECT_MISSING, "the store has no such object")
    if (found.size_bytes, found.crc32c) != (offer.size_bytes, offer.crc32c):
        reason = (
            f"the object has {found.size_bytes} bytes with CRC32C {found.crc32c}, "
            f"the offer says {offer.size_bytes} with {offer.crc32c}"
        )
        return refused(offer, RefusalCode.CHECKSUM_MISMATCH, reason)
    return Outcome(offer, already_stored(offer).verdict, seen=found)


def wanted(offer: SegmentOffer, upload: OpenedUpload, *, is_new: bool) -> Outcome:
    """Upload it this way."""
    session = UploadSession(uri=upload.uri, expires_at=upload.expires_at)
    verdict = OfferVerdict(id=offer.id, verdict=Verdict.WANTED, object_name=name_of(offer), upload=session)
    return Outcome(offer, verdict, opened=upload if is_new else None)
